//! A ring of records or of slots whose shared words, headers and payload change between operations,
//! and under guards that are out: errors, never a crash, a hang or an access out of bounds.
//!
//! ```text
//! cargo fuzz run record --sanitizer none -- -max_total_time=60 -timeout=10
//! ```
//!
//! Forms that wait without a time-out are used where there is room, for nobody would end the wait.

#![no_main]

#[path = "record/scribble.rs"]
mod scribble;
#[path = "record/slots.rs"]
mod slots;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use scribble::Scribble;
use shmpipe::{
    Options, Trust, Unclaimed,
    record::{Batch, Receiver, Records, Sender, View, WriteError},
};
use std::{hint::black_box, io::IoSlice, mem::forget, os::fd::OwnedFd, time::Duration};

/// Bytes of the data area.
const CAPACITY: usize = 4096;

/// One operation of the end that sends; each does what the form of the number asks.
#[derive(Arbitrary, Debug)]
enum Send {
    Send(u16, u8),
    Vectored(u16, u16),
    Pod,
    OrDrop(u16),
    /// Reserves so many bytes and commits so many of them.
    Reserve(u16, u16, Option<Scribble>),
    Abort(u16),
    Forget(u16),
    Batch(Vec<InBatch>, Ending),
    Look,
}

#[derive(Arbitrary, Debug)]
enum InBatch {
    Send(u16),
    Waiting(u16),
    Reserve(u16, u16),
    Forget(u16),
    Scribble(Scribble),
}

/// What becomes of a guard.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Ending {
    Commit,
    Drop,
    Forget,
}

/// One operation of the end that receives.
#[derive(Arbitrary, Debug)]
enum Receive {
    Receive(Option<Scribble>),
    Timed,
    Forget,
    Peek,
    /// Looks at so many of a batch, with a scribble after each.
    Batch(Vec<Option<Scribble>>, Ending),
    Look,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Scribble(Scribble),
    Send(Send),
    Receive(Receive),
}

#[derive(Arbitrary, Debug)]
struct Input {
    /// Of the payload, as a power of two; 0 to 9 for 8 to 4096. Others mean slots.
    align: u8,
    any_user: bool,
    /// Where the stream begins: near a power of two.
    start: (u8, i8),
    before: Vec<Scribble>,
    discard: bool,
    operations: Vec<Operation>,
    finish: bool,
}

fuzz_target!(|input: Input| {
    let options = Options::new().capacity(CAPACITY);
    let options = if input.discard { options.discard() } else { options.resume() };
    let options = if input.any_user { options.trust(Trust::AnyUser) } else { options };
    match input.align % 16 {
        power @ 0..10 => records(&input, &options.payload_align(8 << power)),
        _ => slots::slots(&input, &options),
    }
});

fn records(input: &Input, options: &Options) {
    let (sender, receiver) = options.anonymous::<Sender>().expect("a small ring can be made");
    let fd: OwnedFd = sender.into();
    input.prepare(&fd);
    let sender = Unclaimed::<Sender>::from(fd.try_clone().expect("a descriptor can be copied"));
    let mut sender = sender.claim_with(options).ok();
    let mut receiver = receiver.claim_with(options).ok();
    for operation in input.operations.iter().take(64) {
        match (operation, sender.as_mut(), receiver.as_mut()) {
            (Operation::Scribble(scribble), ..) => scribble.write(&fd),
            (Operation::Send(operation), Some(sender), _) => send(operation, sender, &fd),
            (Operation::Receive(operation), _, Some(receiver)) => receive(operation, receiver, &fd),
            _ => {}
        }
    }
    if input.finish
        && let Some(sender) = sender
    {
        let _ = sender.finish();
    }
    if let Some(receiver) = &mut receiver {
        let _ = receiver.try_recv().map(|record| record.map(|record| used(&record)));
    }
}

/// Looks at every byte.
fn used(bytes: &[u8]) {
    black_box(bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>());
}

fn view(view: View<'_>) {
    assert!(view.len() <= CAPACITY - 8);
    used(&view);
    black_box((view.kind(), view.as_pod::<u32>().ok(), view.as_pods::<[u16; 3]>().ok()));
    black_box((view.as_pod::<[u64; 8]>().ok(), view.as_pods::<u128>().map(<[u128]>::len).ok()));
}

/// Bytes of the ring that a record takes at most.
fn frame(len: usize) -> usize {
    (8 + len).next_multiple_of(4096)
}

fn send(operation: &Send, sender: &mut Sender, fd: &OwnedFd) {
    let bytes = |n: u16| vec![7; usize::from(n) % (CAPACITY + 9)];
    match operation {
        Send::Send(n, kind) => {
            let sender = sender.kind(u32::from(*kind));
            let sent = match kind % 4 {
                0 => sender.try_send(&bytes(*n)),
                1 => sender.send_timeout(&bytes(*n), Duration::ZERO),
                2 if sender.is_empty() => sender.send(&bytes(*n)),
                _ => sender.send_deadline(&bytes(*n), std::time::Instant::now()),
            };
            assert!(usize::from(*n) % (CAPACITY + 9) <= sender.max_len() || sent.is_err());
        }
        Send::Vectored(n, m) => {
            let (n, m) = (bytes(*n), bytes(*m));
            let parts = [IoSlice::new(&n), IoSlice::new(&[]), IoSlice::new(&m)];
            let _ = sender.kind(u32::MAX).try_send_vectored(&parts);
        }
        Send::Pod => {
            let _ = sender.try_send_pod(&[1_u64, 2, 3]);
        }
        Send::OrDrop(n) => {
            let _ = sender.send_or_drop(&bytes(*n));
        }
        Send::Reserve(n, commit, scribble) => {
            if let Ok(mut reserved) = sender.try_reserve(usize::from(*n)) {
                assert_eq!(reserved.len(), usize::from(*n));
                scribble.iter().for_each(|scribble| scribble.write(fd));
                reserved.fill(1);
                reserved.set_kind(u32::from(*commit));
                used(&reserved);
                let _ = reserved.commit_truncated(usize::from(*commit));
            }
        }
        Send::Abort(n) => drop(sender.reserve_timeout(usize::from(*n), Duration::ZERO)),
        Send::Forget(n) => forget(sender.try_reserve(usize::from(*n))),
        Send::Batch(operations, ending) => batch(operations, *ending, sender, fd),
        Send::Look => {
            assert!(sender.unread() <= CAPACITY && sender.max_len() == CAPACITY - 8);
            black_box((sender.is_empty(), sender.peer().ok(), sender.stats()));
        }
    }
}

fn batch(operations: &[InBatch], ending: Ending, sender: &mut Sender, fd: &OwnedFd) {
    let mut room = CAPACITY - sender.unread();
    let mut batch: Batch<'_> = sender.batch();
    for operation in operations.iter().take(32) {
        let before = batch.len();
        match operation {
            InBatch::Send(n) => {
                let sent = batch.kind(u32::from(*n)).try_send(&vec![3; usize::from(*n)]);
                assert!(sent.is_ok() == (batch.len() == before + 1));
                room = room.saturating_sub(if sent.is_ok() { frame(usize::from(*n)) } else { 0 });
            }
            InBatch::Waiting(n) => {
                // There is room for it, so it does not wait.
                if frame(usize::from(*n)) <= room {
                    let _ = batch.send(&vec![4; usize::from(*n)]);
                    room -= frame(usize::from(*n));
                }
            }
            InBatch::Reserve(n, commit) => {
                if let Ok(mut reserved) = batch.try_reserve(usize::from(*n)) {
                    reserved.fill(5);
                    let committed = reserved.commit_truncated(usize::from(*commit));
                    assert!(matches!(
                        committed,
                        Ok(()) | Err(WriteError::TooLarge { .. } | WriteError::Corrupt(_))
                    ));
                    room = room.saturating_sub(frame(usize::from(*n)));
                }
            }
            InBatch::Forget(n) => forget(batch.try_reserve(usize::from(*n))),
            InBatch::Scribble(scribble) => {
                scribble.write(fd);
                room = 0;
            }
        }
    }
    match ending {
        Ending::Commit => drop(batch.commit()),
        Ending::Drop => drop(batch),
        Ending::Forget => forget(batch),
    }
}

fn receive(operation: &Receive, receiver: &mut Receiver, fd: &OwnedFd) {
    match operation {
        Receive::Receive(scribble) => {
            if let Ok(Some(record)) = receiver.try_recv() {
                scribble.iter().for_each(|scribble| scribble.write(fd));
                assert!(record.len() <= CAPACITY - 8);
                used(&record);
                black_box((record.kind(), record.as_pod::<u64>().ok()));
                black_box(record.as_pods::<[u32; 3]>().map(<[_]>::len).ok());
            }
        }
        Receive::Timed => {
            let _ = receiver.recv_timeout(Duration::ZERO).map(|record| record.map(|r| used(&r)));
        }
        Receive::Forget => forget(receiver.try_recv()),
        Receive::Peek => {
            let _ = receiver.try_peek().map(|shown| shown.map(view));
            let _ = receiver.peek_timeout(Duration::ZERO).map(|shown| shown.map(view));
        }
        Receive::Batch(scribbles, ending) => {
            let Ok(Some(mut batch)) = receiver.try_recv_batch() else { return };
            let mut scribbles = scribbles.iter();
            let next =
                |batch: &mut Records<'_>| batch.next().is_ok_and(|shown| shown.map(view).is_some());
            while next(&mut batch) {
                let Some(scribble) = scribbles.next() else { break };
                scribble.iter().for_each(|scribble| scribble.write(fd));
            }
            if matches!(ending, Ending::Forget) {
                forget(batch);
            }
        }
        Receive::Look => {
            assert!(receiver.unread() <= CAPACITY);
            black_box((receiver.is_empty(), receiver.peer().ok(), receiver.stats()));
        }
    }
}
