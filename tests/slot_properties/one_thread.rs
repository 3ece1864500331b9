//! In one thread, with the forms that never wait: each answer is known beforehand.

use crate::{config, endings, factors, for_each_type, kinds, slot_support::*, stream_support::*};
use bytemuck::Pod;
use proptest::{collection::vec, prelude::*};
use shmpipe::{
    Options,
    slot::{Consumer, Producer, ReadError, WriteError},
};
use std::{
    mem::forget,
    time::{Duration, Instant},
};

/// How many values an operation asks for: a number, or one relative to something of the ring.
#[derive(Clone, Copy, Debug)]
enum Count {
    Values(usize),
    /// That much more or less than the ring holds.
    Capacity(isize),
    /// That much more or less than there is room for (of a consumer: than there are).
    Rest(isize),
}

impl Count {
    fn of(self, capacity: usize, rest: usize) -> usize {
        match self {
            Self::Values(n) => n,
            Self::Capacity(more) => capacity.saturating_add_signed(more),
            Self::Rest(more) => rest.saturating_add_signed(more),
        }
    }
}

fn counts() -> impl Strategy<Value = Count> {
    prop_oneof![
        6 => (0..20_usize).prop_map(Count::Values),
        2 => (0..400_usize).prop_map(Count::Values),
        1 => (-2..=2_isize).prop_map(Count::Capacity),
        3 => (-2..=2_isize).prop_map(Count::Rest),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Push,
    PushTimeout,
    PushOrDrop,
    PushSlice(Count),
    /// Reserves exactly so many, and commits that share of them, in percent.
    Reserve(Count, usize),
    ReserveUpTo(Count, usize),
    ReserveAndDrop(Count),
    ReserveAndForget(Count),
    CommitTooMany(Count),
    Pop,
    PopDeadline,
    /// Pops all, and releases so many.
    PopBatch(Count),
    PopBatchAndDrop,
    PopBatchAndForget,
}

fn operations() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let share = || prop_oneof![Just(100_usize), 0..=100_usize];
    prop_oneof![
        5 => Just(Push),
        1 => Just(PushTimeout),
        2 => Just(PushOrDrop),
        3 => counts().prop_map(PushSlice),
        3 => (counts(), share()).prop_map(|(count, share)| Reserve(count, share)),
        3 => (counts(), share()).prop_map(|(count, share)| ReserveUpTo(count, share)),
        1 => counts().prop_map(ReserveAndDrop),
        1 => counts().prop_map(ReserveAndForget),
        1 => counts().prop_map(CommitTooMany),
        5 => Just(Pop),
        1 => Just(PopDeadline),
        4 => counts().prop_map(PopBatch),
        2 => Just(PopBatchAndDrop),
        1 => Just(PopBatchAndForget),
    ]
}

/// Both ends and what ought to be between them.
struct Model<T: Pod> {
    producer: Producer<T>,
    consumer: Consumer<T>,
    capacity: usize,
    /// Values pushed, and of them popped.
    pushed: u64,
    popped: u64,
    dropped: u64,
    aborted: u64,
    leaked_slots: u64,
    leaked_values: u64,
}

impl<T: Pod> Model<T> {
    fn unread(&self) -> usize {
        (self.pushed - self.popped) as usize
    }

    fn free(&self) -> usize {
        self.capacity - self.unread()
    }

    fn run(&mut self, operation: Operation) {
        let to_push = |count: Count| count.of(self.capacity, self.free());
        match operation {
            Operation::Push => self.push(Producer::try_push),
            Operation::PushTimeout => self.push(|p, value| p.push_timeout(value, Duration::ZERO)),
            Operation::PushOrDrop => self.push_or_drop(),
            Operation::PushSlice(count) => self.push_slice(to_push(count)),
            Operation::Reserve(count, share) => self.reserve(to_push(count), share),
            Operation::ReserveUpTo(count, share) => self.reserve_up_to(to_push(count), share),
            Operation::ReserveAndDrop(count) => {
                if let Ok(mut slots) = self.producer.try_reserve(to_push(count)) {
                    fill_values(&mut slots, 1 << 40);
                    drop(slots);
                    self.aborted += 1;
                }
            }
            Operation::ReserveAndForget(count) => self.reserve_and_forget(to_push(count)),
            Operation::CommitTooMany(count) => {
                let n = to_push(count);
                if let Ok(slots) = self.producer.try_reserve(n) {
                    let committed = slots.commit_first(n + 1);
                    assert!(matches!(committed, Err(WriteError::TooLarge { .. })));
                    self.aborted += 1;
                }
            }
            Operation::Pop => self.pop(Consumer::try_pop),
            Operation::PopDeadline => self.pop(|c| c.pop_deadline(Instant::now())),
            Operation::PopBatch(count) => self.pop_batch(count),
            Operation::PopBatchAndDrop => self.pop_batch(Count::Rest(0)),
            Operation::PopBatchAndForget => {
                self.pop_batch_and_forget();
                self.pop(Consumer::try_pop);
            }
        }
        let unread = self.unread();
        assert_eq!((self.producer.len(), self.consumer.len()), (unread, unread));
        assert_eq!(self.producer.free(), self.free());
        assert_eq!(
            (self.producer.is_empty(), self.consumer.is_empty()),
            (unread == 0, unread == 0)
        );
        let stats = self.producer.stats();
        let counted = (stats.bytes, stats.dropped, stats.aborted, stats.leaked);
        let bytes = self.pushed * size_of::<T>() as u64;
        assert_eq!(counted, (bytes, self.dropped, self.aborted, self.leaked_slots));
        assert_eq!(stats.operations, self.pushed);
        let stats = self.consumer.stats();
        assert_eq!((stats.operations, stats.aborted), (self.popped, 0));
        let bytes = self.popped * size_of::<T>() as u64;
        assert_eq!((stats.bytes, stats.leaked), (bytes, self.leaked_values));
    }

    fn push(
        &mut self,
        push: impl Fn(&mut Producer<T>, T) -> Result<(), shmpipe::slot::PushError<T>>,
    ) {
        match push(&mut self.producer, value(self.pushed)) {
            Ok(()) => {
                assert!(self.free() > 0);
                self.pushed += 1;
            }
            Err(refused) => {
                assert_eq!(self.free(), 0, "{refused}");
                assert!(matches!(refused.error, WriteError::Full | WriteError::Timeout));
                check_value(refused.value, self.pushed);
            }
        }
    }

    fn push_or_drop(&mut self) {
        let pushed = self.producer.push_or_drop(value(self.pushed)).unwrap();
        assert_eq!(pushed, self.free() > 0);
        self.pushed += u64::from(pushed);
        self.dropped += u64::from(!pushed);
    }

    fn push_slice(&mut self, n: usize) {
        match self.producer.try_push_slice(&values(self.pushed, n)) {
            Ok(pushed) => {
                assert_eq!(pushed, n.min(self.free()));
                self.pushed += pushed as u64;
            }
            Err(WriteError::Full) => assert!(n > 0 && self.free() == 0),
            Err(error) => panic!("{error}"),
        }
    }

    fn reserve(&mut self, n: usize, share: usize) {
        let free = self.free();
        match self.producer.try_reserve(n) {
            Ok(mut slots) => {
                assert!(n <= free && slots.len() == n);
                fill_values(&mut slots, self.pushed);
                slots.commit_first(n * share / 100).unwrap();
                self.pushed += (n * share / 100) as u64;
            }
            Err(WriteError::Full) => assert!(n > free && n <= self.capacity),
            Err(WriteError::TooLarge { .. }) => assert!(n > self.capacity),
            Err(error) => panic!("{error}"),
        }
    }

    fn reserve_up_to(&mut self, n: usize, share: usize) {
        let free = self.free();
        match self.producer.try_reserve_up_to(n) {
            Ok(mut slots) => {
                let n = n.min(free);
                assert_eq!(slots.len(), n);
                fill_values(&mut slots, self.pushed);
                slots.commit_first(n * share / 100).unwrap();
                self.pushed += (n * share / 100) as u64;
            }
            Err(WriteError::Full) => assert!(n > 0 && free == 0),
            Err(error) => panic!("{error}"),
        }
    }

    fn reserve_and_forget(&mut self, n: usize) {
        let Ok(mut slots) = self.producer.try_reserve_up_to(n) else { return };
        fill_values(&mut slots, 1 << 40);
        forget(slots);
        self.leaked_slots += 1;
        // It is noticed by the next operation that asks for room, be it for none.
        assert_eq!(self.producer.try_push_slice(&[]).unwrap(), 0);
    }

    fn pop_batch_and_forget(&mut self) {
        let Ok(batch) = self.consumer.try_pop_batch() else { return };
        let batch = batch.expect("the stream has not ended");
        check_values(&batch, self.popped);
        forget(batch);
        self.leaked_values += 1;
    }

    fn pop(&mut self, pop: impl Fn(&mut Consumer<T>) -> Result<Option<T>, ReadError>) {
        match pop(&mut self.consumer) {
            Ok(popped) => {
                check_value(popped.expect("the stream has not ended"), self.popped);
                self.popped += 1;
                assert!(self.popped <= self.pushed);
            }
            Err(ReadError::Empty | ReadError::Timeout) => assert_eq!(self.unread(), 0),
            Err(error) => panic!("{error}"),
        }
    }

    fn pop_batch(&mut self, release: Count) {
        let unread = self.unread();
        match self.consumer.try_pop_batch() {
            Ok(batch) => {
                let batch = batch.expect("the stream has not ended");
                assert_eq!(batch.len(), unread);
                assert_eq!(batch.as_ptr().addr() % align_of::<T>(), 0);
                check_values(&batch, self.popped);
                let n = release.of(self.capacity, unread);
                batch.release(n);
                self.popped += n.min(unread) as u64;
            }
            Err(ReadError::Empty) => assert_eq!(unread, 0),
            Err(error) => panic!("{error}"),
        }
    }
}

fn every_answer_is_the_models<T: Pod>(
    kind: Kind,
    factor: usize,
    operations: &[Operation],
    ending: crate::Ending,
) {
    let capacity = factor * room::<T>();
    let (_name, producer, consumer) = kind.slots_with::<T>(&Options::new().capacity(capacity));
    let capacity = capacity / size_of::<T>();
    let (pushed, popped, dropped, aborted, leaked_slots, leaked_values) = (0, 0, 0, 0, 0, 0);
    let mut model = Model {
        producer,
        consumer,
        capacity,
        pushed,
        popped,
        dropped,
        aborted,
        leaked_slots,
        leaked_values,
    };
    for operation in operations {
        model.run(*operation);
    }
    let Model { producer, mut consumer, pushed, popped, .. } = model;
    ending.end(producer);
    for index in popped..pushed {
        check_value(consumer.try_pop().unwrap().unwrap(), index);
    }
    for _ in 0..2 {
        assert!(ending.is_told(&consumer.try_pop()));
        assert!(ending.is_told(&consumer.pop_batch()));
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn in_one_thread_every_answer_is_the_models(
        kind in kinds(),
        factor in factors(),
        operations in vec(operations(), 1..200),
        ending in endings(),
    ) {
        for_each_type!(
            every_answer_is_the_models(kind, factor, &operations, ending)
            for [u8; 7], Twelve, Three, Line, ThreeLines, Odd
        );
    }
}
