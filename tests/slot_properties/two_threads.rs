//! In two threads, with the forms that wait: what comes out is what went in.

use crate::{config, endings, factors, for_each_type, kinds, slot_support::*, stream_support::*};
use bytemuck::Pod;
use proptest::{collection::vec, prelude::*};
use shmpipe::{
    Options, Wait,
    slot::{Consumer, Producer, ReadError},
};
use std::{thread, time::Duration};

/// One operation of a producer that waits.
#[derive(Clone, Copy, Debug)]
enum Put {
    Push,
    PushSlice(usize),
    Reserve(usize),
    ReserveUpTo(usize),
    Pause,
}

/// One operation of a consumer that waits.
#[derive(Clone, Copy, Debug)]
enum Take {
    Pop,
    Timed,
    Batch(usize),
    Pause,
}

fn puts() -> impl Strategy<Value = Put> {
    let count = || prop_oneof![4 => 0..20_usize, 1 => 0..1000_usize];
    prop_oneof![
        Just(Put::Push),
        count().prop_map(Put::PushSlice),
        count().prop_map(Put::Reserve),
        count().prop_map(Put::ReserveUpTo),
        Just(Put::Pause),
    ]
}

fn takes() -> impl Strategy<Value = Take> {
    let count = prop_oneof![4 => 1..20_usize, 1 => 1..1000_usize];
    prop_oneof![
        2 => Just(Take::Pop),
        1 => Just(Take::Timed),
        2 => count.prop_map(Take::Batch),
        1 => Just(Take::Pause),
    ]
}

/// Long enough that the other end catches up and sleeps, now and then.
const PAUSE: Duration = Duration::from_micros(60);

fn put<T: Pod>(producer: &mut Producer<T>, operation: Put, index: u64) -> usize {
    let reserved = |mut slots: shmpipe::slot::Slots<'_, T>| {
        fill_values(&mut slots, index);
        let n = slots.len();
        slots.commit().unwrap();
        n
    };
    match operation {
        Put::Push => {
            producer.push(value(index)).unwrap();
            1
        }
        Put::PushSlice(n) => {
            producer.push_slice(&values(index, n)).unwrap();
            n
        }
        Put::Reserve(n) => {
            let n = n.min(producer.capacity());
            reserved(producer.reserve(n).unwrap())
        }
        Put::ReserveUpTo(n) => reserved(producer.reserve_up_to(n).unwrap()),
        Put::Pause => {
            thread::sleep(PAUSE);
            0
        }
    }
}

/// Takes values as the operation says and checks them; how many, and `None` at the end.
fn take<T: Pod>(
    consumer: &mut Consumer<T>,
    operation: Take,
    index: u64,
) -> Result<Option<u64>, ReadError> {
    let one = |popped: Option<T>| popped.map(|value| check_value(value, index)).map(|()| 1);
    match operation {
        Take::Pop => consumer.pop().map(one),
        Take::Timed => match consumer.pop_timeout(PAUSE) {
            Err(ReadError::Timeout) => Ok(Some(0)),
            popped => popped.map(one),
        },
        Take::Batch(n) => consumer.pop_batch().map(|batch| {
            batch.map(|batch| {
                check_values(&batch, index);
                let n = n.min(batch.len());
                batch.release(n);
                n as u64
            })
        }),
        Take::Pause => {
            thread::sleep(PAUSE);
            Ok(Some(0))
        }
    }
}

fn what_comes_out_is_what_went_in<T: Pod>(
    kind: Kind,
    [of_producer, of_consumer]: &[Options; 2],
    factor: usize,
    (puts, takes): (&[Put], &[Take]),
    ending: crate::Ending,
) {
    let capacity = factor * room::<T>();
    let [of_producer, of_consumer] =
        [of_producer, of_consumer].map(|options| options.clone().capacity(capacity));
    let (_name, mut producer, mut consumer) = kind.slots_of::<T>(&of_producer, &of_consumer);
    let puts = puts.to_vec();
    let pushing = thread::spawn(move || {
        let mut index = 0;
        for operation in puts {
            index += put(&mut producer, operation, index) as u64;
        }
        ending.end(producer);
        index
    });
    let takes = takes.to_vec();
    let popping = thread::spawn(move || {
        let mut index = 0;
        let mut last = Ok(None);
        // Pauses alone would get it nowhere.
        for operation in takes.iter().chain(&[Take::Batch(1000)]).cycle() {
            match take(&mut consumer, *operation, index) {
                Ok(Some(n)) => index += n,
                end => {
                    last = end;
                    break;
                }
            }
        }
        assert!(ending.is_told(&last));
        assert!(ending.is_told(&consumer.pop()));
        index
    });
    assert_eq!(joined(popping), joined(pushing));
}

proptest! {
    #![proptest_config(config(30))]

    #[test]
    fn in_two_threads_what_comes_out_is_what_went_in(
        kind in kinds(),
        factor in factors(),
        policies in prop::array::uniform2(
            prop::sample::select(vec![Wait::Adaptive, Wait::Adaptive, Wait::Sleep, Wait::Spin])
        ),
        puts in vec(puts(), 1..150),
        takes in vec(takes(), 1..150),
        ending in endings(),
    ) {
        let options = policies.map(|policy| Options::new().wait(policy).liveness_interval(FOR_EVER));
        for_each_type!(
            what_comes_out_is_what_went_in(kind, &options, factor, (&puts, &takes), ending)
            for u64, Three, ThreeLines, Odd
        );
    }
}
