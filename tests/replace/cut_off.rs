//! Somebody who was replacing a ring was killed before its name was gone, having told everybody, or
//! only some, or nobody: whoever comes next goes on from there.

use super::*;
use crate::{for_each_face, for_each_single_face, support::alone};
use shmpipe::{
    Peer, WriteError,
    inspect::{self, Condition, Force, Repair, Role},
};
use std::thread;

/// A ring as its replacer leaves it who is killed right after his first store.
fn cut_off<F: Face>(name: &RingName) {
    let keep = patient().persistent(true);
    kill_one::<F::Out>(name, &keep, |out| F::put(out, 1).unwrap());
    Memory::of(name).set(REPLACED, 1);
    assert_eq!(inspect::status(name).unwrap().condition, Condition::Replaced);
}

#[test]
fn whoever_comes_next_does_not_come_to_the_old_ring() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        cut_off::<F>(&name);
        let error = patient().open::<F::In>(&name).map(drop).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::NotFound), "{}: {error:?}", F::NAME);
        name.assert_gone();
        let openers: [fn(&RingName) -> F::In; 5] = [
            |name| patient().open_or_create(name).unwrap(),
            |name| patient().create_new(name).unwrap(),
            |name| server().open_or_create(name).unwrap(),
            // Who finds a ring and replaces it makes one, also if another had begun with that.
            |name| server().open(name).unwrap(),
            // What lies there is of another kind than asked for.
            |name| patient().capacity(4 * face_support::page()).open_or_create(name).unwrap(),
        ];
        for open in openers {
            cut_off::<F>(&name);
            let mut from = open(&name);
            let told = F::take(&mut from, Duration::ZERO);
            assert!(matches!(told, Err(ReadError::Timeout)), "{}: {told:?}", F::NAME);
            drop(from);
            name.assert_gone();
        }
    }
    alone(|| for_each_face!(check));
}

#[test]
fn who_sleeps_at_it_is_told_by_the_next() {
    fn check_reader<F: Face>() {
        let name = RingName::new(F::NAME);
        kill_one::<F::Out>(&name, &patient(), |out| F::put(out, 1).unwrap());
        let mut from: F::In = patient().open(&name).unwrap();
        let memory = Memory::of(&name);
        let reader = thread::spawn(move || (take_all::<F>(&mut from), from));
        memory.until_parked(CONSUMER_PARKED);
        memory.set(REPLACED, 1);
        let out: F::Out = patient().open_or_create(&name).unwrap();
        let ((numbers, end), from) = reader.join().unwrap();
        assert!(matches!(end, Some(ReadError::Replaced)), "{}: {end:?}", F::NAME);
        assert_eq!(numbers, [1]);
        drop(from);
        name.assert_exists();
        drop(out);
        name.assert_gone();
    }
    fn check_writer<F: Face>() {
        let name = RingName::new(F::NAME);
        let mut out: F::Out = patient().open_or_create(&name).unwrap();
        let n = F::fill(&mut out);
        let memory = Memory::of(&name);
        let writer = thread::spawn(move || (F::put(&mut out, n), out));
        let many = F::NAME == "many";
        memory.until_parked(if many { FIRST_SEAT + SEAT_PARKED } else { PRODUCER_PARKED });
        memory.set(REPLACED, 1);
        // Also one that does not come to stay.
        let error = patient().open::<F::In>(&name).map(drop).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::NotFound), "{error:?}");
        let (told, out) = writer.join().unwrap();
        assert!(matches!(told, Err(WriteError::Replaced)), "{}: {told:?}", F::NAME);
        drop(out);
        name.assert_gone();
    }
    alone(|| {
        for_each_single_face!(check_reader);
        for_each_face!(check_writer);
    });
}

#[test]
fn its_last_end_takes_the_name_away() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let keep = patient().persistent(true);
        let mut out: F::Out = keep.open_or_create(&name).unwrap();
        F::put(&mut out, 1).unwrap();
        let from: F::In = patient().open(&name).unwrap();
        Memory::of(&name).set(REPLACED, 1);
        drop(from);
        name.assert_exists();
        drop(out);
        name.assert_gone();
    }
    alone(|| for_each_face!(check));
}

#[test]
fn seen_from_outside() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let mut out: F::Out = patient().open_or_create(&name).unwrap();
        let from: F::In = patient().open(&name).unwrap();
        F::put(&mut out, 1).unwrap();
        drop(from);
        Memory::of(&name).set(REPLACED, 1);
        // Somebody is there, who has not been told.
        assert!(inspect::remove_orphaned(&name).unwrap().is_empty());
        assert!(inspect::remove(&name, Force::No).is_err());
        let memory = Memory::of(&name);
        assert_eq!(inspect::repair(&name).unwrap(), [Repair::RemainsRemoved]);
        name.assert_gone();
        assert!(matches!(F::put(&mut out, 2), Err(WriteError::Replaced)));
        // The consumer's word.
        assert_eq!(memory.word(264) >> 32 & 0xf, 6);

        cut_off::<F>(&name);
        let removed = inspect::remove_orphaned(&name).unwrap();
        assert_eq!(removed.len(), 1);
        name.assert_gone();
        cut_off::<F>(&name);
        let memory = Memory::of(&name);
        memory.set(264, 1 << 36 | 6 << 32);
        let ring = inspect::status(&name).unwrap();
        let reader = ring.ends_of(Role::Consumer).next().unwrap();
        assert_eq!((reader.state, ring.condition), (Peer::Replaced, Condition::Replaced));
        inspect::remove(&name, Force::No).unwrap();
    }
    alone(|| for_each_face!(check));
}
