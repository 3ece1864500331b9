//! The kernel's limits: each is named, with its value and where it is set, and
//! what was begun is taken back.

use crate::{
    Place, options, raw,
    support::{alone, page_size, skip},
};
use shmpipe::{OpenErrorKind, Options, inspect, mpsc, stream::Writer};
use std::{fs, io};

/// Lowers a limit of the test's own namespace.
fn set(sysctl: &str, value: &str) -> bool {
    match fs::write(format!("/proc/sys/kernel/{sysctl}"), value) {
        Ok(()) => true,
        Err(error) => {
            skip(format!("kernel.{sysctl} cannot be set: {error}"));
            false
        }
    }
}

#[track_caller]
fn assert_limit(error: shmpipe::OpenError, limit: &str, at: u64, file: &str) {
    let OpenErrorKind::Limit { name, value, sysctl, .. } = *error.kind() else {
        panic!("{error:?}")
    };
    assert_eq!((name, value, sysctl), (limit, at, file));
    let message = error.to_string();
    for part in [limit, &at.to_string(), &format!("kernel.{file}")] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::StorageFull);
}

/// With a key and without one, a limit is met, and nothing stays.
#[track_caller]
fn meets(place: &Place, options: &Options, limit: &str, at: u64, file: &str) {
    let before = (raw::segments(), raw::sets());
    for name in [place.key().1, "sysv:private".to_owned()] {
        let error = options.open_or_create::<Writer>(&name).unwrap_err();
        assert_limit(error, limit, at, file);
        let error = options.create_new::<mpsc::Receiver>(&name).unwrap_err();
        assert_limit(error, limit, at, file);
    }
    assert_eq!((raw::segments(), raw::sets()), before, "something was left over");
}

#[test]
fn as_many_segments_as_there_can_be() {
    alone(|| {
        let Some(place) = Place::own() else { return };
        if !set("shmmni", "2") {
            return;
        }
        let (key, name) = place.key();
        let foreign = raw::shmget(key, 100, 0o600);
        let writer: Writer = options().open_or_create(place.key().1).unwrap();
        meets(&place, &options(), "SHMMNI", 2, "shmmni");
        raw::shm_remove(foreign).unwrap();
        drop(options().open_or_create::<Writer>(&name).unwrap());
        drop(writer);
    });
}

#[test]
fn a_segment_larger_than_there_can_be() {
    alone(|| {
        let Some(place) = Place::own() else { return };
        // The library's default for a ring of many is more, too.
        let capacity = 16 * page_size();
        if !set("shmmax", &capacity.to_string()) {
            return;
        }
        meets(&place, &options().capacity(capacity), "SHMMAX", capacity as u64, "shmmax");
        drop(options().open_or_create::<Writer>(place.key().1).unwrap());
    });
}

#[test]
fn more_pages_than_there_can_be() {
    alone(|| {
        let Some(place) = Place::own() else { return };
        if !set("shmall", "5") {
            return;
        }
        let writer: Writer = options().open_or_create(place.key().1).unwrap();
        meets(&place, &options().capacity(4 * page_size()), "SHMALL", 5, "shmall");
        drop(writer);
    });
}

#[test]
fn as_many_sets_as_there_can_be() {
    alone(|| {
        let Some(place) = Place::own() else { return };
        // SEMMSL, SEMMNS, SEMOPM, SEMMNI
        if !set("sem", "32000 1000000 500 2") {
            return;
        }
        let foreign = raw::semget(place.key().0, 1, 0o600);
        let writer: Writer = options().open_or_create(place.key().1).unwrap();
        meets(&place, &options(), "SEMMNI", 2, "sem");
        raw::sem_remove(foreign).unwrap();
        drop(options().open_or_create::<Writer>(place.key().1).unwrap());
        drop(writer);
    });
}

#[test]
fn more_semaphores_than_there_can_be() {
    alone(|| {
        let Some(place) = Place::own() else { return };
        if !set("sem", "32000 120 500 100") {
            return;
        }
        let writer: Writer = options().open_or_create(place.key().1).unwrap();
        meets(&place, &options(), "SEMMNS", 120, "sem");
        drop(writer);
        if set("sem", "20 120 500 100") {
            meets(&place, &options(), "SEMMSL", 20, "sem");
        }
    });
}

/// What another made and could not give locks is not ours to remove, nor is it in the way.
#[test]
fn a_failed_attempt_does_not_take_away_what_it_found() {
    alone(|| {
        let Some(place) = Place::own() else { return };
        if !set("sem", "32000 1000000 500 0") {
            return;
        }
        let (key, name) = place.key();
        let left = raw::shmget(key, 2 * page_size() - 77, 0o600);
        let error = options().open_or_create::<Writer>(&name).unwrap_err();
        assert_limit(error, "SEMMNI", 0, "sem");
        assert_eq!(raw::segment(key), Some(left));
        set("sem", "32000 1000000 500 10");
        let writer: Writer = options().open_or_create(&name).unwrap();
        assert_eq!(inspect::status(&name).unwrap().sysv.unwrap().id, left);
        drop(writer);
    });
}
