//! Small records that come singly: they are taken from the tail's own cache line, where the sender
//! has put a copy. Nothing may depend on that copy, and none may be taken for another record.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::{
    Options, Trust,
    record::{ReadError, Receiver, Sender},
};
use std::thread;

/// What the receiver says of itself, and where the copy lies: `src/layout/control.rs`.
const MODE: u64 = 644;
const COPY_OF: u64 = 392;
const COPY: u64 = 400;
const WORDS: u64 = 6;

/// Lets the two ends converse until the receiver wants copies, over another ring for the answers.
fn converse(
    site: &RecordSite,
    sender: &mut Sender,
    receiver: Receiver,
    number: &mut u64,
) -> Receiver {
    let (_back, mut answer, mut answered) = KINDS[0].records();
    let words = site.words();
    let first = *number;
    let thread = thread::spawn(move || {
        let mut receiver = receiver;
        let mut number = first;
        loop {
            let record = receiver.recv().unwrap().unwrap();
            check_record(&record, record.kind(), number, 40);
            let last = record.len() == 40 && number - first > 200;
            drop(record);
            answer.send(&[u8::from(last)]).unwrap();
            number += 1;
            if last {
                return receiver;
            }
        }
    });
    let mut conversed = false;
    loop {
        send_record(sender, *number, 40).unwrap();
        *number += 1;
        let last = answered.recv().unwrap().unwrap()[0] == 1;
        conversed |= words.get(MODE) as u32 != 0;
        if last {
            break;
        }
    }
    let receiver = joined(thread);
    if !conversed {
        crate::support::skip("the ends did not come to converse on this machine");
    }
    receiver
}

fn ends(site: &RecordSite, trust: Trust) -> (Sender, Receiver) {
    let options = Options::new().trust(trust);
    (site.sender(&options), site.receiver(&options))
}

/// Copies and none, small records and large ones, in batches and singly: always the right one.
#[test]
fn the_right_record_whether_there_is_a_copy_or_not() {
    for trust in [Trust::SameUser, Trust::AnyUser] {
        for align in [8, 16, 32, 64] {
            let site = RecordSite::new(false, align);
            let (mut sender, receiver) = ends(&site, trust);
            let mut number = 0;
            let mut receiver = converse(&site, &mut sender, receiver, &mut number);
            for round in 0..300 {
                let longest = [40, 300, 16, 41][round % 4];
                let first = number;
                if round % 3 == 0 {
                    let mut batch = sender.batch();
                    for _ in 0..round % 5 {
                        let bytes = content(number, length(number, longest));
                        batch.kind(kind_of(number)).send(&bytes).unwrap();
                        number += 1;
                    }
                    batch.commit().unwrap();
                } else {
                    for _ in 0..1 + round % 3 {
                        send_record(&mut sender, number, longest).unwrap();
                        number += 1;
                    }
                }
                for number in first..number {
                    if number % 4 == 0 {
                        let view = receiver.peek().unwrap().unwrap();
                        check_record(&view, view.kind(), number, longest);
                    }
                    if number % 7 == 0 {
                        std::mem::forget(receiver.recv().unwrap());
                    }
                    if number % 5 == 0 {
                        drop(receiver.recv_batch().unwrap());
                    }
                    let record = receiver.recv().unwrap().unwrap();
                    check_record(&record, record.kind(), number, longest);
                    assert!(record.as_ptr().addr().is_multiple_of(align));
                }
                assert_fails!(receiver.try_recv(), ReadError::Empty);
            }
        }
    }
}

/// A sender that died between the copy and the publication has left a copy of a record that never
/// was. Who goes on sends another at the same place, with a copy or without.
#[test]
fn a_copy_of_a_record_that_was_never_sent() {
    for trust in [Trust::SameUser, Trust::AnyUser] {
        for len in [0, 30, 40, 41, 300] {
            let site = RecordSite::new(false, 8);
            let (mut sender, receiver) = ends(&site, trust);
            let mut number = 0;
            let mut receiver = converse(&site, &mut sender, receiver, &mut number);
            drop(sender);
            assert_fails!(receiver.recv(), ReadError::Dropped);
            let words = site.words();
            let at = words.get(TAIL);
            words.set(COPY_OF, at + 1);
            words.set(COPY, 99 << 32 | 8);
            words.set(COPY + 8, u64::MAX);

            let mut sender = site.sender(&Options::new().trust(trust));
            if len == 30 {
                let mut batch = sender.batch();
                batch.kind(5).send(&content(1, len)).unwrap();
                batch.commit().unwrap();
            } else {
                sender.kind(5).send(&content(1, len)).unwrap();
            }
            let record = receiver.recv().unwrap().unwrap();
            assert_eq!((record.len(), record.kind()), (len, 5), "{trust:?}");
            check_content(&record, 1);
        }
    }
}

/// A copy that says what cannot be: what is shown is no longer than a copy, and what is
/// released is what was published.
#[test]
fn copies_that_cannot_be() {
    for trust in [Trust::SameUser, Trust::AnyUser] {
        let lens = [0, 8, 9, 16, 40, 41, 48, 200, 1 << 20, 1 << 31, u32::MAX - 7, u32::MAX];
        for (len, more) in lens.into_iter().flat_map(|len| [(len, false), (len, true)]) {
            let site = RecordSite::new(false, 8);
            let (mut sender, receiver) = ends(&site, trust);
            let mut number = 0;
            let mut receiver = converse(&site, &mut sender, receiver, &mut number);
            let words = site.words();
            let at = words.get(TAIL);
            sender.kind(5).send(&content(1, 8)).unwrap();
            // So that also what is longer than a copy would lie in what was published.
            if more {
                sender.send(&content(2, 300)).unwrap();
            }
            words.set(COPY_OF, at + 1);
            words.set(COPY, 99 << 32 | u64::from(len));
            (1..WORDS).for_each(|word| words.set(COPY + 8 * word, u64::MAX));
            let broken = match receiver.recv() {
                Ok(record) => {
                    let record = record.unwrap();
                    // No more than was published, and no more than a copy has.
                    assert!(record.len() <= if more { 40 } else { 8 });
                    if len > 40 {
                        assert_eq!((&*record, record.kind()), (&*content(1, 8), 5));
                    }
                    false
                }
                Err(ReadError::Corrupt(_)) => true,
                Err(error) => panic!("{error}"),
            };
            if broken {
                assert_fails!(receiver.recv(), ReadError::Corrupt(_));
                assert_eq!(words.get(HEAD), at);
            } else {
                assert!((at..=at + 48).contains(&words.get(HEAD)));
            }
        }
    }
}
