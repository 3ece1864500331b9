//! A restarted end goes on where the one before was: a receiver at the first record that was not
//! released, a sender behind the last that was published.

use crate::{
    assert_fails,
    record_support::*,
    support::{Child, alone, wait_to_be_killed},
};
use shmpipe::{
    Options,
    record::{ReadError, Receiver, WriteError},
};
use std::mem::forget;

/// What a receiver holds when it dies. It has received two of six records.
type Hold = fn(&mut Receiver) -> usize;

/// How many more of the records it had released by then.
const HOLDS: [Hold; 7] = [
    |_| 0,
    |receiver| {
        forget(receiver.recv().unwrap());
        0
    },
    |receiver| {
        receiver.peek().unwrap().unwrap();
        0
    },
    |receiver| {
        receive_record(receiver, 2, 90);
        1
    },
    |receiver| {
        let mut records = receiver.recv_batch().unwrap().unwrap();
        records.next().unwrap().unwrap();
        records.next().unwrap().unwrap();
        forget(records);
        0
    },
    |receiver| {
        let mut records = receiver.recv_batch().unwrap().unwrap();
        records.next().unwrap().unwrap();
        records.next().unwrap().unwrap();
        2
    },
    |receiver| {
        // In a guard that is alive.
        let record = receiver.recv().unwrap().unwrap();
        forget(Box::new(record));
        0
    },
];

#[test]
fn a_restarted_receiver_gets_the_first_record_that_was_not_released() {
    alone(|| {
        for align in SOME_ALIGNS {
            for site in RecordSite::each(align) {
                for hold in HOLDS {
                    let mut sender = site.sender(&Options::new().resume());
                    let mut victim = Child::fork(|line| {
                        let mut receiver = site.receiver(&Options::new());
                        line.say("attached");
                        assert_eq!(line.hear(), "go");
                        for number in 0..2 {
                            let record = receiver.recv().unwrap().unwrap();
                            check_record(&record, record.kind(), number, 90);
                        }
                        line.show(hold(&mut receiver));
                        wait_to_be_killed();
                    });
                    victim.expect("attached");
                    if align < 4096 {
                        for number in 0..6 {
                            send_record(&mut sender, number, 90).unwrap();
                        }
                        victim.say("go");
                    } else {
                        victim.say("go");
                        for number in 0..6 {
                            send_record(&mut sender, number, 90).unwrap();
                        }
                    }
                    let released: u64 = victim.hear().parse().unwrap();
                    victim.kill();
                    let mut receiver = site.receiver(&Options::new());
                    for number in 2 + released..6 {
                        receive_record(&mut receiver, number, 90);
                    }
                    assert_fails!(receiver.try_recv(), ReadError::Empty);
                    // The sender goes on with it.
                    send_record(&mut sender, 6, 90).unwrap();
                    receive_record(&mut receiver, 6, 90);
                    sender.finish().unwrap();
                    assert!(receiver.recv().unwrap().is_none());
                }
            }
        }
    });
}

#[test]
fn a_restarted_sender_goes_on_behind_the_last_record_published() {
    type Hold = fn(&mut shmpipe::record::Sender);
    let holds: [Hold; 5] = [
        |_| {},
        |sender| {
            let mut reservation = sender.kind(1).reserve(100).unwrap();
            reservation.fill(0xdd);
            forget(reservation);
        },
        |sender| {
            let mut batch = sender.batch();
            batch.send(b"never seen").unwrap();
            batch.kind(5).send(&[0xdd; 200]).unwrap();
            forget(batch);
        },
        |sender| {
            let mut batch = sender.batch();
            batch.send(b"never seen").unwrap();
            let mut reservation = batch.reserve(300).unwrap();
            reservation.fill(0xdd);
            forget(reservation);
            forget(batch);
        },
        |sender| drop(sender.reserve(10).unwrap()),
    ];
    alone(|| {
        for align in [8, 64, 256] {
            for site in RecordSite::each(align) {
                for hold in holds {
                    let mut receiver = site.receiver(&Options::new());
                    let mut victim = Child::fork(|line| {
                        let mut sender = site.sender(&Options::new().resume());
                        for number in 0..3 {
                            send_record(&mut sender, number, 90).unwrap();
                        }
                        hold(&mut sender);
                        line.say("sent");
                        wait_to_be_killed();
                    });
                    victim.expect("sent");
                    receive_record(&mut receiver, 0, 90);
                    victim.kill();
                    let mut sender = site.sender(&Options::new().resume());
                    send_record(&mut sender, 3, 90).unwrap();
                    for number in 1..3 {
                        receive_record(&mut receiver, number, 90);
                    }
                    assert_fails!(receiver.try_recv(), ReadError::Died);
                    receive_record(&mut receiver, 3, 90);
                    sender.finish().unwrap();
                    assert!(receiver.recv().unwrap().is_none());
                }
            }
        }
    });
}

/// The sender that is there is told of the death when it would wait, and works again with the next.
#[test]
fn a_sender_outlives_its_receiver() {
    alone(|| {
        for site in RecordSite::each(8) {
            let mut sender = site.sender(&Options::new());
            let mut victim = Child::fork(|line| {
                let _receiver = site.receiver(&Options::new());
                line.say("attached");
                wait_to_be_killed();
            });
            victim.expect("attached");
            send_record(&mut sender, 0, 90).unwrap();
            let all = fill_up(&mut sender);
            victim.kill();
            assert_fails!(sender.send(b""), WriteError::ReaderDied);
            assert_fails!(sender.reserve(1), WriteError::ReaderDied);
            let mut batch = sender.batch();
            assert_fails!(batch.send(b""), WriteError::ReaderDied);
            drop(batch);
            let mut receiver = site.receiver(&Options::new());
            receive_record(&mut receiver, 0, 90);
            for _ in 0..all {
                assert!(receive(&mut receiver).0.is_empty());
            }
            send_record(&mut sender, 1, 90).unwrap();
            receive_record(&mut receiver, 1, 90);
        }
    });
}
