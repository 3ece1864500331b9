//! How streams of records end, and who is told what.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::{
    Options, Peer,
    record::{ReadError, Receiver, Sender, WriteError},
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// What a receiver says in every form, again and again.
#[track_caller]
fn every_form_says(receiver: &mut Receiver, is_right: fn(Result<bool, ReadError>) -> bool) {
    for round in 0..2 {
        let soon = Instant::now() + FOR_EVER;
        let said = [
            receiver.recv().map(|record| record.is_some()),
            receiver.try_recv().map(|record| record.is_some()),
            receiver.recv_timeout(Duration::ZERO).map(|record| record.is_some()),
            receiver.recv_deadline(soon).map(|record| record.is_some()),
            receiver.peek().map(|record| record.is_some()),
            receiver.try_peek().map(|record| record.is_some()),
            receiver.peek_timeout(FOR_EVER).map(|record| record.is_some()),
            receiver.peek_deadline(soon).map(|record| record.is_some()),
            receiver.recv_batch().map(|batch| batch.is_some()),
            receiver.try_recv_batch().map(|batch| batch.is_some()),
            receiver.recv_batch_timeout(FOR_EVER).map(|batch| batch.is_some()),
            receiver.recv_batch_deadline(soon).map(|batch| batch.is_some()),
        ];
        for (form, said) in said.into_iter().enumerate() {
            let shown = format!("{said:?}");
            assert!(is_right(said), "form {form}, round {round}: {shown}");
        }
    }
}

type End = fn(Sender);
type Told = fn(Result<bool, ReadError>) -> bool;

const ENDINGS: [(End, Told, Peer); 5] = [
    (|sender| sender.finish().unwrap(), |said| matches!(said, Ok(false)), Peer::Finished),
    (|sender| drop(sender), |said| matches!(said, Err(ReadError::Dropped)), Peer::Dropped),
    (|sender| sender.fail(0), |said| matches!(said, Err(ReadError::Failed(0))), Peer::Failed(0)),
    (
        |sender| sender.fail(i32::MIN),
        |said| matches!(said, Err(ReadError::Failed(i32::MIN))),
        Peer::Failed(i32::MIN),
    ),
    (
        |sender| sender.aborter().abort(),
        |said| matches!(said, Err(ReadError::Dropped)),
        Peer::Dropped,
    ),
];

#[test]
fn each_reason_comes_after_the_last_record_in_every_form() {
    for kind in KINDS {
        for (end, told, peer) in ENDINGS {
            for n in [0, 1, 5] {
                let (_name, mut sender, mut receiver) = kind.records();
                for number in 0..n {
                    send_record(&mut sender, number, 90).unwrap();
                }
                end(sender);
                for number in 0..n {
                    let view = receiver.peek().unwrap().unwrap();
                    check_record(&view, view.kind(), number, 90);
                    receive_record(&mut receiver, number, 90);
                }
                every_form_says(&mut receiver, told);
                assert_eq!(receiver.peer().unwrap(), peer);
            }
        }
    }
}

/// The end does not come as long as the last record is held, nor after a batch that left some.
#[test]
fn the_end_waits_for_the_last_release() {
    for kind in KINDS {
        for (end, told, _) in ENDINGS {
            let (_name, mut sender, mut receiver) = kind.records();
            for number in 0..5 {
                send_record(&mut sender, number, 90).unwrap();
            }
            end(sender);
            let mut records = receiver.recv_batch().unwrap().unwrap();
            for _ in 0..4 {
                records.next().unwrap().unwrap();
            }
            drop(records);
            std::mem::forget(receiver.recv().unwrap());
            let mut records = receiver.recv_batch().unwrap().unwrap();
            let view = records.next().unwrap().unwrap();
            check_record(&view, view.kind(), 4, 90);
            assert!(records.next().unwrap().is_none(), "the batch's end, not the stream's");
            drop(records);
            every_form_says(&mut receiver, told);
        }
    }
}

/// What was reserved or gathered when the sender left was never sent.
#[test]
fn what_was_not_committed_at_the_end_is_not_sent() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        send_record(&mut sender, 0, 90).unwrap();
        let mut batch = sender.batch();
        batch.send(b"never").unwrap();
        drop(batch);
        drop(sender.reserve(3).unwrap());
        sender.finish().unwrap();
        receive_record(&mut receiver, 0, 90);
        every_form_says(&mut receiver, |said| matches!(said, Ok(false)));
    }
}

#[test]
fn an_end_wakes_the_receiver() {
    type Wait = fn(&mut Receiver) -> Result<bool, ReadError>;
    let waits: [Wait; 3] = [
        |receiver| receiver.recv().map(|record| record.is_some()),
        |receiver| receiver.peek().map(|record| record.is_some()),
        |receiver| receiver.recv_batch().map(|batch| batch.is_some()),
    ];
    for kind in KINDS {
        for (end, told, _) in ENDINGS {
            for wait in waits {
                let (_name, sender, mut receiver) = kind.uncapped_records();
                let thread = thread::spawn(move || wait(&mut receiver));
                until("the receiver sleeps", || sender.peer().unwrap() == Peer::Waiting);
                end(sender);
                assert!(told(joined(thread)));
            }
        }
    }
}

/// What a sender is told when the receiver has gone.
#[track_caller]
fn every_sending_form_says(sender: &mut Sender, is_right: fn(&WriteError) -> bool) {
    for round in 0..2 {
        let soon = Instant::now() + FOR_EVER;
        let said = [
            sender.send(b"x").err(),
            sender.try_send(b"x").err(),
            sender.send_timeout(b"x", Duration::ZERO).err(),
            sender.send_deadline(b"x", soon).err(),
            sender.send_or_drop(b"x").err(),
            sender.send_vectored(&[]).err(),
            sender.try_send_vectored(&[]).err(),
            sender.send_vectored_timeout(&[], FOR_EVER).err(),
            sender.send_vectored_deadline(&[], soon).err(),
            sender.send_pod(&1_u32).err(),
            sender.try_send_pod(&1_u32).err(),
            sender.send_pod_timeout(&1_u32, FOR_EVER).err(),
            sender.send_pod_deadline(&1_u32, soon).err(),
            sender.reserve(0).err(),
            sender.try_reserve(1).err(),
            sender.reserve_timeout(1, FOR_EVER).err(),
            sender.reserve_deadline(1, soon).err(),
        ];
        for (form, said) in said.into_iter().enumerate() {
            let shown = format!("{said:?}");
            assert!(said.is_some_and(|error| is_right(&error)), "form {form}, {round}: {shown}");
        }
    }
}

#[test]
fn a_receiver_that_leaves() {
    type Leave = fn(Receiver);
    type Told = fn(&WriteError) -> bool;
    let leaves: [(Leave, Told); 4] = [
        (|receiver| drop(receiver), |error| matches!(error, WriteError::ReaderLeft)),
        (|receiver| receiver.aborter().abort(), |error| matches!(error, WriteError::ReaderLeft)),
        (|receiver| receiver.fail(0), |error| matches!(error, WriteError::ReaderFailed(0))),
        (|receiver| receiver.fail(-3), |error| matches!(error, WriteError::ReaderFailed(-3))),
    ];
    for kind in KINDS {
        for (leave, told) in leaves {
            let (_name, mut sender, receiver) = kind.records();
            send_record(&mut sender, 0, 90).unwrap();
            leave(receiver);
            every_sending_form_says(&mut sender, told);
            assert_eq!(sender.stats().dropped, 0);

            let (_name, mut sender, receiver) = kind.uncapped_records();
            fill_up(&mut sender);
            let thread = thread::spawn(move || sender.send(b"x").unwrap_err());
            until("the sender sleeps", || receiver.peer().unwrap() == Peer::Waiting);
            leave(receiver);
            assert!(told(&joined(thread)), "it is woken");
        }
    }
}

#[test]
fn finishing_and_waiting_waits_for_the_last_record_to_be_released() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.uncapped_records();
        for number in 0..3 {
            send_record(&mut sender, number, 90).unwrap();
        }
        let thread = thread::spawn(move || sender.finish_and_wait());
        until("the sender has finished", || receiver.peer().unwrap() == Peer::Finished);
        for number in 0..3 {
            assert!(!thread.is_finished());
            receive_record(&mut receiver, number, 90);
        }
        assert!(receiver.recv().unwrap().is_none());
        joined(thread).unwrap();
    }
}

#[test]
fn finishing_and_waiting_says_what_was_not_received() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        send_record(&mut sender, 0, 90).unwrap();
        let waited = sender.finish_and_wait_timeout(Duration::from_millis(5));
        assert_fails!(waited, WriteError::Timeout);
        receive_record(&mut receiver, 0, 90);
        assert!(receiver.recv().unwrap().is_none(), "finished all the same");

        for fail in [true, false] {
            let (_name, mut sender, mut receiver) = kind.uncapped_records();
            send_record(&mut sender, 0, 90).unwrap();
            send_record(&mut sender, 1, 90).unwrap();
            let thread = thread::spawn(move || sender.finish_and_wait());
            until("the sender has finished", || receiver.peer().unwrap() == Peer::Finished);
            receive_record(&mut receiver, 0, 90);
            if fail {
                receiver.fail(5);
                assert_fails!(joined(thread), WriteError::ReaderFailed(5));
            } else {
                drop(receiver);
                assert_fails!(joined(thread), WriteError::ReaderLeft);
            }
        }
    }
}

/// Records outlive their sender, and the name goes with the last out.
#[test]
fn a_receiver_that_comes_after_the_sender_gets_everything() {
    let options = Options::new().capacity(page());
    let name = RingName::new("record");
    let mut sender: Sender = options.open_or_create(&name).unwrap();
    assert_eq!(sender.peer().unwrap(), Peer::NoneYet);
    for number in 0..20 {
        send_record(&mut sender, number, 90).unwrap();
    }
    sender.finish().unwrap();
    name.assert_exists();
    let mut receiver: Receiver = options.open(&name).unwrap();
    for number in 0..20 {
        receive_record(&mut receiver, number, 90);
    }
    assert!(receiver.recv().unwrap().is_none());
    drop(receiver);
    name.assert_gone();
}
