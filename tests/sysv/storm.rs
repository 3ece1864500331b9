//! Many processes at one key at once.
//!
//! The well-known race of semget and SETVAL (a set is found by others before its values are set) is
//! not there: a new set's values are zero, and zero is free (`src/peer/sysv.rs`). Nor may any of
//! the other steps of making and removing be seen half done.

use crate::{
    Place, options, raw,
    support::{Child, Shared, alone, page_size},
};
use shmpipe::{
    OpenError, OpenErrorKind,
    inspect::{self, Condition, Force},
    stream::{Reader, Writer},
};
use std::{fs::File, path::Path, sync::atomic::Ordering::SeqCst, thread};

const PROCESSES: u64 = 4;
const ROUNDS: u64 = 300;

/// Says that nobody but this process has this role of this segment, as long as it
/// lives. (The kernel sees to it.)
struct Only(std::path::PathBuf);

impl Only {
    fn new(directory: &Path, segment: i32, role: &str) -> Self {
        let path = directory.join(format!("{segment}-{role}"));
        File::create_new(&path).unwrap_or_else(|error| panic!("two ends in one role: {error}"));
        Self(path)
    }
}

impl Drop for Only {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// Takes either role for a moment, again and again.
fn come_and_go(name: &str, directory: &Path, said: &Shared, me: u64, wishes: bool) {
    for round in 0..ROUNDS {
        let n = me + round;
        let capacity = if wishes { page_size() << (n / 2 % 3) } else { page_size() };
        let options = options().capacity(capacity);
        let opened = match n % 2 {
            0 => options.open_or_create::<Writer>(name).map(|writer| {
                let only = Only::new(directory, raw::attached()[0], "writer");
                thread::yield_now();
                drop(only);
                writer.finish().unwrap();
            }),
            _ => options.open_or_create::<Reader>(name).map(|reader| {
                let only = Only::new(directory, raw::attached()[0], "reader");
                thread::yield_now();
                drop(only);
                drop(reader);
            }),
        };
        assert_eq!(raw::attached(), []);
        let outcome = opened.inspect_err(|error| assert_usual(error, wishes));
        said[usize::from(outcome.is_err())].fetch_add(1, SeqCst);
    }
}

#[track_caller]
fn assert_usual(error: &OpenError, wishes: bool) {
    let usual = match error.kind() {
        // The reader that is there has not read the two streams before.
        OpenErrorKind::RoleTaken { .. } | OpenErrorKind::Unfinished { .. } => true,
        OpenErrorKind::CapacityDiffers { .. } => wishes,
        _ => false,
    };
    assert!(usual, "{error:?}");
}

fn storm(wishes: bool, remove: impl Fn(i32, &str)) {
    let place = Place::new();
    let directory = tempfile::tempdir().unwrap();
    let said = Shared::new();
    let (key, name) = place.key();
    let children: Vec<_> = (0..PROCESSES)
        .map(|me| Child::fork(|_| come_and_go(&name, directory.path(), &said, me, wishes)))
        .collect();
    while said[0].load(SeqCst) + said[1].load(SeqCst) < PROCESSES * ROUNDS
        && children.iter().all(is_running)
    {
        remove(key, &name);
        thread::yield_now();
    }
    children.into_iter().for_each(Child::join);
    // The last that was there may have left an end that nobody was told of.
    if inspect::status(&name).is_ok_and(|ring| ring.condition == Condition::Orphaned) {
        inspect::remove(&name, Force::No).unwrap();
    }
    place.assert_empty();
    let counts = [0, 1].map(|n| said[n].load(SeqCst));
    println!("{} roles taken, {} refused", counts[0], counts[1]);
    assert!(counts[0] > PROCESSES);
}

fn is_running(child: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).unwrap();
    !stat.contains(") Z ")
}

#[test]
fn all_make_the_same_ring() {
    alone(|| {
        storm(false, |_, _| {});
    });
}

#[test]
fn each_wants_another_capacity() {
    alone(|| {
        storm(true, |_, _| {});
    });
}

#[test]
fn rings_are_removed_by_force_meanwhile() {
    alone(|| {
        storm(true, |_, name| {
            if let Err(error) = inspect::remove(name, Force::Yes) {
                assert!(matches!(error.kind(), inspect::ErrorKind::NotFound), "{error:?}");
            }
        });
    });
}

#[test]
fn segments_are_removed_meanwhile() {
    alone(|| {
        storm(true, |key, _| {
            if let Some(segment) = raw::segment(key) {
                let _ = raw::shm_remove(segment);
            }
        });
    });
}

#[test]
fn the_dead_are_looked_for_meanwhile() {
    alone(|| {
        let Some(own) = Place::own() else { return };
        drop(own);
        storm(true, |_, _| drop(inspect::remove_orphaned("sysv:").unwrap()));
    });
}

/// Exactly one makes it, whoever is first, and says so.
#[test]
fn one_makes_it() {
    alone(|| {
        let place = Place::new();
        let said = Shared::new();
        let (key, name) = place.key();
        for round in 1..=200 {
            let children: Vec<_> = (0..PROCESSES)
                .map(|_| {
                    Child::fork(|line| {
                        said[2].fetch_add(1, SeqCst);
                        while said[2].load(SeqCst) < PROCESSES {
                            thread::yield_now();
                        }
                        match options().create_new::<Writer>(&name) {
                            Ok(writer) => {
                                said[0].fetch_add(1, SeqCst);
                                line.say("made");
                                line.expect("go");
                                drop(writer);
                            }
                            Err(error) => {
                                let kind = error.kind();
                                assert!(matches!(kind, OpenErrorKind::AlreadyExists), "{error:?}");
                                line.say("exists");
                            }
                        }
                    })
                })
                .collect();
            let mut makers = vec![];
            for mut child in children {
                match &*child.hear() {
                    "made" => makers.push(child),
                    _ => child.join(),
                }
            }
            assert_eq!((makers.len(), said[0].load(SeqCst)), (1, round), "builders");
            assert_eq!(raw::segments().iter().filter(|segment| segment.key == key).count(), 1);
            let mut maker = makers.pop().unwrap();
            maker.say("go");
            maker.join();
            said[2].store(0, SeqCst);
            place.assert_empty();
        }
    });
}
