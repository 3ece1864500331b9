//! Nonsense in the semaphores in the segment, which ends that sleep beside it never look at.

use super::*;
use crate::{
    for_each_face,
    support::{Memory, system_v::Attached},
};

/// Where the ends of a ring sleep that only its user may write to:
/// `src/layout/control.rs` shows it.
fn semaphores_in_the_segment<F: Face>() -> impl Iterator<Item = u64> {
    const DATA: u64 = 640;
    const SPACE: u64 = 768;
    const FIRST_SEAT: u64 = 1408;
    const SEAT: u64 = 384;
    let seats = if F::NAME == Many::NAME { 8 } else { 0 };
    let seats = (0..seats).map(|seat| FIRST_SEAT + SEAT * seat + 128);
    [DATA, SPACE].into_iter().chain(seats).map(|gate| gate + 16)
}

fn memory(key: i32) -> Memory {
    Memory::SystemV(Attached::new(raw::segment(key).unwrap()).unwrap())
}

/// Somebody who writes nonsense all over them, all the time.
#[test]
fn nonsense_in_the_segments_semaphores_is_nothing_to_them() {
    fn check<F: Face>() {
        let place = Place::new();
        let scribbles = Shared::new();
        to_and_fro::<F>(&patient(0o666), &place, |key| {
            let begun = scribbles[0].load(Ordering::Acquire);
            let scribbler = Child::fork(|_| {
                let memory = memory(key);
                for n in (0..=u8::MAX).cycle() {
                    for at in semaphores_in_the_segment::<F>() {
                        memory.write_all_at(&[n | 0x80; 32], at).unwrap();
                    }
                    scribbles[0].fetch_add(1, Ordering::AcqRel);
                }
            });
            eventually("it is at it", || {
                (scribbles[0].load(Ordering::Acquire) > begun).then_some(())
            });
            Some(scribbler)
        });
    }
    alone(|| for_each_face!(check));
}

/// Of one user's ring it is found out, and its ends look again and again.
#[test]
fn nonsense_in_the_semaphores_of_a_ring_of_ones_own_is_found_out() {
    fn check<F: Face>() {
        let place = Place::new();
        let (key, name) = place.key();
        let options = patient(0o600);
        let mut from: F::In = options.create_new(&name).unwrap();
        // Before anybody sleeps, who could not be woken then.
        let (memory, beds) = (memory(key), Beds::of(key));
        for at in semaphores_in_the_segment::<F>() {
            memory.write_all_at(&0x55_u32.to_ne_bytes(), at + 8).unwrap();
        }
        drop(memory);
        let child = Child::fork(|_| {
            let mut out: F::Out = options.open(&name).unwrap();
            (0..2000).for_each(|number| F::put(&mut out, number).unwrap());
            F::finish_and_wait(out).unwrap();
        });
        for number in 0..2000 {
            assert_eq!(F::take(&mut from, DEADLINE).unwrap(), Some(number));
            assert!(number % 100 != 0 || beds.occupied().is_empty(), "there it does not sleep");
        }
        assert_eq!(F::take(&mut from, DEADLINE).unwrap(), None);
        drop(from);
        child.join();
        place.assert_empty();
    }
    alone(|| for_each_face!(check));
}
