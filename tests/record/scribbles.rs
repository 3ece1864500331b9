//! A peer that writes headers that cannot be. An error that lasts, never a panic, a hang
//! or a look beyond what there is.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::{
    Options, Trust,
    record::{ReadError, Receiver, Sender, WriteError},
};
use std::{
    thread,
    time::{Duration, Instant},
};

pub const TRUSTS: [Trust; 2] = [Trust::SameUser, Trust::AnyUser];

pub fn ends(site: &RecordSite, trust: Trust) -> (Sender, Receiver, Words) {
    let options = Options::new().trust(trust);
    (site.sender(&options.clone().resume()), site.receiver(&options), site.words())
}

/// All that a broken receiver can be asked, again and again, also after what it
/// found was put right.
#[track_caller]
pub fn is_broken_receiver(receiver: &mut Receiver, repair: impl Fn()) {
    for round in 0..3 {
        let soon = Instant::now() + FOR_EVER;
        let errors = [
            receiver.recv().err(),
            receiver.try_recv().err(),
            receiver.recv_timeout(FOR_EVER).err(),
            receiver.recv_deadline(soon).err(),
            receiver.peek().err(),
            receiver.try_peek().err(),
            receiver.recv_batch().err(),
            receiver.try_recv_batch().err(),
            receiver.recv_batch_timeout(Duration::ZERO).err(),
            receiver.peer().err(),
        ];
        for (call, error) in errors.into_iter().enumerate() {
            assert!(
                matches!(error, Some(ReadError::Corrupt(_))),
                "call {call} in round {round}: {error:?}"
            );
        }
        assert!(receiver.unread() <= receiver.capacity());
        repair();
    }
}

#[track_caller]
pub fn is_broken_sender(sender: &mut Sender, repair: impl Fn()) {
    for round in 0..3 {
        let errors = [
            sender.send(b"").err(),
            sender.try_send(b"x").err(),
            sender.send_or_drop(b"x").err(),
            sender.send_vectored(&[]).err(),
            sender.reserve(1).err(),
            sender.try_reserve(0).err(),
            sender.reserve_timeout(1, FOR_EVER).err(),
            sender.peer().err(),
            sender.batch().send(b"x").err(),
        ];
        for (call, error) in errors.into_iter().enumerate() {
            assert!(
                matches!(error, Some(WriteError::Corrupt(_))),
                "call {call} in round {round}: {error:?}"
            );
        }
        assert_fails!(sender.batch().commit(), WriteError::Corrupt(_));
        assert!(sender.unread() <= sender.capacity());
        repair();
    }
}

/// Sends three records of ten bytes, and receives one before them.
fn with_three(sender: &mut Sender, receiver: &mut Receiver) -> u64 {
    for number in 0..4 {
        sender.kind(kind_of(number)).send(&content(number, 10)).unwrap();
        if number == 0 {
            receive(receiver);
        }
    }
    receiver.stats().bytes
}

fn lengths_that_cannot_be(align: usize) -> Vec<u32> {
    let available = 3 * frame(align, 10);
    let past = (available - HEADER + 1) as u32;
    let ring = room(align) as u32;
    let all = [past, past + 1, ring - 8, ring, ring + 1, 1 << 31, u32::MAX - 4095, u32::MAX - 8];
    let fits = |len: &u32| frame(align, *len as usize) <= available;
    all.into_iter().chain([u32::MAX - 7, u32::MAX]).filter(|len| !fits(len)).collect()
}

#[test]
fn a_length_past_what_was_sent() {
    type Receive = fn(&mut Receiver) -> Result<(), ReadError>;
    let ways: [Receive; 6] = [
        |r| r.recv().map(drop),
        |r| r.try_recv().map(drop),
        |r| r.recv_timeout(FOR_EVER).map(drop),
        |r| r.peek().map(|_| ()),
        |r| r.try_peek().map(|_| ()),
        |r| r.recv_batch().map(|batch| batch.unwrap().next().map(|_| ()))?,
    ];
    for named in [true, false] {
        for trust in TRUSTS {
            for align in SOME_ALIGNS {
                for bad in lengths_that_cannot_be(align) {
                    for way in ways {
                        let site = RecordSite::new(named, align);
                        let (mut sender, mut receiver, words) = ends(&site, trust);
                        let at = with_three(&mut sender, &mut receiver);
                        site.scribble(&words, at, bad, 7);
                        assert_fails!(way(&mut receiver), ReadError::Corrupt(_), "{bad}");
                        is_broken_receiver(&mut receiver, || site.scribble(&words, at, 10, 7));
                        assert_eq!(words.get(HEAD), at, "nothing was released");
                        drop(receiver);
                        assert_fails!(sender.send(b"x"), WriteError::ReaderLeft);
                    }
                }
            }
        }
    }
}

/// In a batch: what was shown before was right, and what was shown is not released by a broken end.
#[test]
fn a_length_in_the_midst_of_a_batch() {
    for trust in TRUSTS {
        for align in SOME_ALIGNS {
            for bad in lengths_that_cannot_be(align) {
                let site = RecordSite::new(true, align);
                let (mut sender, mut receiver, words) = ends(&site, trust);
                let at = with_three(&mut sender, &mut receiver);
                let second = at + frame(align, 10) as u64;
                site.scribble(&words, second, bad, 7);
                let mut records = receiver.recv_batch().unwrap().unwrap();
                let view = records.next().unwrap().unwrap();
                check_content(&view, 1);
                for _ in 0..2 {
                    assert_fails!(records.next(), ReadError::Corrupt(_), "{bad}");
                }
                drop(records);
                is_broken_receiver(&mut receiver, || site.scribble(&words, second, 10, 7));
                assert_eq!(words.get(HEAD), at);
            }
        }
    }
}

/// A wrong length that fits what was sent cannot be told from a right one: what is shown is of that
/// length, and what follows is found right behind it.
#[test]
fn a_length_that_could_be() {
    for trust in TRUSTS {
        for align in SOME_ALIGNS {
            let most = 3 * frame(align, 10) - HEADER;
            for len in [0, 1, 9, 11, align, most - 1, most] {
                let site = RecordSite::new(false, align);
                let (mut sender, mut receiver, words) = ends(&site, trust);
                let at = with_three(&mut sender, &mut receiver);
                site.scribble(&words, at, len as u32, 7);
                let (bytes, kind) = receive(&mut receiver);
                assert_eq!((bytes.len(), kind), (len, 7));
                check_content(&bytes[..len.min(10)], 1);
                assert_eq!(words.get(HEAD), at + frame(align, len) as u64);
                // Whatever that is now, it is no more than there is.
                while let Ok(Some(record)) = receiver.try_recv() {
                    assert!(record.len() <= most);
                }
                assert!(words.get(HEAD) <= words.get(TAIL));
            }
        }
    }
}

#[test]
fn any_kind_is_a_kind() {
    for trust in TRUSTS {
        for kind in [0, 1, 1 << 31, u32::MAX] {
            let site = RecordSite::new(true, 8);
            let (mut sender, mut receiver, words) = ends(&site, trust);
            let at = with_three(&mut sender, &mut receiver);
            site.scribble(&words, at, 10, kind);
            assert_eq!(receive(&mut receiver), (content(1, 10), kind));
            assert_eq!(receive(&mut receiver), (content(2, 10), kind_of(2)));
        }
    }
}

/// A header is read once: what becomes of it afterwards changes nothing of the record in the hand.
#[test]
fn a_header_that_changes_under_the_guard() {
    for trust in TRUSTS {
        for align in SOME_ALIGNS {
            for bad in [0, 11, 1000, u32::MAX] {
                let site = RecordSite::new(true, align);
                let (mut sender, mut receiver, words) = ends(&site, trust);
                let at = with_three(&mut sender, &mut receiver);
                let unit = frame(align, 10) as u64;
                let record = receiver.recv().unwrap().unwrap();
                site.scribble(&words, at, bad, 99);
                assert_eq!((record.len(), record.kind()), (10, kind_of(1)));
                check_content(&record, 1);
                drop(record);
                assert_eq!(words.get(HEAD), at + unit);

                let mut records = receiver.recv_batch().unwrap().unwrap();
                let view = records.next().unwrap().unwrap();
                site.scribble(&words, at + unit, bad, 99);
                assert_eq!((view.len(), view.kind()), (10, kind_of(2)));
                check_content(&view, 2);
                drop(records);
                assert_eq!(words.get(HEAD), at + 2 * unit);
            }
        }
    }
}

/// Between users what was checked cannot be changed any more: it is a copy.
#[test]
fn a_payload_that_changes_under_the_guard() {
    for align in SOME_ALIGNS {
        let site = RecordSite::new(true, align);
        let (mut sender, mut receiver, words) = ends(&site, Trust::AnyUser);
        let at = with_three(&mut sender, &mut receiver);
        let payload = site.header_at(&words, at) + HEADER as u64;
        let view = receiver.peek().unwrap().unwrap();
        words.0.write_all_at(&[0xee; 10], payload).unwrap();
        check_content(&view, 1);
        words.0.write_all_at(&content(1, 10), payload).unwrap();
        let record = receiver.recv().unwrap().unwrap();
        words.0.write_all_at(&[0xee; 10], payload).unwrap();
        check_content(&record, 1);
        drop(record);
        let mut records = receiver.recv_batch().unwrap().unwrap();
        let view = records.next().unwrap().unwrap();
        let payload = site.header_at(&words, at + frame(align, 10) as u64) + HEADER as u64;
        words.0.write_all_at(&[0xee; 10], payload).unwrap();
        check_content(&view, 2);
        drop(records);

        // And the other way: what is being made is not seen before it is committed.
        let tail = words.get(TAIL);
        let payload = site.header_at(&words, tail) + HEADER as u64;
        let mut reservation = sender.reserve(10).unwrap();
        fill_content(&mut reservation, 5);
        let mut seen = [0; 10];
        words.0.read_exact_at(&mut seen, payload).unwrap();
        assert_ne!(seen, content(5, 10)[..]);
        words.0.write_all_at(&[0xee; 10], payload).unwrap();
        reservation.commit().unwrap();
        receive(&mut receiver);
        assert_eq!(receive(&mut receiver).0, content(5, 10));
    }
}

/// Whatever is scribbled, each operation comes to an end, and what it shows is
/// no longer than the ring.
#[test]
fn scribbling_at_random() {
    let mut random = 0x1234_5678_9abc_def1_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for round in 0..2000 {
        let align = ALIGNS[round % 7];
        let site = RecordSite::new(round % 2 == 0, align);
        let (mut sender, mut receiver, words) = ends(&site, TRUSTS[round / 2 % 2]);
        let mut broken = [false; 2];
        for _ in 0..30 {
            let random = next();
            let position =
                words.get(if random & 1 == 0 { HEAD } else { TAIL }) & !(align as u64 - 1);
            let near = (random >> 16) % (2 * room(align) as u64);
            match random >> 1 & 31 {
                0 => site.scribble(&words, position, near as u32, 1),
                1 => site.scribble(&words, position, (random >> 32) as u32, 1),
                2 => words.set(TAIL, position.wrapping_add(near & !7)),
                3 => words.set(HEAD, position.wrapping_add(near & !(align as u64 - 1))),
                4 => words.set(TAIL, position.wrapping_sub(near & !(align as u64 - 1))),
                _ => {}
            }
            let sent = match random >> 8 & 3 {
                0 => sender.try_send(&vec![0xff; near as usize % 200]),
                1 => sender.try_reserve(near as usize).and_then(|r| r.commit_truncated(0)),
                2 => sender.reserve_timeout(near as usize, Duration::ZERO).map(drop),
                _ => {
                    let mut batch = sender.batch();
                    let _ = batch.try_send(&[0xff; 9]);
                    let _ = batch.try_reserve(near as usize).map(drop);
                    batch.commit()
                }
            };
            let corrupt = matches!(sent, Err(WriteError::Corrupt(_)));
            let allowed = matches!(sent, Err(WriteError::TooLarge { .. }));
            assert!(!broken[0] || corrupt || allowed, "{sent:?} though it was broken");
            broken[0] |= corrupt;
            let shown = match random >> 10 & 3 {
                0 => receiver.try_recv().map(|record| record.map_or(0, |r| r.len())),
                1 => receiver.try_peek().map(|view| view.map_or(0, |v| v.len())),
                2 => receiver.recv_timeout(Duration::ZERO).map(|record| {
                    record.map_or(0, |r| r.iter().map(|b| usize::from(*b & 1)).sum())
                }),
                _ => receiver.try_recv_batch().and_then(|batch| {
                    let (mut batch, mut all) = (batch.unwrap(), 0);
                    while let Some(view) = batch.next()? {
                        all += view.len() + HEADER;
                    }
                    Ok(all)
                }),
            };
            let corrupt = matches!(shown, Err(ReadError::Corrupt(_)));
            assert!(!broken[1] || corrupt, "{shown:?} though it was broken");
            broken[1] |= corrupt;
            assert!(shown.unwrap_or(0) <= room(align));
            assert!(receiver.unread() <= room(align) && sender.unread() <= room(align));
        }
    }
}

/// The same while the ends are at it, between users: nothing that was checked is looked at again.
#[test]
fn scribbling_meanwhile() {
    for round in 0..40 {
        let align = ALIGNS[round % 4];
        let site = RecordSite::new(round % 2 == 0, align);
        let (mut sender, mut receiver, words) = ends(&site, Trust::AnyUser);
        thread::scope(|scope| {
            let scribbler = scope.spawn(|| {
                for n in 0..400_u64 {
                    let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
                    let position = words.get(if n % 3 == 0 { TAIL } else { HEAD });
                    let position = position & !(align as u64 - 1);
                    match n % 101 {
                        97 => words.set(TAIL, position + random % 64),
                        98 => words.set(HEAD, position + random % 64),
                        _ => site.scribble(&words, position, (random % 3000) as u32, n as u32),
                    }
                }
            });
            while !scribbler.is_finished() {
                let _ = sender.try_send(&content(3, 40));
                let _ = sender.try_reserve(30).and_then(|reservation| reservation.commit());
                if let Ok(Some(record)) = receiver.try_recv() {
                    assert!(record.len() <= room(align));
                    assert_eq!(record.iter().count(), record.len());
                }
                let mut records = receiver.try_recv_batch().ok().flatten();
                while let Some(Ok(Some(view))) = records.as_mut().map(|records| records.next()) {
                    assert!(view.len() <= room(align));
                }
            }
        });
    }
}
