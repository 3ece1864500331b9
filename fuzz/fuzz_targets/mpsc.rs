//! A ring of many senders whose claims, headers, positions and seats change between
//! the operations of its ends, and under guards that are out: errors, never a crash, a
//! hang or an access out of bounds.
//!
//! ```text
//! cargo fuzz run mpsc --sanitizer none -- -max_total_time=60 -timeout=10
//! ```
//!
//! No form waits for more than a few milliseconds, for nobody would end the wait.

#![no_main]

#[path = "mpsc/scribble.rs"]
mod scribble;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use scribble::Scribble;
use shmpipe::{
    Options, Trust, Unclaimed,
    mpsc::{Receiver, Records, Sender, View},
};
use std::{
    hint::black_box,
    io::IoSlice,
    mem::forget,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

/// Bytes of the data area.
const CAPACITY: usize = 4096;
/// Places for senders.
const PRODUCERS: usize = 3;
/// How long anybody waits.
const PATIENCE: Duration = Duration::from_millis(1);

/// One operation of a sender; each does what the form of the number asks.
#[derive(Arbitrary, Debug)]
enum Send {
    Send(u16, u8),
    Vectored(u16, u16),
    OrDrop(u16),
    /// Reserves so many bytes and commits so many of them.
    Reserve(u16, u16, Option<Scribble>),
    Abort(u16),
    Forget(u16),
    /// A batch that claims so many bytes.
    Batch(Option<u16>, Vec<InBatch>, Ending),
    /// The sender leaves, and another may come.
    Leave(Ending),
    /// It takes another place, and leaves that.
    Clone,
    Look,
}

#[derive(Arbitrary, Debug)]
enum InBatch {
    Send(u16),
    Reserve(u16, u16),
    Forget(u16),
    Scribble(Scribble),
}

/// What becomes of a guard or of an end.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Ending {
    Commit,
    Drop,
    Forget,
}

/// One operation of the receiver.
#[derive(Arbitrary, Debug)]
enum Receive {
    Receive(Option<Scribble>),
    Timed,
    Forget,
    Peek,
    /// Looks at so many of a batch, with a scribble after each.
    Batch(Vec<Option<Scribble>>, Ending),
    /// The receiver leaves, and another comes.
    Leave,
    Look,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Scribble(Scribble),
    Send(u8, Send),
    Receive(Receive),
}

#[derive(Arbitrary, Debug)]
struct Input {
    /// Of the payload, as a power of two.
    align: u8,
    any_user: bool,
    before: Vec<Scribble>,
    operations: Vec<Operation>,
}

/// What can be attached, and is attached again once it has left.
struct Ring {
    fd: OwnedFd,
    options: Options,
    senders: [Option<Sender>; PRODUCERS],
    receiver: Option<Receiver>,
}

impl Ring {
    fn descriptor(&self) -> OwnedFd {
        self.fd.try_clone().expect("a descriptor can be copied")
    }

    fn sender(&mut self, n: usize) -> Option<&mut Sender> {
        if self.senders[n].is_none() {
            let sender = Unclaimed::<Sender>::from(self.descriptor());
            self.senders[n] = sender.claim_with(&self.options).ok();
        }
        self.senders[n].as_mut()
    }

    fn receiver(&mut self) -> Option<&mut Receiver> {
        if self.receiver.is_none() {
            let receiver = Unclaimed::<Receiver>::from(self.descriptor());
            self.receiver = receiver.claim_with(&self.options).ok();
        }
        self.receiver.as_mut()
    }
}

fuzz_target!(|input: Input| {
    let options = Options::new().capacity(CAPACITY).producers(PRODUCERS);
    let options = if input.any_user { options.trust(Trust::AnyUser) } else { options };
    // Deaths are looked for at once.
    let options = options.liveness_interval(Duration::from_millis(1));
    let options = options.payload_align(8 << (input.align % 10));
    let (sender, _) = options.anonymous::<Sender>().expect("a small ring can be made");
    let mut ring = Ring { fd: sender.into(), options, senders: Default::default(), receiver: None };
    input.before.iter().for_each(|scribble| scribble.write(&ring.fd));
    for operation in input.operations.iter().take(64) {
        let fd = ring.descriptor();
        match operation {
            Operation::Scribble(scribble) => scribble.write(&fd),
            Operation::Send(n, Send::Leave(ending)) => {
                match (ring.senders[usize::from(*n) % PRODUCERS].take(), ending) {
                    (Some(sender), Ending::Commit) => {
                        drop(sender.finish_and_wait_timeout(PATIENCE))
                    }
                    (Some(sender), Ending::Forget) => sender.fail(7),
                    (sender, _) => drop(sender),
                }
            }
            Operation::Send(n, operation) => {
                if let Some(sender) = ring.sender(usize::from(*n) % PRODUCERS) {
                    send(operation, sender, &fd);
                }
            }
            Operation::Receive(Receive::Leave) => ring.receiver = None,
            Operation::Receive(operation) => {
                if let Some(receiver) = ring.receiver() {
                    receive(operation, receiver, &fd);
                }
            }
        }
    }
    for sender in ring.senders.iter_mut().filter_map(Option::take) {
        let _ = sender.finish();
    }
    if let Some(receiver) = ring.receiver() {
        let _ = receiver.try_recv().map(|record| record.map(|record| used(&record)));
    }
});

/// Looks at every byte.
fn used(bytes: &[u8]) {
    assert!(bytes.len() <= CAPACITY);
    black_box(bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>());
}

fn view(view: View<'_>) {
    used(&view);
    black_box((view.kind(), view.producer(), view.as_pod::<u32>().ok()));
    black_box((view.as_pod::<[u64; 8]>().ok(), view.as_pods::<u128>().map(<[u128]>::len).ok()));
}

fn send(operation: &Send, sender: &mut Sender, fd: &OwnedFd) {
    let bytes = |n: u16| vec![7; usize::from(n) % (CAPACITY + 9)];
    match operation {
        Send::Send(n, kind) => {
            let sender = sender.kind(u32::from(*kind));
            let sent = match kind % 4 {
                0 => sender.send_timeout(&bytes(*n), PATIENCE),
                1 => sender.send_deadline(&bytes(*n), Instant::now() + PATIENCE),
                _ => sender.try_send(&bytes(*n)),
            };
            assert!(usize::from(*n) % (CAPACITY + 9) <= sender.max_len() || sent.is_err());
        }
        Send::Vectored(n, m) => {
            let (n, m) = (bytes(*n), bytes(*m));
            let parts = [IoSlice::new(&n), IoSlice::new(&[]), IoSlice::new(&m)];
            let _ = sender.kind(u32::MAX).try_send_vectored(&parts);
        }
        Send::OrDrop(n) => {
            let _ = sender.send_or_drop(&bytes(*n));
        }
        Send::Reserve(n, commit, scribble) => {
            if let Ok(mut reserved) = sender.try_reserve(usize::from(*n)) {
                assert_eq!(reserved.len(), usize::from(*n));
                scribble.iter().for_each(|scribble| scribble.write(fd));
                reserved.fill(1);
                used(&reserved);
                let _ = reserved.commit_truncated(usize::from(*commit));
            }
        }
        Send::Abort(n) => drop(sender.reserve_timeout(usize::from(*n), PATIENCE)),
        Send::Forget(n) => forget(sender.try_reserve(usize::from(*n))),
        Send::Batch(wish, operations, ending) => batch(*wish, operations, *ending, sender, fd),
        Send::Clone => drop(sender.try_clone()),
        Send::Leave(_) => {}
        Send::Look => {
            assert!(sender.unread() <= CAPACITY && sender.max_len() == CAPACITY);
            let status = sender.status();
            assert!(status.is_err() || status.unwrap().producers.len() <= PRODUCERS);
            black_box((sender.is_empty(), sender.peer().ok(), sender.stats(), sender.id()));
        }
    }
}

fn batch(
    wish: Option<u16>,
    operations: &[InBatch],
    ending: Ending,
    sender: &mut Sender,
    fd: &OwnedFd,
) {
    let mut batch = match wish {
        Some(bytes) => sender.batch_of(bytes.into()),
        None => sender.batch(),
    };
    for operation in operations.iter().take(32) {
        let before = batch.len();
        match operation {
            InBatch::Send(n) => {
                let sent = batch.kind(u32::from(*n)).try_send(&vec![3; usize::from(*n)]);
                assert!(sent.is_ok() == (batch.len() == before + 1));
            }
            InBatch::Reserve(n, commit) => {
                if let Ok(mut reserved) = batch.try_reserve(usize::from(*n)) {
                    reserved.fill(5);
                    let _ = reserved.commit_truncated(usize::from(*commit));
                }
            }
            InBatch::Forget(n) => forget(batch.try_reserve(usize::from(*n))),
            InBatch::Scribble(scribble) => scribble.write(fd),
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
                used(&record);
                black_box((record.kind(), record.producer(), record.as_pod::<u64>().ok()));
                black_box(record.as_pods::<[u32; 3]>().map(<[_]>::len).ok());
            }
        }
        Receive::Timed => {
            let _ = receiver.recv_timeout(PATIENCE).map(|record| record.map(|r| used(&r)));
        }
        Receive::Forget => forget(receiver.try_recv()),
        Receive::Peek => {
            let _ = receiver.try_peek().map(|shown| shown.map(view));
            let _ = receiver.peek_timeout(PATIENCE).map(|shown| shown.map(view));
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
        Receive::Leave => {}
        Receive::Look => {
            assert!(receiver.unread() <= CAPACITY && receiver.ends().len() <= PRODUCERS + 1);
            let status = receiver.status();
            assert!(status.is_err() || status.unwrap().producers.len() <= PRODUCERS);
            black_box((receiver.is_empty(), receiver.peer().ok(), receiver.stats()));
        }
    }
}
