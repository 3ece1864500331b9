//! A peer that writes what cannot be into the shared words. An error that lasts, or a record that
//! is wrong; never a panic, a hang or a look beyond what there is.

use crate::{assert_fails, many_support::*, record_support::*, stream_support::*};
use shmpipe::{
    Options, Trust,
    mpsc::{ReadError, Receiver, Sender, WriteError},
};
use std::{
    thread,
    time::{Duration, Instant},
};

const PRODUCERS: usize = 4;

/// Where the tables of a ring of many begin: see `src/layout/control.rs`.
const MANY: u64 = 1280;
const SEATS: u64 = 1408;
const SEAT: u64 = 384;
const BLOCKS: u64 = SEATS + SEAT * PRODUCERS as u64;

/// Claim words.
const BUSY: u64 = 1 << 62;
const COMMITTED: u64 = 2 << 62;
const PAD: u64 = 3 << 62;

fn claim(state: u64, owner: u64, blocks: u64, lap: u64) -> u64 {
    state | owner << 54 | blocks << 32 | lap
}

/// Where the claim word of the block at a position lies, and the header's behind it.
fn claim_at(position: u64) -> u64 {
    BLOCKS + position % page() as u64 / BLOCK as u64 * 16
}

fn header_at(position: u64) -> u64 {
    claim_at(position) + 8
}

const TRUSTS: [Trust; 2] = [Trust::SameUser, Trust::AnyUser];

fn ends(named: bool, trust: Trust) -> (ManySite, [Sender; 2], Receiver, Words) {
    let site = ManySite::new(named, PRODUCERS, page());
    let options = Options::new().trust(trust).liveness_interval(Duration::from_millis(1));
    let senders = [site.sender(&options), site.sender(&options)];
    let (receiver, words) = (site.receiver(&options), site.words());
    (site, senders, receiver, words)
}

#[track_caller]
fn is_broken_receiver(receiver: &mut Receiver) {
    for _ in 0..3 {
        let errors = [
            receiver.recv().err(),
            receiver.try_recv().err(),
            receiver.recv_timeout(FOR_EVER).err(),
            receiver.peek().err(),
            receiver.recv_batch().err(),
            receiver.try_recv_batch().err(),
            receiver.peer().err(),
            receiver.status().err(),
        ];
        for (call, error) in errors.into_iter().enumerate() {
            assert!(matches!(error, Some(ReadError::Corrupt(_))), "call {call}: {error:?}");
        }
        assert!(receiver.unread() <= receiver.capacity());
    }
}

#[track_caller]
fn is_broken_sender(sender: &mut Sender) {
    for _ in 0..3 {
        let errors = [
            sender.send(b"").err(),
            sender.try_send(b"x").err(),
            sender.send_or_drop(b"x").err(),
            sender.reserve(1).err(),
            sender.try_reserve(0).err(),
            sender.reserve_timeout(1, FOR_EVER).err(),
            sender.peer().err(),
            sender.status().err(),
            sender.batch().send(b"x").err(),
        ];
        for (call, error) in errors.into_iter().enumerate() {
            assert!(matches!(error, Some(WriteError::Corrupt(_))), "call {call}: {error:?}");
        }
        assert!(sender.unread() <= sender.capacity());
    }
}

/// The words where this test looks for them are those that the ring uses.
#[test]
fn the_layout() {
    let (_site, [mut one, mut other], mut receiver, words) = ends(true, Trust::SameUser);
    one.kind(7).send(&content(1, 100)).unwrap();
    let reservation = other.reserve(64).unwrap();
    let at = 2 * BLOCK as u64;
    let owner_of = |word: u64| word >> 54 & 255;
    let (first, second) = (words.get(claim_at(0)), words.get(claim_at(at)));
    assert_eq!(first & !(255 << 54), claim(COMMITTED, 0, 2, 0));
    assert_eq!(second & !(255 << 54), claim(BUSY, 0, 1, 0));
    assert_ne!(owner_of(first), owner_of(second));
    assert_eq!(words.get(TAIL), at + BLOCK as u64);
    let header = words.get(header_at(0)).to_ne_bytes();
    assert_eq!(
        (header[..4].to_vec(), header[4..].to_vec()),
        (100_u32.to_ne_bytes().to_vec(), 7_u32.to_ne_bytes().to_vec())
    );
    drop(reservation);
    receiver.recv().unwrap().unwrap();
    assert_eq!(words.get(MANY + 8), 2, "so many have joined");
}

/// A claim at the head that cannot be.
#[test]
fn claims_that_cannot_be() {
    let all = page() as u64 / BLOCK as u64;
    let bad = [
        // No blocks, more than the ring has, of another lap, of nobody.
        claim(COMMITTED, 0, 0, 1),
        claim(COMMITTED, 0, all + 1, 1),
        claim(COMMITTED, 0, (1 << 22) - 1, 1),
        claim(COMMITTED, 0, 1, 0),
        claim(COMMITTED, 0, 1, 2),
        claim(COMMITTED, 0, 1, u32::MAX.into()),
        claim(COMMITTED, PRODUCERS as u64, 1, 1),
        claim(COMMITTED, 255, 1, 1),
        claim(PAD, 0, 0, 1),
        claim(PAD, 0, all + 1, 1),
        claim(PAD, 0, 1, 7),
        claim(BUSY, 0, 0, 1),
        claim(BUSY, 0, all + 1, 1),
        claim(BUSY, 0, 1, 9),
    ];
    for named in [true, false] {
        for trust in TRUSTS {
            for (number, bad) in bad.into_iter().enumerate() {
                let (_site, [mut one, mut other], mut receiver, words) = ends(named, trust);
                // One lap on, so that there is one before.
                one.send(&content(1, page())).unwrap();
                receiver.recv().unwrap().unwrap();
                one.send(&content(2, 100)).unwrap();
                other.send(&content(3, 100)).unwrap();
                let head = words.get(HEAD);
                words.set(claim_at(head), bad);
                assert_fails!(receiver.recv_timeout(FOR_EVER), ReadError::Corrupt(_), "{number}");
                words.set(claim_at(head), claim(COMMITTED, 0, 2, 1));
                is_broken_receiver(&mut receiver);
                assert_eq!(words.get(HEAD), head, "nothing was released");
                drop(receiver);
                assert_fails!(other.send(b"x"), WriteError::ReaderLeft);
            }
        }
    }
}

/// A length beyond the claim, alone and in a batch.
#[test]
fn lengths_that_cannot_be() {
    for trust in TRUSTS {
        for bad in [129, 200, page() as u32, page() as u32 + 1, 1 << 31, u32::MAX - 1, u32::MAX] {
            let (_site, [mut one, mut other], mut receiver, words) = ends(true, trust);
            one.send(&content(1, 100)).unwrap();
            other.send(&content(2, 1000)).unwrap();
            words.set(
                header_at(0),
                u64::from_ne_bytes([bad.to_ne_bytes(), [0; 4]].concat().try_into().unwrap()),
            );
            assert_fails!(receiver.try_recv(), ReadError::Corrupt(_), "{bad}");
            is_broken_receiver(&mut receiver);
            assert_eq!(words.get(HEAD), 0);
        }
        // The second of a claim of three.
        for bad in [257, 5000, u32::MAX - 1] {
            let (_site, [mut one, mut other], mut receiver, words) = ends(true, trust);
            let mut batch = one.batch_of(6 * BLOCK);
            for number in 0..3 {
                batch.send(&content(number, 100)).unwrap();
            }
            batch.commit().unwrap();
            other.send(&content(9, 1000)).unwrap();
            let second = header_at(2 * BLOCK as u64);
            words.set(
                second,
                u64::from_ne_bytes([bad.to_ne_bytes(), [0; 4]].concat().try_into().unwrap()),
            );
            let mut records = receiver.recv_batch().unwrap().unwrap();
            assert_eq!(*records.next().unwrap().unwrap(), *content(0, 100));
            assert_fails!(records.next(), ReadError::Corrupt(_));
            drop(records);
            is_broken_receiver(&mut receiver);
        }
    }
}

/// A claim that somebody else changes under its owner: nothing is sent, and it says so.
#[test]
fn a_claim_that_was_taken_away() {
    for named in [true, false] {
        for trust in TRUSTS {
            for state in [0, BUSY, PAD] {
                let (_site, [mut one, mut other], mut receiver, words) = ends(named, trust);
                let reservation = one.reserve(100).unwrap();
                let word = words.get(claim_at(0)) & !(3 << 62);
                // With the state BUSY: of another owner.
                words.set(
                    claim_at(0),
                    if state == BUSY { word ^ 1 << 54 | BUSY } else { word | state },
                );
                let error = reservation.commit().unwrap_err();
                assert!(!matches!(error, WriteError::Full | WriteError::Timeout), "{error:?}");
                assert_eq!(one.stats().operations, 0);
                if state == PAD {
                    // As a receiver does that takes it for dead.
                    other.send(b"on").unwrap();
                    assert_eq!(*receiver.try_recv().unwrap().unwrap(), *b"on");
                }
                let _ = one.try_send(b"x");
            }
        }
    }
}

/// It is a hint: a sender that was overtaken between its claim and its store to it puts it
/// back, by any number of claims.
#[test]
fn a_tail_that_is_behind_hides_nothing() {
    for released in 0..3 {
        for behind in 0..4 {
            let (_site, [mut one, mut other], mut receiver, words) = ends(true, Trust::SameUser);
            one.send(&content(1, 100)).unwrap();
            other.send(&content(2, 1)).unwrap();
            let mut batch = one.batch();
            batch.send(&content(3, 64)).unwrap();
            batch.send(&content(4, 65)).unwrap();
            batch.commit().unwrap();
            for n in 1..=released {
                assert_eq!(receiver.recv().unwrap().unwrap()[0], content(n, 1)[0]);
            }
            let end = words.get(TAIL);
            words.set(TAIL, [0, 2, 3, end / BLOCK as u64][behind] * BLOCK as u64);
            let unread = end - words.get(HEAD);
            assert_eq!((one.unread() as u64, receiver.unread() as u64), (unread, unread));
            assert_eq!(other.status().unwrap().unread as u64, unread);
            let ring = shmpipe::inspect::status(receiver.name().unwrap()).unwrap();
            assert_eq!((ring.unread, ring.published), (unread, end), "{:?}", ring.condition);

            let mut batch = receiver.recv_batch().unwrap().unwrap();
            for n in released + 1..=4 {
                assert_eq!(batch.next().unwrap().unwrap()[0], content(n, 1)[0], "all there are");
            }
            assert!(batch.next().unwrap().is_none());
            drop(batch);
            assert!(receiver.is_empty() && one.is_empty());
            // Whoever comes now begins where the claims end.
            let mut third = one.try_clone().unwrap();
            third.send(&content(5, 64)).unwrap();
            one.send(&content(6, 64)).unwrap();
            for n in [5, 6] {
                assert_eq!(*receiver.recv().unwrap().unwrap(), *content(n, 64));
            }
        }
    }
}

#[test]
fn positions_that_jump() {
    for named in [true, false] {
        for trust in TRUSTS {
            // Of a full ring, one lap on.
            let page = page() as u64;
            for bad in [
                0,
                page - 64,
                2 * page + 64,
                3 * page,
                1 << 40,
                1 << 63,
                u64::MAX - 63,
                u64::MAX,
                page + 1,
            ] {
                let (_site, [mut one, _other], mut receiver, words) = ends(named, trust);
                one.send(&content(1, page as usize)).unwrap();
                receiver.recv().unwrap().unwrap();
                one.send(&content(2, page as usize)).unwrap();
                assert_fails!(one.try_send(b"x"), WriteError::Full);
                words.set(HEAD, bad);
                let began = Instant::now();
                let result = one.send_timeout(b"x", Duration::from_millis(20));
                match result {
                    Err(WriteError::Corrupt(_) | WriteError::Timeout) => {}
                    // Whoever believes that so much was claimed and released claims behind it.
                    Ok(()) if bad > 2 * page => {}
                    // Where positions end.
                    Err(WriteError::Exhausted) if bad > u64::MAX - page => {}
                    other => panic!("{bad}: {other:?}"),
                }
                assert!(began.elapsed() < Duration::from_secs(10));
                if matches!(result, Err(WriteError::Corrupt(_))) {
                    words.set(HEAD, page);
                    is_broken_sender(&mut one);
                }

                let (_site, [mut one, mut other], mut receiver, words) = ends(named, trust);
                one.send(&content(1, page as usize)).unwrap();
                receiver.recv().unwrap().unwrap();
                one.send(&content(2, 64)).unwrap();
                words.set(TAIL, bad);
                for sender in [&mut one, &mut other] {
                    // That there is no room, that something is wrong, or that a claim was made
                    // where none should be; but at once.
                    let _ = sender.send_timeout(b"x", Duration::from_millis(5));
                    assert!(sender.unread() <= page as usize);
                }
                let _ = receiver
                    .recv_timeout(Duration::from_millis(5))
                    .map(|record| record.map(|r| r.len()));
                assert!(receiver.unread() <= page as usize);
                assert!(began.elapsed() < Duration::from_secs(20));
            }
        }
    }
}

/// Writes something somewhere: near where the ring is at work, often something that looks right.
fn scribble(words: &Words, random: u64) {
    let page = page() as u64;
    let at = words.get(if random & 1 == 0 { HEAD } else { TAIL });
    let near = at.wrapping_add((random >> 8 & 7) * BLOCK as u64) & !63;
    let number = random >> 20;
    let lap = (at / page).wrapping_add(number >> 3 & 1) as u32;
    let looks_right = claim(number << 62, number >> 4 & 7, number >> 7 & 127, lap.into());
    let seat = SEATS + (number >> 5) % PRODUCERS as u64 * SEAT;
    match random >> 1 & 31 {
        0..=7 => words.set(claim_at(near), looks_right),
        8 | 9 => words.set(claim_at(near), number << 20 | number >> 20),
        10..=12 => words.set(header_at(near), number % (2 * page)),
        13 => words.set(header_at(near), u64::MAX),
        14 => words.set(TAIL, near),
        15 => words.set(HEAD, near),
        16 => words.set(TAIL, number << 22),
        17 => words.set(HEAD, number << 22),
        18 => words.set(seat, number),
        19 => words.set(seat, (number % 9) << 36 | (number >> 9 & 7) << 32),
        20 => words.set(seat + 8, [0, u64::MAX, near, number][number as usize % 4]),
        21 => words.set(seat + 128, number & 1),
        22 => words.set(seat + 136, near),
        23 => words.set(MANY + 8 * (number % 8), number >> 8 & 7),
        24 => words.set(MANY + 8 * (number % 8), number),
        25 => words
            .set([PRODUCER, CONSUMER, PREVIOUS, ACKNOWLEDGED][number as usize % 4], number >> 2),
        26 => words.set(CONSUMER + 256 + 8, near),
        _ => {}
    }
}

fn work(sender: &mut Sender, random: u64) -> Result<(), WriteError> {
    let len = (random >> 32) as usize % 500;
    match random & 7 {
        0 => sender.try_reserve(len)?.commit(),
        1 => sender.reserve_timeout(len, Duration::ZERO).map(drop),
        2 => {
            let mut batch = sender.batch_of(len);
            batch.try_send(&[7; 30])?;
            let _ = batch.try_reserve(len).map(drop);
            batch.commit()
        }
        3 => {
            std::mem::forget(sender.try_reserve(len)?);
            Ok(())
        }
        4 => sender.send_timeout(&[7; 100], Duration::from_micros(100)),
        5 => sender.status().map(drop),
        _ => sender.try_send(&vec![7; len]),
    }
}

fn look(receiver: &mut Receiver, random: u64) -> Result<usize, ReadError> {
    Ok(match random & 7 {
        0 => receiver.try_peek()?.map_or(0, |view| view.iter().map(|b| usize::from(*b & 1)).sum()),
        1 => receiver.recv_timeout(Duration::from_micros(100))?.map_or(0, |record| record.len()),
        2 | 3 => {
            let Some(mut records) = receiver.try_recv_batch()? else { return Ok(0) };
            let mut all = 0;
            while let Some(view) = records.next()? {
                let _ = view.producer();
                all += view.len();
                if all % 3 == 1 {
                    break;
                }
            }
            all
        }
        4 => {
            std::mem::forget(receiver.try_recv()?);
            0
        }
        5 => {
            receiver.status()?;
            receiver.ends().len() / 1000
        }
        _ => receiver.try_recv()?.map_or(0, |record| {
            let _ = (record.kind(), record.producer());
            record.iter().count()
        }),
    })
}

/// How long a call may take that waits for a tenth of a millisecond at most.
const AT_ONCE: Duration = Duration::from_secs(10);

fn scribbling_at_random(rounds: u64) {
    let mut random = Random::new();
    let (mut broken_senders, mut broken_receivers) = (0, 0);
    for round in 0..rounds {
        let (site, mut senders, mut receiver, words) =
            ends(round % 2 == 0, TRUSTS[round as usize / 2 % 2]);
        let mut broken = [false; 3];
        for _ in 0..40 {
            scribble(&words, random.next());
            let began = Instant::now();
            for (sender, broken) in senders.iter_mut().zip(&mut broken) {
                let sent = work(sender, random.next());
                let corrupt = matches!(sent, Err(WriteError::Corrupt(_)));
                assert!(!*broken || corrupt, "{sent:?} though it was broken");
                *broken |= corrupt;
                assert!(sender.unread() <= page());
            }
            let shown = look(&mut receiver, random.next());
            let corrupt = matches!(shown, Err(ReadError::Corrupt(_)));
            assert!(!broken[2] || corrupt, "{shown:?} though it was broken");
            broken[2] |= corrupt;
            assert!(shown.unwrap_or(0) <= page() && receiver.unread() <= page());
            assert!(began.elapsed() < AT_ONCE);
        }
        broken_senders += u64::from(broken[0]) + u64::from(broken[1]);
        broken_receivers += u64::from(broken[2]);
        // Whether one can come is not the question; that it comes to an end.
        let began = Instant::now();
        if round % 4 == 0 {
            drop(receiver);
            let _ = site
                .open::<Receiver>(&Options::new())
                .map(|mut receiver| look(&mut receiver, random.next()));
        }
        let _ =
            site.open::<Sender>(&Options::new()).map(|mut sender| work(&mut sender, random.next()));
        let [one, other] = senders;
        let _ = one.finish();
        other.fail(3);
        assert!(began.elapsed() < AT_ONCE);
    }
    println!(
        "{broken_senders} senders and {broken_receivers} receivers were broken in {rounds} rings"
    );
    assert!(broken_senders > 0 && broken_receivers > 0);
}

#[test]
fn at_random() {
    scribbling_at_random(600);
}

#[test]
#[ignore = "takes a minute"]
fn at_random_for_long() {
    scribbling_at_random(40_000);
}

/// The same while the ends are at it, and wait for one another.
#[test]
fn meanwhile() {
    for round in 0..24 {
        let (_site, [mut one, mut other], mut receiver, words) =
            ends(round % 2 == 0, Trust::AnyUser);
        thread::scope(|scope| {
            let scribbler = scope.spawn(move || {
                let mut random = Random::new();
                for _ in 0..3000 {
                    let next = random.next();
                    // Mostly the descriptors and the headers: the rest breaks everything soon.
                    scribble(
                        &words,
                        if !next.is_multiple_of(50) {
                            next & !(31 << 1) | ((next >> 9) % 14) << 1
                        } else {
                            next
                        },
                    );
                }
            });
            let wait = Duration::from_micros(300);
            for sender in [&mut one, &mut other] {
                scope.spawn(move || {
                    let began = Instant::now();
                    for turn in 0..300_u64 {
                        let _ = sender.send_timeout(&content(turn, 100), wait);
                        let _ = work(sender, turn << 32 | turn);
                        assert!(began.elapsed() < 6 * AT_ONCE);
                    }
                });
            }
            let began = Instant::now();
            while !scribbler.is_finished() {
                for turn in 0..8 {
                    let _ = look(&mut receiver, turn);
                }
                let _ = receiver.recv_timeout(wait).map(|record| record.map(|record| record.len()));
                assert!(began.elapsed() < 6 * AT_ONCE);
            }
        });
    }
}
