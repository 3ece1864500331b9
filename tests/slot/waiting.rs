//! Both ends at work at the same time, under each policy of waiting.

use crate::{for_each_type, slot_support::*, stream_support::*};
use bytemuck::Pod;
use shmpipe::{Options, Wait};
use std::{thread, time::Duration};

const POLICIES: [Wait; 3] = [Wait::Adaptive, Wait::Spin, Wait::Sleep];

/// A stream of some laps, pushed and popped in all the ways that wait.
fn streams<T: Pod>(kind: Kind, of_producer: Wait, of_consumer: Wait, laps: u64) {
    let options = Options::new().capacity(room::<T>()).liveness_interval(FOR_EVER);
    let [of_producer, of_consumer] =
        [of_producer, of_consumer].map(|policy| options.clone().wait(policy));
    let (_name, mut producer, mut consumer) = kind.slots_of::<T>(&of_producer, &of_consumer);
    let all = laps * whole::<T>() as u64;
    let pushing = thread::spawn(move || {
        let mut index = 0;
        while index < all {
            let n = (1 + index * 7 % 97).min(all - index) as usize;
            index += match index % 5 {
                0 => {
                    producer.push(value(index)).unwrap();
                    1
                }
                1 => {
                    producer.push_slice(&values(index, n)).unwrap();
                    n
                }
                2 => {
                    let n = n.min(producer.capacity());
                    let mut slots = producer.reserve(n).unwrap();
                    fill_values(&mut slots, index);
                    slots.commit().unwrap();
                    n
                }
                3 => {
                    let mut slots = producer.reserve_up_to(n).unwrap();
                    fill_values(&mut slots, index);
                    let n = slots.len();
                    slots.commit().unwrap();
                    n
                }
                _ => {
                    producer.push_timeout(value(index), FOR_EVER).unwrap();
                    1
                }
            } as u64;
        }
        producer.finish_and_wait().unwrap();
    });
    let mut index = 0;
    loop {
        match index % 3 {
            0 => {
                let Some(value) = consumer.pop().unwrap() else { break };
                check_value(value, index);
                index += 1;
            }
            1 => {
                let Some(value) = consumer.pop_timeout(FOR_EVER).unwrap() else { break };
                check_value(value, index);
                index += 1;
            }
            _ => {
                let Some(batch) = consumer.pop_batch().unwrap() else { break };
                check_values(&batch, index);
                let n = batch.len().min(61);
                batch.release(n);
                index += n as u64;
            }
        }
    }
    assert_eq!(index, all);
    assert_eq!(consumer.stats().late_wakeups, 0);
    joined(pushing);
}

#[test]
fn every_policy_on_every_kind_of_ring() {
    for kind in KINDS {
        for of_producer in POLICIES {
            for of_consumer in POLICIES {
                streams::<Three>(kind, of_producer, of_consumer, 20);
            }
        }
    }
}

#[test]
fn every_type_on_every_kind_of_ring() {
    for kind in KINDS {
        for_each_type!(streams(kind, Wait::Adaptive, Wait::Adaptive, 10));
    }
}

/// A request and its answer, one at a time: no wake-up is lost with both ends
/// asleep most of the time.
#[test]
fn ping_and_pong() {
    for kind in KINDS {
        let (_there, mut ask, mut asked) = kind.uncapped_slots::<Twelve>();
        let (_back, mut answer, mut answered) = kind.uncapped_slots::<Three>();
        let thread = thread::spawn(move || {
            while let Some(request) = asked.pop().unwrap() {
                let [a, b, c] = request.map(u64::from);
                answer.push([a, b, c]).unwrap();
            }
            answer.finish().unwrap();
        });
        for index in 0..2000 {
            let request: Twelve = value(index);
            ask.push(request).unwrap();
            let reply = answered.pop_timeout(FOR_EVER).unwrap().unwrap();
            assert_eq!(reply, request.map(u64::from));
            if index % 100 == 0 {
                // Long enough that the other sleeps.
                thread::sleep(Duration::from_millis(1));
            }
        }
        ask.finish().unwrap();
        assert!(answered.pop().unwrap().is_none());
        joined(thread);
    }
}
