//! Rings that other users may write to: their ends sleep at the semaphores of the set, each at its
//! own, and whatever is written to those in the segment does them nothing.
//!
//! The ends look for deaths once an hour: who is not woken stays asleep, and the test fails.

mod ended;
mod scribbled;
mod woken;

use crate::{
    Place,
    face_support::{self, Face, Many},
    raw,
    support::{Child, DEADLINE, Shared, alone, eventually, system_v},
};
use shmpipe::{Options, Wait};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Who may write to the ring decides where its ends sleep; not whom they trust.
const MODES: [u32; 3] = [0o666, 0o660, 0o622];

fn patient(mode: u32) -> Options {
    let options = face_support::options().mode(mode).wait(Wait::Sleep);
    options.liveness_interval(HOUR)
}

/// The semaphores of a ring's set.
#[derive(Clone, Copy, Debug)]
struct Beds {
    set: i32,
    count: i32,
    producers: i32,
}

impl Beds {
    /// Of the ring with this key, which must be there.
    fn of(key: i32) -> Self {
        let set = raw::set(raw::segment(key).unwrap()).unwrap();
        let count = raw::sem_stat(set).sem_nsems as i32;
        // The build lock and those of two ends, two to sleep at, 77 spare ones; and of each
        // seat a lock and one to sleep at.
        Self { set, count, producers: (count - 3 - 2 - 77) / 2 }
    }

    /// Where the consumer sleeps. Before it are the locks.
    fn data(self) -> i32 {
        3 + self.producers
    }

    /// Where a sender of many sleeps.
    fn seat(self, seat: i32) -> i32 {
        self.data() + 2 + seat
    }

    /// Where there is somebody asleep.
    fn occupied(self) -> Vec<i32> {
        (0..self.count).filter(|number| system_v::sleepers(self.set, *number) != 0).collect()
    }

    /// Until somebody sleeps at each of these, and nobody anywhere else.
    #[track_caller]
    fn until_asleep(self, numbers: &[i32]) {
        eventually("those sleep who shall", || (self.occupied() == numbers).then_some(()));
    }

    #[track_caller]
    fn until_consumer_asleep(self) {
        self.until_asleep(&[self.data()]);
    }

    /// Of many the one that there is, in whichever seat.
    #[track_caller]
    fn until_producer_asleep<F: Face>(self) {
        eventually("the producer sleeps", || match self.occupied()[..] {
            [at] if F::NAME == Many::NAME => (at >= self.seat(0)).then_some(()),
            [at] => (at == self.data() + 1).then_some(()),
            _ => None,
        });
    }

    #[track_caller]
    fn until_nobody_asleep(self) {
        self.until_asleep(&[]);
    }
}

const ROUNDS: u64 = 20;
/// Behind what fills a ring.
const LAST: u64 = u64::MAX;

/// In each round sends a number to a consumer that sleeps, and fills the ring
/// until it sleeps itself.
fn produce<F: Face>(mut out: F::Out, beds: Beds, taken: &AtomicU64) {
    for round in 1..=ROUNDS {
        beds.until_consumer_asleep();
        F::put(&mut out, 1).unwrap();
        // Or there would be room again, once it is full.
        eventually("it is taken", || (taken.load(Ordering::Acquire) == round).then_some(()));
        F::fill(&mut out);
        F::put(&mut out, LAST).unwrap();
    }
    let stats = F::stats_of_out(&out);
    assert!(stats.sleeps >= ROUNDS && stats.late_wakeups == 0, "{}: {stats:?}", F::NAME);
    F::finish_and_wait(out).unwrap();
}

fn consume<F: Face>(mut from: F::In, beds: Beds, taken: &AtomicU64) {
    for round in 1..=ROUNDS {
        assert_eq!(F::take(&mut from, DEADLINE).unwrap(), Some(1));
        taken.store(round, Ordering::Release);
        beds.until_producer_asleep::<F>();
        for number in 0.. {
            match F::take(&mut from, DEADLINE).unwrap() {
                Some(LAST) => break,
                found => assert_eq!(found, Some(number)),
            }
        }
    }
    assert_eq!(F::take(&mut from, DEADLINE).unwrap(), None);
    let stats = F::stats_of_in(&from);
    assert!(stats.sleeps >= ROUNDS && stats.late_wakeups == 0, "{}: {stats:?}", F::NAME);
}

/// Empty and full by turns; the maker is the consumer or the producer.
fn to_and_fro<F: Face>(options: &Options, place: &Place, meanwhile: impl Fn(i32) -> Option<Child>) {
    for consumes in [true, false] {
        let ((key, name), taken) = (place.key(), Shared::new());
        // With somebody else at it from the beginning.
        let begin = || (Beds::of(key), meanwhile(key));
        let (child, other) = if consumes {
            let from: F::In = options.create_new(&name).unwrap();
            let (beds, other) = begin();
            let child =
                Child::fork(|_| produce::<F>(options.open(&name).unwrap(), beds, &taken[0]));
            consume::<F>(from, beds, &taken[0]);
            (child, other)
        } else {
            let out: F::Out = options.create_new(&name).unwrap();
            let (beds, other) = begin();
            let child =
                Child::fork(|_| consume::<F>(options.open(&name).unwrap(), beds, &taken[0]));
            produce::<F>(out, beds, &taken[0]);
            (child, other)
        };
        child.join();
        other.into_iter().for_each(Child::kill);
        place.assert_empty();
    }
}
