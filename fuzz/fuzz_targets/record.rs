//! A ring of records or of slots whose shared words, headers and payload change between operations, and
//! under guards that are out: errors, never a crash, a hang or an access out of bounds.
//!
//! ```text
//! cargo fuzz run record --sanitizer none -- -max_total_time=60 -timeout=10
//! ```
//!
//! Forms that wait without a time-out are used where there is room, for nobody would end the wait.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use nix::sys::uio::pwrite;
use shmpipe::{
    Options, Trust, Unclaimed,
    record::{Batch, Receiver, Records, Sender, View, WriteError},
    slot::{Consumer, Producer},
};
use std::{
    hint::black_box,
    io::IoSlice,
    mem::forget,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

/// Bytes of the control area and of the data behind it.
const CONTROL: u64 = 4096;
const CAPACITY: usize = 4096;

/// A value whose size is no power of two.
type Value = [u64; 3];

/// Bytes written somewhere into the segment.
#[derive(Arbitrary, Debug)]
struct Scribble {
    place: Place,
    value: Number,
}

#[derive(Arbitrary, Debug)]
enum Place {
    /// A word that steers the ring.
    Word(u8),
    /// A word of the data area, where a header may be.
    Data(u16),
    /// Any byte.
    Byte(u16),
}

/// Numbers near where something could go wrong are worth more than any number.
#[derive(Arbitrary, Debug)]
enum Number {
    Word(u64),
    /// A header: its length, near a power of two, and its kind.
    Header(u8, i8, u32),
    /// A power of two and a little more or less.
    Near(u8, i8),
    Bytes(Vec<u8>),
}

fn near(power: u8, off: i8) -> u64 {
    let power = 1_u64.checked_shl(u32::from(power % 65)).unwrap_or(0);
    power.wrapping_add_signed(i64::from(off))
}

impl Scribble {
    fn write(&self, fd: impl AsFd) {
        let at = match self.place {
            Place::Word(word) => u64::from(word % 144) * 8,
            Place::Data(word) => CONTROL + u64::from(word) * 8 % CAPACITY as u64,
            Place::Byte(byte) => u64::from(byte) % (CONTROL + CAPACITY as u64),
        };
        let bytes = match &self.value {
            Number::Word(word) => word.to_ne_bytes().to_vec(),
            Number::Header(power, off, kind) => {
                let len = near(*power, *off) & u64::from(u32::MAX);
                (u64::from(*kind) << 32 | len).to_ne_bytes().to_vec()
            }
            Number::Near(power, off) => near(*power, *off).to_ne_bytes().to_vec(),
            Number::Bytes(bytes) => bytes.clone(),
        };
        let room = usize::try_from(CONTROL + CAPACITY as u64 - at).unwrap();
        let _ = pwrite(fd, &bytes[..bytes.len().min(room)], i64::try_from(at).unwrap());
    }
}

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
        _ => slots(&input, &options),
    }
});

fn records(input: &Input, options: &Options) {
    let (sender, receiver) = options.anonymous::<Sender>().expect("a small ring can be made");
    let fd: OwnedFd = sender.into();
    input.before.iter().for_each(|scribble| scribble.write(&fd));
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

fn slots(input: &Input, options: &Options) {
    let pair = options.anonymous::<Producer<Value>>();
    let (producer, consumer) = pair.expect("a small ring can be made");
    let fd: OwnedFd = producer.into();
    input.before.iter().for_each(|scribble| scribble.write(&fd));
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

/// The slots' counterparts of what a sender does.
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
