//! A builder is stopped at each of its system calls, while another removes what it
//! has made or makes what it wanted.

use crate::{
    Place, options, raw,
    stepped::is_permitted,
    support::{Shared, alone, page_size, wait_to_be_killed},
    tracing::{Came, Victim, Way},
};
use shmpipe::{
    OpenError, OpenErrorKind,
    stream::{Reader, Writer},
};

/// Lets a victim go on that came so far.
fn go_to_the_end(child: &Victim<'_>, came: Came) {
    // One that is through sleeps.
    if came == Came::There {
        assert_eq!(child.go(Way { calls: 10_000, steps: 0 }, &mut || {}), Came::Through);
    }
}

/// At each of a builder's calls the segment that it has made is removed under it.
#[test]
fn who_finds_no_segment_for_its_set() {
    alone(|| {
        if !is_permitted() {
            return;
        }
        let Some(place) = Place::own() else { return };
        let (key, name) = place.key();
        let said = Shared::new();
        for calls in 0.. {
            let child = Victim::fork(&said, |_, marks| {
                marks.begin();
                let opened = options().open_or_create::<Writer>(&name);
                drop(opened.unwrap());
                marks.end();
                wait_to_be_killed();
            });
            let came = child.go(Way { calls, steps: 0 }, &mut || {});
            if let Some(segment) = raw::segment(key) {
                raw::shm_remove(segment).unwrap();
            }
            go_to_the_end(&child, came);
            child.kill();
            place.assert_empty();
            if came == Came::Through {
                println!("{calls} calls");
                assert!(calls > 30);
                return;
            }
        }
    });
}

/// At each of a builder's calls another, who wants something larger, comes, and
/// leaves at once or stays.
#[test]
fn who_is_overtaken() {
    alone(|| {
        if !is_permitted() {
            return;
        }
        let place = Place::new();
        let (key, name) = place.key();
        let large = options().capacity(4 * page_size());
        let differs = |error: OpenError| {
            let kind = error.kind();
            assert!(matches!(kind, OpenErrorKind::CapacityDiffers { .. }), "{error:?}");
        };
        let said = Shared::new();
        for stays in [false, true] {
            for calls in 0.. {
                let child = Victim::fork(&said, |_, marks| {
                    marks.begin();
                    let _ = options().open_or_create::<Writer>(&name).map_err(differs);
                    marks.end();
                    wait_to_be_killed();
                });
                let came = child.go(Way { calls, steps: 0 }, &mut || {});
                let set = raw::segment(key).and_then(raw::set);
                let is_locked = set.is_some_and(|set| raw::sem_value(set, 0) != 0);
                // Who stands still under the lock holds everybody up.
                let other = match is_locked {
                    true => None,
                    false => large.open_or_create::<Reader>(&name).map_err(differs).ok(),
                };
                let other = other.filter(|_| stays);
                go_to_the_end(&child, came);
                child.kill();
                drop(other);
                place.assert_empty();
                if came == Came::Through {
                    break;
                }
            }
        }
    });
}
