//! Positions: where numbers of 31 and 32 bits would have ended, and where 64 bits do end.

use crate::{assert_fails, many_support::*, record_support::*, stream_support::*};
use shmpipe::{
    Options, Trust,
    mpsc::{ReadError, Receiver, Sender, WriteError},
};

fn ends_at(align: usize, named: bool, position: u64) -> (ManySite, [Sender; 3], Receiver) {
    let options = Options::new().capacity(room(align)).payload_align(align);
    let site = ManySite::at(named, &options, position);
    let options = Options::new().trust([Trust::SameUser, Trust::AnyUser][usize::from(named)]);
    let senders = std::array::from_fn(|_| site.sender(&options));
    let receiver = site.receiver(&options);
    (site, senders, receiver)
}

/// Sends and receives for some laps, in batches, in batches that are given up, singly.
fn stream(senders: &mut [Sender; 3], receiver: &mut Receiver, laps: u64) {
    let longest = senders[0].max_len() / 3;
    let mut sent = [0; 3];
    let mut book = Book::new(longest);
    let mut turn = 0;
    while receiver.stats().bytes < laps * receiver.capacity() as u64 {
        turn += 1;
        assert!(turn < 1_000_000, "it does not go on");
        let author = turn % 3;
        let sender = &mut senders[author];
        let (kind, bytes) = signed(author as u64, sent[author], longest);
        match turn % 7 {
            0 => drop(sender.try_reserve(longest)),
            1 => {
                let mut batch = sender.batch_of(4 * BLOCK);
                let mut gathered = 0;
                while gathered < 4 {
                    let (kind, bytes) = signed(author as u64, sent[author] + gathered, longest);
                    match batch.kind(kind).try_send(&bytes) {
                        Ok(()) => gathered += 1,
                        Err(WriteError::Full) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                batch.commit().unwrap();
                sent[author] += gathered;
            }
            _ => match sender.kind(kind).try_send(&bytes) {
                Ok(()) => sent[author] += 1,
                Err(WriteError::Full) => {
                    let record = receiver.try_recv().unwrap().unwrap();
                    book.note(&record, record.kind(), record.producer());
                }
                Err(error) => panic!("{error}"),
            },
        }
        if turn % 5 == 0
            && let Ok(Some(mut records)) = receiver.try_recv_batch()
        {
            for _ in 0..turn % 4 {
                let Some(view) = records.next().unwrap() else { break };
                book.note(&view, view.kind(), view.producer());
            }
        }
    }
    while book.total() < sent.iter().sum() {
        let record = receiver.try_recv().unwrap().unwrap();
        book.note(&record, record.kind(), record.producer());
    }
    assert_fails!(receiver.try_recv(), ReadError::Empty);
    assert!(senders[0].is_empty() && receiver.is_empty());
}

#[test]
fn across_every_power_of_two_that_a_smaller_number_would_end_at() {
    for named in [true, false] {
        for align in SOME_ALIGNS {
            let (ring, unit) = (room(align) as u64, align.max(BLOCK) as u64);
            // Laps are counted in 32 bits: of a ring of a page they begin anew at 2^44.
            let laps = (ring.trailing_zeros() + 32) as u64;
            for power in [31, 32, 33, laps, 48, 63] {
                for before in [0, unit, ring - unit, ring, 3 * ring] {
                    let position = (1_u64 << power) - before;
                    let (site, mut senders, mut receiver) = ends_at(align, named, position);
                    stream(&mut senders, &mut receiver, 6);
                    let words = site.words();
                    assert_eq!(words.get(TAIL), words.get(HEAD));
                    assert!(words.get(HEAD) >= position + 6 * ring);
                    for sender in senders {
                        sender.finish().unwrap();
                    }
                    assert!(receiver.recv().unwrap().is_none());
                }
            }
        }
    }
}

/// Words of a lap whose number was had before, 2^32 laps ago, are not taken for those of this one.
#[test]
fn taken_up_across_the_lap_that_begins_the_numbers_anew() {
    let position = (1 << 44) - 2 * BLOCK as u64;
    let (site, [mut one, mut other, _third], receiver) = ends_at(8, true, position);
    one.send(&content(1, 60)).unwrap();
    other.send(&content(2, 300)).unwrap();
    drop(receiver);
    let mut receiver = site.receiver(&Options::new());
    assert_eq!(*receiver.try_recv().unwrap().unwrap(), *content(1, 60));
    drop(receiver);
    drop(one);
    let mut receiver = site.receiver(&Options::new());
    assert_eq!(*receiver.try_recv().unwrap().unwrap(), *content(2, 300));
    assert_fails!(receiver.try_recv(), ReadError::Empty);
    site.assert_free_seats(2);
}

/// Near the end of all numbers there is an error after the records that fit,
/// and nothing else breaks.
#[test]
fn the_end_of_the_numbers() {
    for named in [true, false] {
        for units in [1, 2, 3, 9, 70, (1 << 20) / BLOCK as u64] {
            let unit = BLOCK as u64;
            let (_site, mut senders, mut receiver) =
                ends_at(8, named, 0_u64.wrapping_sub(units * unit));
            let mut sent = 0;
            let error = loop {
                let sender = &mut senders[sent as usize % 3];
                match sender.kind(sent as u32).try_send(&content(sent, BLOCK)) {
                    Ok(()) => {}
                    Err(error) => break error,
                }
                let record = receiver.try_recv().unwrap().unwrap();
                assert_eq!((&*record, record.kind()), (&*content(sent, BLOCK), sent as u32));
                sent += 1;
            };
            assert!(matches!(error, WriteError::Exhausted), "{error:?}");
            // There is a position behind each record.
            assert_eq!(sent, units - 1);
            for sender in &mut senders {
                assert_fails!(sender.send(b""), WriteError::Exhausted);
                assert_fails!(sender.reserve(1), WriteError::Exhausted);
                assert_fails!(sender.try_reserve(sender.max_len()), WriteError::Exhausted);
                assert_fails!(sender.batch().send(b"x"), WriteError::Exhausted);
                assert_fails!(sender.send_or_drop(b"x"), WriteError::Exhausted);
            }
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            for sender in senders {
                sender.finish().unwrap();
            }
            assert!(receiver.recv().unwrap().is_none());
        }
    }
}
