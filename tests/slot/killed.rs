//! SIGKILL at any moment: every value that was pushed comes exactly once and in order to a consumer
//! that lives, at least once to those that take over; and who comes next goes on.

use crate::{
    slot_support::*,
    stream_support::*,
    support::{Child, Shared, alone, eventually, wait_to_be_killed},
};
use bytemuck::Pod;
use shmpipe::{
    Options,
    slot::{Consumer, Producer, ReadError, WriteError},
};
use std::{
    sync::atomic::Ordering::Relaxed,
    thread::{self, JoinHandle},
    time::Duration,
};

/// Deaths per kind of ring and type.
const ROUNDS: usize = 60;

/// Deaths are noticed soon, for the sake of more rounds.
fn options() -> Options {
    Options::new().liveness_interval(Duration::from_millis(2))
}

/// Numbers that are different in each run, which prints where they began.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        println!("random numbers from {seed}");
        Self(seed | 1)
    }

    /// A number below `limit` (Marsaglia's xorshift).
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn micros_below(&mut self, limit: u64) -> Duration {
        Duration::from_micros(self.below(limit))
    }
}

/// Kills the victim after a while, from a thread, so that the test's own goes on. It must be joined
/// before the next fork.
fn kill_after(delay: Duration, victim: Child) -> JoinHandle<()> {
    thread::spawn(move || {
        thread::sleep(delay);
        victim.signal(libc::SIGKILL);
        assert_eq!(victim.status(), libc::SIGKILL, "it had come to an end by itself");
    })
}

/// Pushes the values from `index` on for ever, in every way, and with slots in between that are
/// being filled with something else when the kill comes.
fn push_for_ever<T: Pod>(producer: &mut Producer<T>, mut index: u64) -> Result<(), WriteError> {
    loop {
        let n = 1 + (index * 7 % 31) as usize;
        match index % 5 {
            0 | 1 => {
                producer.push(value(index))?;
                index += 1;
            }
            2 => {
                producer.push_slice(&values(index, n))?;
                index += n as u64;
            }
            3 => {
                let n = n.min(producer.capacity());
                let mut slots = producer.reserve(n)?;
                fill_values(&mut slots, 1 << 40);
                let n = n.div_ceil(2);
                fill_values(&mut slots[..n], index);
                slots.commit_first(n)?;
                index += n as u64;
            }
            _ => {
                let mut slots = producer.reserve_up_to(n)?;
                fill_values(&mut slots, index);
                let n = slots.len();
                slots.commit()?;
                index += n as u64;
            }
        }
    }
}

/// Pops and checks the values from `index` on, in every way, and says after
/// each release how far it is.
fn pop_for_ever<T: Pod>(
    consumer: &mut Consumer<T>,
    mut index: u64,
    mut released: impl FnMut(u64),
) -> Result<(), ReadError> {
    loop {
        match index % 3 {
            0 => {
                let Some(value) = consumer.pop()? else { return Ok(()) };
                check_value(value, index);
                index += 1;
            }
            1 => {
                let Some(batch) = consumer.pop_batch()? else { return Ok(()) };
                check_values(&batch, index);
                let n = batch.len().min(1 + index as usize % 17);
                batch.release(n);
                index += n as u64;
            }
            _ => {
                let Some(batch) = consumer.pop_batch()? else { return Ok(()) };
                check_values(&batch, index);
                index += batch.len() as u64;
            }
        }
        released(index);
    }
}

/// The index of the value that a shared position is at.
fn index_at<T>(words: &Words, position: u64) -> u64 {
    let position = words.get(position);
    assert!(
        position.is_multiple_of(size_of::<T>() as u64),
        "{position} is in the midst of a value"
    );
    position / size_of::<T>() as u64
}

fn producers_die<T: Pod>() {
    let mut random = Random::new();
    for site in SlotSite::each::<T>() {
        let mut consumer = site.consumer::<T>(&options());
        let words = site.words();
        let mut index = 0;
        for round in 0..ROUNDS {
            let mut victim = Child::fork(|line| {
                let mut producer = site.producer::<T>(&options().resume());
                let next = index_at::<T>(&site.words(), TAIL);
                line.say("attached");
                push_for_ever(&mut producer, next).unwrap();
            });
            victim.expect("attached");
            let killer = kill_after(random.micros_below(2000), victim);
            let end = pop_for_ever(&mut consumer, index, |at| {
                index = at;
                if random.below(40) == 0 {
                    thread::sleep(random.micros_below(200));
                }
            });
            assert!(matches!(end, Err(ReadError::Died)), "round {round}: {end:?}");
            joined(killer);
            // All that was published, to the last one, and nothing twice.
            assert_eq!(index, index_at::<T>(&words, TAIL), "round {round}");
            assert_eq!(index, index_at::<T>(&words, HEAD), "round {round}");
        }
        println!("{index} values from {ROUNDS} producers that were killed");
        assert!(index > 0);
    }
}

#[test]
fn a_surviving_consumer_gets_every_value_once() {
    alone(|| {
        producers_die::<u64>();
        producers_die::<Three>();
    });
}

#[test]
fn a_surviving_consumer_gets_every_large_value_once() {
    alone(|| {
        producers_die::<Odd>();
    });
}

fn consumers_die<T: Pod>() {
    let mut random = Random::new();
    // What the victim says it has released.
    let said = Shared::new();
    for site in SlotSite::each::<T>() {
        said[0].store(0, Relaxed);
        let mut producer = site.producer::<T>(&options());
        let words = site.words();
        let mut pushed = 0;
        for round in 0..ROUNDS {
            let at = index_at::<T>(&words, HEAD);
            let mut victim = Child::fork(|line| {
                let mut consumer = site.consumer::<T>(&options());
                line.say("attached");
                pop_for_ever(&mut consumer, at, |at| said[0].store(at, Relaxed)).unwrap();
            });
            // Before it has come, pushing would still say that the one before it died.
            victim.expect("attached");
            let killer = kill_after(random.micros_below(2000), victim);
            let error = push_for_ever(&mut producer, pushed).unwrap_err();
            assert!(matches!(error, WriteError::ReaderDied), "round {round}: {error:?}");
            joined(killer);
            pushed = index_at::<T>(&words, TAIL);
            let released = index_at::<T>(&words, HEAD);
            assert!(said[0].load(Relaxed) <= released, "a release was taken back");
            assert!(at <= released && released <= pushed, "{at} {released} {pushed}");
            assert_eq!(producer.len() as u64, pushed - released);
        }
        println!("{pushed} values to {ROUNDS} consumers that were killed");
        assert!(index_at::<T>(&words, HEAD) > 0);

        // The last one gets the rest, from the first that was not released.
        let mut consumer = site.consumer::<T>(&options());
        producer.finish().unwrap();
        let (first, mut last) = (index_at::<T>(&words, HEAD), 0);
        pop_for_ever(&mut consumer, first, |at| last = at).unwrap();
        assert!(last == pushed || first == pushed, "{last} of {pushed}");
    }
}

#[test]
fn the_next_consumer_goes_on_at_the_last_value_that_was_not_released() {
    alone(|| {
        consumers_die::<u64>();
        consumers_die::<Three>();
    });
}

/// Either end dies at random; the other is replaced too.
fn both_die<T: Pod>() {
    let mut random = Random::new();
    for site in SlotSite::each::<T>() {
        let words = site.words();
        let mut released = 0;
        for round in 0..ROUNDS / 2 {
            let mut producing = Child::fork(|line| {
                // The ring keeps one end that no consumer was told of, not two.
                let mut producer = eventually("an end to be told", || {
                    site.open::<Producer<T>>(&options().resume()).ok()
                });
                let next = index_at::<T>(&site.words(), TAIL);
                line.say("attached");
                let _ = push_for_ever(&mut producer, next);
                wait_to_be_killed();
            });
            let mut consuming = Child::fork(|line| {
                let mut index = index_at::<T>(&site.words(), HEAD);
                let mut consumer = site.consumer::<T>(&options());
                line.say("attached");
                // The ends of those who died before lie between the values.
                loop {
                    let end = pop_for_ever(&mut consumer, index, |at| index = at);
                    assert!(matches!(end, Err(ReadError::Died)), "{end:?}");
                }
            });
            producing.expect("attached");
            consuming.expect("attached");
            let order = random.below(2) == 0;
            let victims = if order { [producing, consuming] } else { [consuming, producing] };
            for victim in victims {
                thread::sleep(random.micros_below(1500));
                victim.signal(libc::SIGKILL);
                // Not by itself, having found something wrong.
                assert_eq!(victim.status(), libc::SIGKILL, "round {round}");
            }
            let (head, tail) = (index_at::<T>(&words, HEAD), index_at::<T>(&words, TAIL));
            assert!(released <= head && head <= tail && tail - head <= whole::<T>() as u64);
            released = head;
        }
        println!("{released} values through {ROUNDS} processes that were killed");
        assert!(released > 0);

        // What is left is whole.
        let (head, tail) = (index_at::<T>(&words, HEAD), index_at::<T>(&words, TAIL));
        let mut consumer = site.consumer::<T>(&options());
        assert_eq!(consumer.len() as u64, tail - head);
        let mut index = head;
        // The ends in between are told once each, in order.
        while index < tail {
            let end = pop_for_ever(&mut consumer, index, |at| index = at);
            assert!(matches!(end, Err(ReadError::Died)), "{end:?}");
        }
        let mut producer = eventually("the last end to be told", || {
            assert!(matches!(consumer.try_pop(), Err(ReadError::Died | ReadError::Empty)));
            site.open::<Producer<T>>(&options().resume()).ok()
        });
        producer.push(value(tail)).unwrap();
        producer.finish().unwrap();
        while pop_for_ever(&mut consumer, index, |at| index = at).is_err() {}
        assert_eq!(index, tail + 1);
    }
}

#[test]
fn both_ends_die_and_others_go_on() {
    alone(|| {
        both_die::<Three>();
        both_die::<Line>();
    });
}

/// The value in a guard at the time of death comes again; one that was popped does not.
#[test]
fn what_was_in_a_guard_comes_again() {
    alone(|| {
        for site in SlotSite::each::<Three>() {
            let mut producer = site.producer::<Three>(&options());
            producer.push_slice(&values(0, 10)).unwrap();
            let mut victim = Child::fork(|line| {
                let mut consumer = site.consumer::<Three>(&options());
                check_value(consumer.pop().unwrap().unwrap(), 0);
                consumer.pop_batch().unwrap().unwrap().release(2);
                let batch = consumer.pop_batch().unwrap().unwrap();
                assert_eq!(batch.len(), 7);
                line.say("looks");
                wait_to_be_killed();
            });
            victim.expect("looks");
            victim.kill();
            let mut consumer = site.consumer::<Three>(&options());
            let batch = consumer.pop_batch().unwrap().unwrap();
            assert_eq!(batch.len(), 7);
            check_values(&batch, 3);
        }
    });
}
