//! When a ring gets its memory: one with a name when it is made, an anonymous
//! one as its first lap is written.

mod face_support;
mod support;

use face_support::{Face, Many, Record, Slot, Stream};
use nix::{errno::Errno, sys::stat::fstat};
use shmpipe::{End, Options, Unclaimed, WriteError, mpsc, record, slot, stream};
use std::{
    io::{ErrorKind, Read, Write},
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};
use support::{Child, RingName, alone, page_size, posix_only, refuse, skip};

const CAPACITY: usize = 1 << 20;

/// How much more is got at a time than is needed now.
const PIECE: usize = 128 << 10;

/// So far behind what is published may an item be written, or its copy be taken from.
const BEHIND: usize = 4096 + 48;

/// What is in front of the data, if there are no tables.
fn control() -> usize {
    page_size()
}

fn options() -> Options {
    Options::new().capacity(CAPACITY)
}

/// Whether memory is got by the page, as these tests count it; says so if not.
fn small_pages() -> bool {
    let huge = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
    let huge = huge.is_ok_and(|how| how.contains("[always]") || how.contains("[force]"));
    if huge {
        skip("shared memory comes in huge pages here");
    }
    !huge
}

/// A ring's memory, beside its ends.
struct Backing(OwnedFd);

impl Backing {
    fn of<E: End>(end: &Unclaimed<E>) -> Self {
        Self(end.as_fd().try_clone_to_owned().unwrap())
    }

    fn bytes(&self) -> usize {
        fstat(&self.0).unwrap().st_blocks as usize * 512
    }

    /// The same of the data.
    fn data(&self) -> usize {
        self.bytes() - control()
    }

    /// The right to become another end of the ring.
    fn again<E: End>(&self) -> Unclaimed<E> {
        self.0.try_clone().unwrap().into()
    }
}

fn comes_as_it_is_written<F: Face<In: End<Peer = F::Out>, Out: End<Peer = F::In>>>() {
    let (producer, consumer) = options().anonymous::<F::Out>().unwrap();
    let memory = Backing::of(&producer);
    assert_eq!(memory.data(), 0, "{}: a new ring", F::NAME);
    let (mut producer, mut consumer) = (producer.claim().unwrap(), consumer.claim().unwrap());
    assert_eq!(memory.data(), 0, "{}: two ends", F::NAME);
    let mut put = 0;
    let mut before = 0;
    loop {
        match F::try_put(&mut producer, put) {
            Ok(()) => put += 1,
            Err(WriteError::Full) => break,
            Err(error) => panic!("{}: {error:?}", F::NAME),
        }
        let data = memory.data();
        assert!(
            data.is_multiple_of(PIECE) && data - before <= PIECE,
            "{}: {before}, {data}",
            F::NAME
        );
        assert!(data < (put as usize + 1) * 64 + PIECE, "{}: {data} after {put}", F::NAME);
        before = data;
    }
    assert_eq!(memory.data(), CAPACITY, "{}: once round", F::NAME);
    for number in 0..put {
        assert_eq!(F::take(&mut consumer, Duration::ZERO).unwrap(), Some(number));
    }
    // And on.
    assert_eq!(F::fill(&mut producer), put);
    assert_eq!(memory.data(), CAPACITY);
    for number in 0..put {
        assert_eq!(F::take(&mut consumer, Duration::ZERO).unwrap(), Some(number));
    }
}

#[test]
fn an_anonymous_ring_gets_memory_as_it_is_written() {
    if !small_pages() {
        return;
    }
    comes_as_it_is_written::<Stream>();
    comes_as_it_is_written::<Record>();
    comes_as_it_is_written::<Slot>();
}

/// One by one, each read before the next is written: then copies of them ride along.
#[test]
fn a_conversation_touches_no_memory_that_is_not_there() {
    if !small_pages() {
        return;
    }
    for align in [8, 4096] {
        let options = options().payload_align(align);
        let (sender, receiver) = options.anonymous::<record::Sender>().unwrap();
        let memory = Backing::of(&sender);
        let (mut sender, mut receiver) = (sender.claim().unwrap(), receiver.claim().unwrap());
        while memory.data() < CAPACITY {
            sender.send(&[1; 8]).unwrap();
            drop(receiver.recv().unwrap());
            assert!(memory.data().is_multiple_of(PIECE), "{} bytes", memory.data());
        }
    }
    let (producer, consumer) = options().anonymous::<slot::Producer<u64>>().unwrap();
    let memory = Backing::of(&producer);
    let (mut producer, mut consumer) = (producer.claim().unwrap(), consumer.claim().unwrap());
    while memory.data() < CAPACITY {
        producer.push(1).unwrap();
        consumer.pop().unwrap();
        assert!(memory.data().is_multiple_of(PIECE), "{} bytes", memory.data());
    }
}

#[test]
fn a_ring_is_preallocated_if_so_wished() {
    if !small_pages() {
        return;
    }
    let (writer, _reader) = options().preallocate(true).anonymous::<stream::Writer>().unwrap();
    let memory = Backing::of(&writer);
    assert_eq!(memory.data(), CAPACITY);
    alone(|| {
        let Some(()) = filters() else { return };
        let (writer, reader) = options().preallocate(true).anonymous::<stream::Writer>().unwrap();
        let (mut writer, mut reader) = (writer.claim().unwrap(), reader.claim().unwrap());
        refuse(libc::SYS_fallocate, Errno::EPERM).unwrap();
        for byte in 0..CAPACITY / 4096 + 1 {
            writer.write_all(&[byte as u8; 4096]).unwrap();
            reader.read_exact(&mut [0; 4096]).unwrap();
        }
    });
}

#[test]
fn what_is_written_at_once_gets_memory_at_once() {
    if !small_pages() {
        return;
    }
    let (writer, reader) = options().anonymous::<stream::Writer>().unwrap();
    let memory = Backing::of(&writer);
    let (mut writer, mut reader) = (writer.claim().unwrap(), reader.claim().unwrap());
    assert_eq!(writer.write(&[1; 3 * PIECE + 1]).unwrap(), 3 * PIECE + 1);
    assert_eq!(memory.data(), 4 * PIECE);
    // More than there can be: all of it.
    let more = writer.try_write(&vec![2; 10 * CAPACITY]).unwrap();
    assert_eq!(more, CAPACITY - 3 * PIECE - 1);
    assert_eq!(memory.data(), CAPACITY);
    let mut bytes = vec![0; CAPACITY];
    reader.read_exact(&mut bytes).unwrap();
    assert!(bytes[..=3 * PIECE].iter().all(|byte| *byte == 1));
    assert!(bytes[3 * PIECE + 1..].iter().all(|byte| *byte == 2));
    drop(writer);

    let (sender, _receiver) = options().anonymous::<record::Sender>().unwrap();
    let memory = Backing::of(&sender);
    let mut sender = sender.claim().unwrap();
    let longest = sender.max_len();
    // What is reserved can be written, also if it is not sent in the end.
    sender.reserve(longest).unwrap().fill(1);
    assert_eq!(memory.data(), CAPACITY);

    let (producer, _consumer) = options().anonymous::<slot::Producer<u64>>().unwrap();
    let memory = Backing::of(&producer);
    let mut producer = producer.claim().unwrap();
    assert_eq!(producer.reserve(CAPACITY / 8).unwrap().len(), CAPACITY / 8);
    assert_eq!(memory.data(), CAPACITY);
}

#[test]
fn the_next_producer_gets_what_the_last_one_did_not() {
    if !small_pages() {
        return;
    }
    let (writer, reader) = options().anonymous::<stream::Writer>().unwrap();
    let memory = Backing::of(&writer);
    let mut reader = reader.claim().unwrap();
    let mut writer = writer.claim().unwrap();
    let mut total = 0;
    for step in [1, PIECE - 1, PIECE + 5, CAPACITY, 3 * PIECE] {
        let bytes: Vec<u8> = (total..total + step).map(|at| (at % 251) as u8).collect();
        assert_eq!(writer.write(&bytes).unwrap(), step);
        total += step;
        assert_eq!(memory.data(), (total + BEHIND).next_multiple_of(PIECE).min(CAPACITY));
        let mut arrived = vec![0; step];
        reader.read_exact(&mut arrived).unwrap();
        assert!(arrived == bytes, "{step} bytes up to {total}");
        drop(writer);
        assert_eq!(reader.read(&mut arrived).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        writer = memory.again().claim().unwrap();
    }
}

/// Memory ends for a face: what was put arrives, and no more is put.
fn ends<F: Face<In: End<Peer = F::Out>, Out: End<Peer = F::In>>>(asleep: bool) {
    let (producer, consumer) = options().anonymous::<F::Out>().unwrap();
    let memory = Backing::of(&producer);
    let (mut producer, mut consumer) = (producer.claim().unwrap(), consumer.claim().unwrap());
    F::put(&mut producer, 0).unwrap();
    assert_eq!(memory.data(), PIECE);
    refuse(libc::SYS_fallocate, Errno::ENOSPC).unwrap();
    let put = if asleep { F::put } else { F::try_put };
    let mut next = 1;
    let error = loop {
        match put(&mut producer, next) {
            Ok(()) => next += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, WriteError::NoMemory(_)), "{}: {error:?}", F::NAME);
    assert!(error.to_string().contains("no memory for more of the ring: fallocate"), "{error}");
    assert_eq!(std::io::Error::from(error).kind(), ErrorKind::OutOfMemory);
    assert_eq!(memory.data(), PIECE, "{}", F::NAME);
    // It stays so, and what is there can be read.
    assert!(matches!(put(&mut producer, next), Err(WriteError::NoMemory(_))));
    for number in 0..next {
        assert_eq!(F::take(&mut consumer, Duration::ZERO).unwrap(), Some(number));
    }
    assert!(matches!(put(&mut producer, next), Err(WriteError::NoMemory(_))));
    assert!(F::peer_of_out(&producer) != shmpipe::Peer::Died);
}

/// Whether system calls can be refused here; says so if not.
fn filters() -> Option<()> {
    let mut child = Child::fork(|line| match refuse(libc::SYS_fallocate, Errno::ENOSPC) {
        Ok(()) => line.say("works"),
        Err(error) => line.say(error.to_string()),
    });
    let said = child.hear();
    child.join();
    if said != "works" {
        skip(format!("no seccomp filters here: {said}"));
        return None;
    }
    Some(())
}

#[test]
fn there_is_none_left() {
    if !small_pages() {
        return;
    }
    alone(|| {
        let Some(()) = filters() else { return };
        for body in [ends::<Stream>, ends::<Record>, ends::<Slot>] {
            for asleep in [false, true] {
                Child::fork(|_| body(asleep)).join();
            }
        }
        Child::fork(|_| {
            let (sender, _receiver) = options().anonymous::<record::Sender>().unwrap();
            let mut sender = sender.claim().unwrap();
            refuse(libc::SYS_fallocate, Errno::ENOMEM).unwrap();
            let mut batch = sender.batch();
            assert!(matches!(batch.send(b"none"), Err(WriteError::NoMemory(_))));
        })
        .join();
        // What else is wrong is no want of memory, and who has no reader is told that.
        for errno in [Errno::ENOSPC, Errno::EPERM] {
            Child::fork(|_| {
                let (writer, reader) = options().anonymous::<stream::Writer>().unwrap();
                let (mut writer, reader) = (writer.claim().unwrap(), reader.claim().unwrap());
                refuse(libc::SYS_fallocate, errno).unwrap();
                match writer.try_write(b"none") {
                    Err(WriteError::NoMemory(_)) if errno == Errno::ENOSPC => {}
                    Err(WriteError::Os(_)) if errno == Errno::EPERM => {}
                    told => panic!("{errno}: {told:?}"),
                }
                drop(reader);
                assert!(matches!(writer.try_write(b"none"), Err(WriteError::ReaderLeft)));
            })
            .join();
        }
        // A ring that can be had as a whole only.
        Child::fork(|_| {
            refuse(libc::SYS_fallocate, Errno::ENOSPC).unwrap();
            let error = options().anonymous::<mpsc::Sender>().unwrap_err();
            assert!(matches!(error.kind(), shmpipe::OpenErrorKind::NoSpace { .. }), "{error:?}");
        })
        .join();
    });
}

#[test]
fn a_ring_of_many_has_its_memory_from_the_beginning() {
    if !small_pages() {
        return;
    }
    let (sender, _receiver) = options().anonymous::<<Many as Face>::Out>().unwrap();
    let memory = Backing::of(&sender);
    assert_eq!(memory.bytes(), fstat(&memory.0).unwrap().st_size as usize);
}

#[test]
fn a_ring_with_a_name_has_its_memory_from_the_beginning() {
    if !small_pages() {
        return;
    }
    if !posix_only("the blocks of a file") {
        return;
    }
    let name = RingName::new("whole");
    let _writer: stream::Writer = options().create_new(&name).unwrap();
    let memory = Backing(std::fs::File::open(name.path()).unwrap().into());
    assert_eq!(memory.data(), CAPACITY);
}
