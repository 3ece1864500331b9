//! The same of a ring of slots: each operation's counterpart there.

use crate::{CAPACITY, Input, Operation, Receive, Send};
use shmpipe::{
    Options, Unclaimed,
    slot::{Consumer, Producer},
};
use std::{hint::black_box, mem::forget, os::fd::OwnedFd, time::Duration};

/// A value whose size is no power of two.
type Value = [u64; 3];

pub fn slots(input: &Input, options: &Options) {
    let pair = options.anonymous::<Producer<Value>>();
    let (producer, consumer) = pair.expect("a small ring can be made");
    let fd: OwnedFd = producer.into();
    input.prepare(&fd);
    let producer: Unclaimed<Producer<Value>> =
        fd.try_clone().expect("a descriptor can be copied").into();
    let mut producer = producer.claim_with(options).ok();
    let mut consumer = consumer.claim_with(options).ok();
    for operation in input.operations.iter().take(64) {
        match (operation, producer.as_mut(), consumer.as_mut()) {
            (Operation::Scribble(scribble), ..) => scribble.write(&fd),
            (Operation::Send(operation), Some(producer), _) => push(operation, producer, &fd),
            (Operation::Receive(operation), _, Some(consumer)) => pop(operation, consumer, &fd),
            _ => {}
        }
    }
    if input.finish
        && let Some(producer) = producer
    {
        let _ = producer.finish();
    }
    if let Some(consumer) = &mut consumer {
        let _ = consumer.try_pop();
    }
}

fn push(operation: &Send, producer: &mut Producer<Value>, fd: &OwnedFd) {
    match operation {
        Send::Send(..) => drop(producer.try_push([1, 2, 3])),
        Send::Pod => drop(producer.push_timeout([4, 5, 6], Duration::ZERO)),
        Send::Vectored(n, _) => {
            let pushed = producer.try_push_slice(&vec![[7; 3]; usize::from(*n) % 200]);
            assert!(pushed.is_err() || pushed.unwrap() <= producer.capacity());
        }
        Send::OrDrop(_) => drop(producer.push_or_drop([8; 3])),
        Send::Reserve(n, commit, scribble) => {
            if let Ok(mut slots) = producer.try_reserve_up_to(usize::from(*n)) {
                assert!(slots.len() <= CAPACITY / 24);
                scribble.iter().for_each(|scribble| scribble.write(fd));
                slots.fill([9; 3]);
                let _ = slots.commit_first(usize::from(*commit) % 200);
            }
        }
        Send::Abort(n) => drop(producer.try_reserve(usize::from(*n))),
        Send::Forget(n) => forget(producer.try_reserve(usize::from(*n) % 200)),
        Send::Batch(..) | Send::Look => {
            assert!(
                producer.len() <= producer.capacity() && producer.free() <= producer.capacity()
            );
            black_box((producer.is_empty(), producer.peer().ok(), producer.stats()));
        }
    }
}

fn pop(operation: &Receive, consumer: &mut Consumer<Value>, fd: &OwnedFd) {
    match operation {
        Receive::Receive(_) => drop(black_box(consumer.try_pop())),
        Receive::Timed => drop(black_box(consumer.pop_timeout(Duration::ZERO))),
        Receive::Forget => forget(consumer.try_pop_batch()),
        Receive::Peek => {
            if let Ok(Some(batch)) = consumer.try_pop_batch() {
                batch.release(0);
            }
        }
        Receive::Batch(scribbles, _) => {
            let Ok(Some(batch)) = consumer.try_pop_batch() else { return };
            assert!(!batch.is_empty() && batch.len() <= CAPACITY / 24);
            scribbles.iter().flatten().for_each(|scribble| scribble.write(fd));
            black_box(batch.iter().flatten().fold(0, |sum: u64, word| sum.wrapping_add(*word)));
            batch.release(scribbles.len());
        }
        Receive::Look => {
            assert!(consumer.len() <= consumer.capacity());
            black_box((consumer.is_empty(), consumer.peer().ok(), consumer.stats()));
        }
    }
}
