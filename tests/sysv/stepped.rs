//! Killed at each system call of making, attaching, leaving and removing: the next to come finds
//! what it wants, and nothing stays.

use crate::{
    Place, options, raw,
    support::{DEADLINE, Shared, alone, page_size, skip, wait_to_be_killed},
    tracing::{Came, Marks, Victim, Way, permitted, stay_on_this_processor},
};
use shmpipe::{
    Options,
    inspect::{self, Force},
    mpsc,
    stream::{Reader, Writer},
};
use std::io::{Read, Write};

/// Kills `victim` behind each of its system calls, and has `check` look at what
/// that left. Returns the kills.
fn kill_at_each_call(
    prepare: impl Fn(),
    victim: impl Fn(&Marks<'_>),
    check: impl Fn(usize),
) -> usize {
    let said = Shared::new();
    stay_on_this_processor();
    for calls in 0.. {
        prepare();
        let child = Victim::fork(&said, |_, marks| {
            victim(marks);
            wait_to_be_killed();
        });
        let came = child.go(Way { calls, steps: 0 }, &mut || {});
        child.kill();
        check(calls);
        if came == Came::Through {
            return calls;
        }
    }
    unreachable!()
}

pub fn is_permitted() -> bool {
    permitted().map_err(skip).is_ok()
}

/// A ring can be had, carries, and goes.
fn works(options: &Options, name: &str) {
    let mut writer: Writer = options.clone().discard().open_or_create(name).unwrap();
    let mut reader: Reader = options.open_or_create(name).unwrap();
    // Of the dead there may be an end to be told.
    while reader.fill_buf_timeout(std::time::Duration::ZERO).is_err_and(|error| {
        matches!(error, shmpipe::stream::ReadError::Died | shmpipe::stream::ReadError::Dropped)
    }) {}
    writer.write_all(b"it works").unwrap();
    let mut text = [0; 8];
    reader.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"it works");
    writer.finish().unwrap();
    assert_eq!(reader.fill_buf_timeout(DEADLINE).unwrap(), b"");
}

#[test]
fn a_builder() {
    alone(|| {
        if !is_permitted() {
            return;
        }
        let place = Place::new();
        let (_, name) = place.key();
        let large = options().capacity(4 * page_size());
        let kills = kill_at_each_call(
            || place.assert_empty(),
            |marks| {
                marks.begin();
                let writer: Writer = options().open_or_create(&name).unwrap();
                marks.end();
                std::mem::forget(writer);
            },
            |calls| {
                // Who comes next may want what is there, something larger, or only to look.
                match calls % 3 {
                    _ if inspect::status(&name).is_ok_and(|ring| ring.capacity > 0) => {
                        works(&options(), &name);
                    }
                    0 => works(&options(), &name),
                    1 => works(&large, &name),
                    _ => {
                        let _ = options().open::<Reader>(&name).map(drop);
                        drop(large.open_or_create::<mpsc::Receiver>(&name).unwrap());
                    }
                }
                place.assert_empty();
            },
        );
        println!("{kills} kills");
        assert!(kills > 20);
    });
}

/// Nobody but who looks at everything finds what was left of these.
#[test]
fn a_builder_of_a_private_ring() {
    alone(|| {
        if !is_permitted() {
            return;
        }
        let Some(place) = Place::own() else { return };
        let kills = kill_at_each_call(
            || place.assert_empty(),
            |marks| {
                marks.begin();
                let writer: Writer = options().create_new("sysv:private").unwrap();
                marks.end();
                std::mem::forget(writer);
            },
            |_| {
                inspect::remove_orphaned("").unwrap();
                place.assert_empty();
            },
        );
        println!("{kills} kills");
    });
}

/// The last end out.
#[test]
fn a_remover() {
    alone(|| {
        if !is_permitted() {
            return;
        }
        let place = Place::new();
        let (key, name) = place.key();
        let kills = kill_at_each_call(
            || place.assert_empty(),
            |marks| {
                let writer: Writer = options().open_or_create(&name).unwrap();
                marks.begin();
                drop(writer);
                marks.end();
            },
            |calls| {
                match calls % 3 {
                    0 => works(&options(), &name),
                    1 => {
                        let _ = options().open::<Reader>(&name).map(drop);
                    }
                    _ => {
                        let _ = inspect::remove(&name, Force::No);
                    }
                }
                // A set whose segment has gone, or a ring with an end nobody was told of.
                if raw::segment(key).is_some() {
                    works(&options(), &name);
                }
                place.assert_empty();
            },
        );
        println!("{kills} kills");
        assert!(kills > 10);
    });
}

#[test]
fn who_removes_by_force() {
    alone(|| {
        if !is_permitted() {
            return;
        }
        let Some(place) = Place::own() else { return };
        let (_, name) = place.key();
        let kills = kill_at_each_call(
            || drop(options().persistent(true).create_new::<Writer>(&name).unwrap()),
            |marks| {
                marks.begin();
                inspect::remove(&name, Force::Yes).unwrap();
                marks.end();
            },
            |_| {
                // A ring that is persistent; or half of a removal.
                inspect::remove_orphaned("").unwrap();
                let _ = inspect::remove(&name, Force::No);
                place.assert_empty();
            },
        );
        println!("{kills} kills");
        assert!(kills > 5);
    });
}

/// Who comes to a ring, and leaves it, while another has it.
#[test]
fn a_guest() {
    alone(|| {
        if !is_permitted() {
            return;
        }
        let place = Place::new();
        let (_, name) = place.key();
        let host: Writer = options().create_new(&name).unwrap();
        let kills = kill_at_each_call(
            || {},
            |marks| {
                marks.begin();
                let reader: Reader = options().open(&name).unwrap();
                drop(reader);
                marks.end();
            },
            |_| {
                drop(options().open::<Reader>(&name).unwrap());
                assert_eq!(inspect::status(&name).unwrap().sysv.unwrap().attached, 2);
            },
        );
        println!("{kills} kills");
        assert!(kills > 20);
        drop(host);
        place.assert_empty();
    });
}
