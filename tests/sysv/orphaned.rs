//! [`inspect::remove_orphaned`] clears what the dead have left, and nothing else.

use crate::{
    Place, options, raw,
    support::{Child, alone, page_size, wait_to_be_killed},
};
use shmpipe::{
    inspect::{self, Condition},
    mpsc,
    stream::{Reader, Writer},
};
use std::io::Write;

fn remains(key: i32, magic: &[u8]) -> i32 {
    let id = raw::shmget(key, 2 * page_size() - 77, 0o600);
    raw::with_bytes(id, |bytes| bytes[..magic.len()].copy_from_slice(magic));
    id
}

/// The names of those that were removed, in some order.
fn remove(prefix: &str) -> Vec<String> {
    let removed = inspect::remove_orphaned(prefix).unwrap();
    let mut names: Vec<_> = removed.iter().map(|ring| ring.place.to_string()).collect();
    names.sort();
    names
}

#[test]
fn the_dead_the_half_built_and_the_half_removed() {
    alone(|| {
        let Some(place) = Place::own() else { return };
        let [live, kept, dead, half, half_with_set, building, gone, gone_with_set, without_set] =
            std::array::from_fn(|_| place.key());
        let _live: (Writer, mpsc::Receiver) =
            (options().create_new(&live.1).unwrap(), options().create_new(place.key().1).unwrap());
        drop(options().persistent(true).create_new::<Writer>(&kept.1).unwrap());
        let mut child = Child::fork(|line| {
            let mut writer: Writer = options().create_new(&dead.1).unwrap();
            writer.write_all(b"unread").unwrap();
            let _other: Reader = options().create_new(&without_set.1).unwrap();
            line.say("there");
            wait_to_be_killed();
        });
        child.expect("there");
        child.kill();
        remains(half.0, b"");
        raw::semget(raw::set_key(remains(half_with_set.0, b"")), 82, 0o600);
        remains(building.0, b"shmbuild");
        remains(gone.0, b"shmgone\n");
        raw::semget(raw::set_key(remains(gone_with_set.0, b"shmgone\n")), 144, 0o600);
        raw::sem_remove(raw::set(raw::segment(without_set.0).unwrap()).unwrap()).unwrap();
        // Sets whose segments were removed; and one whose key only looks like that.
        let stray = [
            raw::semget(raw::set_key(0x7f_fff0), 82, 0o600),
            raw::semget(raw::set_key(0x7f_fff1), 592, 0o600),
        ];
        let foreign = raw::semget(raw::set_key(0x7f_fff2), 3, 0o600);
        // Somebody else's file of the same size.
        let other = remains(place.key().0, b"precious");
        assert_eq!(inspect::status(&half.1).unwrap().condition, Condition::Abandoned);

        assert_eq!(remove("/nothing-is-called-that"), [""; 0]);
        // What was half removed is gone, and no ring that could be shown.
        let mut dead = [&dead, &half, &half_with_set, &building, &without_set]
            .map(|(key, _)| format!("sysv:{key:#010x}"));
        dead.sort();
        assert_eq!(remove("sysv:"), dead);
        assert_eq!(remove(""), [""; 0]);
        let sets = raw::sets();
        assert!(stray.iter().all(|id| sets.iter().all(|set| set.id != *id)), "{sets:x?}");
        assert!(sets.iter().any(|set| set.id == foreign));
        assert_eq!(inspect::status(&live.1).unwrap().condition, Condition::Waiting);
        assert!(inspect::status(&kept.1).unwrap().persistent);
        assert_eq!(raw::segments().len(), 4);
        raw::sem_remove(foreign).unwrap();
        raw::shm_remove(other).unwrap();
        drop(_live);
        inspect::remove(&kept.1, inspect::Force::No).unwrap();
    });
}

/// Ends that are alive, of a ring that was removed: theirs is not stray.
#[test]
fn the_locks_of_the_living_are_left_alone() {
    alone(|| {
        let Some(place) = Place::own() else { return };
        let (key, name) = place.key();
        let mut writer: Writer = options().create_new(&name).unwrap();
        let mut reader: Reader = options().open(&name).unwrap();
        let id = raw::segment(key).unwrap();
        raw::shm_remove(id).unwrap();
        assert_eq!(remove(""), [""; 0]);
        assert!(raw::set(id).is_some());
        writer.write_all(b"x").unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"x");
        drop((writer, reader));
        place.assert_empty();

        // One whose locks were removed, as long as somebody has it.
        let writer: Writer = options().persistent(true).create_new(&name).unwrap();
        raw::sem_remove(raw::set(raw::segment(key).unwrap()).unwrap()).unwrap();
        assert_eq!(remove(""), [""; 0]);
        assert!(raw::segment(key).is_some());
        drop(writer);
        inspect::remove(&name, inspect::Force::Yes).unwrap();
    });
}
