//! One stream of records after another on one ring: no end goes unsaid, no record is lost.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::{
    OpenErrorKind, Options, Peer,
    record::{ReadError, Sender, WriteError},
};

fn open(name: &RingName, options: &Options) -> Sender {
    options.open(name).unwrap()
}

#[test]
fn a_second_stream_follows_a_finished_one() {
    let (name, mut sender, mut receiver) = KINDS[1].records();
    send_record(&mut sender, 0, 90).unwrap();
    sender.finish().unwrap();
    let mut second = open(&name, &Options::new());
    send_record(&mut second, 1, 90).unwrap();
    receive_record(&mut receiver, 0, 90);
    assert!(receiver.recv().unwrap().is_none(), "the first one's end is told in between");
    receive_record(&mut receiver, 1, 90);
    assert_fails!(receiver.try_recv(), ReadError::Empty);
    second.fail(4);
    for _ in 0..2 {
        assert_fails!(receiver.recv(), ReadError::Failed(4));
    }
    let third = open(&name, &Options::new());
    assert_fails!(receiver.try_recv(), ReadError::Empty);
    third.finish().unwrap();
    assert!(receiver.recv().unwrap().is_none());
}

/// A batch and a look end where the stream does, though the next one's records lie behind.
#[test]
fn nothing_of_the_next_stream_before_the_end_of_this_one() {
    for align in SOME_ALIGNS {
        let (name, mut sender, mut receiver) = KINDS[1].aligned_records(align);
        for number in 0..2 {
            send_record(&mut sender, number, 90).unwrap();
        }
        drop(sender);
        let mut second = open(&name, &Options::new().resume());
        send_record(&mut second, 2, 90).unwrap();
        second.finish().unwrap();

        let mut records = receiver.recv_batch().unwrap().unwrap();
        for number in 0..2 {
            let view = records.next().unwrap().unwrap();
            check_record(&view, view.kind(), number, 90);
        }
        assert!(records.next().unwrap().is_none());
        drop(records);
        assert_fails!(receiver.try_peek(), ReadError::Dropped);
        let view = receiver.try_peek().unwrap().unwrap();
        check_record(&view, view.kind(), 2, 90);
        receive_record(&mut receiver, 2, 90);
        assert!(receiver.recv_batch().unwrap().is_none());
    }
}

#[test]
fn a_broken_stream_must_be_resumed_or_discarded() {
    let (name, mut sender, mut receiver) = KINDS[1].records();
    send_record(&mut sender, 0, 90).unwrap();
    let taken = sender.unread() as u64;
    drop(sender);
    let refused = Options::new().open::<Sender>(&name).unwrap_err();
    assert!(
        matches!(
            refused.kind(),
            OpenErrorKind::Unfinished { at, unread, reader_attached: true, .. }
                if *at == taken && *unread == taken
        ),
        "{refused:?}"
    );
    // Its receiver is there: nothing can be thrown away under it.
    assert!(Options::new().discard().open::<Sender>(&name).is_err());
    let mut second = open(&name, &Options::new().resume());
    send_record(&mut second, 1, 90).unwrap();
    receive_record(&mut receiver, 0, 90);
    assert_fails!(receiver.recv(), ReadError::Dropped);
    receive_record(&mut receiver, 1, 90);
}

#[test]
fn a_discarded_stream_is_not_received() {
    for align in SOME_ALIGNS {
        let options = Options::new().capacity(room(align)).payload_align(align).persistent(true);
        let name = RingName::new("record");
        let mut first: Sender = options.create_new(&name).unwrap();
        for number in 100..103 {
            send_record(&mut first, number, 90).unwrap();
        }
        first.fail(1);
        let mut second = open(&name, &Options::new().discard());
        send_record(&mut second, 0, 90).unwrap();
        let mut receiver = Options::new().open(&name).unwrap();
        receive_record(&mut receiver, 0, 90);
        assert_fails!(receiver.try_recv(), ReadError::Empty);
        assert_eq!(receiver.stats().operations, 1);
        assert_eq!(receiver.stats().bytes as usize, frame(align, length(0, 90)));
        second.finish().unwrap();
        assert!(receiver.recv().unwrap().is_none());
        assert!(second_is_empty(&name));
    }
}

fn second_is_empty(name: &RingName) -> bool {
    open(name, &Options::new()).is_empty()
}

/// Streams of all lengths, some empty, with every kind of end: the receiver
/// hears each once, in order.
#[test]
fn many_streams() {
    for of_receiver in [shmpipe::Trust::SameUser, shmpipe::Trust::AnyUser] {
        let kind = Kind { named: true, trust: of_receiver };
        let (name, first, mut receiver) = kind.records();
        first.finish().unwrap();
        assert!(receiver.recv().unwrap().is_none());
        let mut number = 0;
        for stream in 0..200 {
            let mut sender = open(&name, &Options::new().resume().trust(of_receiver));
            let count = stream * 7 % 5;
            for _ in 0..count {
                send_record(&mut sender, number, 300).unwrap();
                number += 1;
            }
            match stream % 3 {
                0 => sender.finish().unwrap(),
                1 => sender.fail(stream as i32),
                _ => drop(sender),
            }
            for number in number - count..number {
                receive_record(&mut receiver, number, 300);
            }
            let end = receiver.recv().map(|record| record.is_some());
            match stream % 3 {
                0 => assert!(matches!(end, Ok(false)), "{end:?}"),
                1 => assert_fails!(end, ReadError::Failed(code) if code == stream as i32),
                _ => assert_fails!(end, ReadError::Dropped),
            }
        }
        assert_eq!(receiver.stats().operations, number);
    }
}

#[test]
fn one_sender_and_one_receiver_at_a_time() {
    let (name, sender, receiver) = KINDS[1].records();
    let taken = |kind: &OpenErrorKind| matches!(kind, OpenErrorKind::RoleTaken { .. });
    assert!(taken(Options::new().open::<Sender>(&name).unwrap_err().kind()));
    assert!(taken(Options::new().open::<shmpipe::record::Receiver>(&name).unwrap_err().kind()));
    assert_eq!(sender.peer().unwrap(), Peer::Alive);
    drop(receiver);
    let mut sender = sender;
    assert_fails!(sender.try_send(b""), WriteError::ReaderLeft);
}
