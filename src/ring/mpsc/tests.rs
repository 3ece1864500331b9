//! What one thread can decide; the rest is in `crate::models::mpsc`.

use super::*;

const UNIT: u64 = 64;
const BLOCKS: u32 = 8;
const CAPACITY: u64 = UNIT * BLOCKS as u64;

/// Places where something may go wrong: laps begin here, and the words of a ring's first lap are 0.
const STARTS: [u64; 8] = [
    0,
    3 * UNIT,
    (1 << 31) - 4 * UNIT,
    (1 << 32) - 4 * UNIT,
    // The lap is about to pass 2^32.
    (CAPACITY << 32) - 4 * UNIT,
    (CAPACITY << 32) + 5 * UNIT,
    (1 << 63) - UNIT,
    // Where 16 rings fit before positions run out.
    u64::MAX - 16 * CAPACITY + 1,
];

struct Words {
    tail: AtomicU64,
    head: AtomicU64,
    blocks: Vec<Block>,
}

impl Words {
    fn new(at: u64) -> Self {
        let word = || AtomicU64::new(0);
        let blocks = (0..BLOCKS).map(|_| Block { claim: word(), header: word() }).collect();
        Self { tail: AtomicU64::new(at), head: AtomicU64::new(at), blocks }
    }

    fn ring(&self) -> Ring<'_> {
        Ring { tail: &self.tail, head: &self.head, blocks: &self.blocks }
    }

    fn producer(&self, me: u8) -> Producer {
        Producer::new(me, self.ring(), geometry()).unwrap()
    }

    fn consumer(&self) -> Consumer {
        Consumer::take_up(self.ring(), geometry()).unwrap()
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        &geometry().block(self.ring(), position).claim
    }

    fn positions(&self) -> (u64, u64) {
        (self.head.load(Ordering::Relaxed), self.tail.load(Ordering::Relaxed))
    }

    fn set(&self, head: u64, tail: u64) {
        self.head.store(head, Ordering::Relaxed);
        self.tail.store(tail, Ordering::Relaxed);
    }
}

fn geometry() -> Geometry {
    Geometry::new(CAPACITY, UNIT)
}

/// Claims and commits; false if there is no room.
fn put(producer: &mut Producer, words: &Words, blocks: u32) -> bool {
    let claim = producer.claim(words.ring(), blocks, || ()).unwrap();
    if let Some(claim) = &claim {
        assert!(producer.commit(words.ring(), claim));
    }
    claim.is_some()
}

/// Everything that can be read, as (owner, blocks), and where it ends.
fn readable(consumer: &Consumer, words: &Words) -> (Vec<(u8, u32)>, u64) {
    let (mut found, mut offset) = (Vec::new(), 0);
    while let Found::Committed { owner, blocks } = consumer.look(words.ring(), offset).unwrap() {
        found.push((owner, blocks));
        offset += u64::from(blocks) * UNIT;
    }
    (found, consumer.position() + offset)
}

#[test]
fn a_word_keeps_its_parts_apart() {
    for (owner, blocks, lap) in [(0, 1, 0), (255, 1, 0), (0, Word::MOST_BLOCKS, 0), (7, 9, !0)] {
        let word = Word::busy(owner, blocks, lap);
        for state in [State::Free, State::Busy, State::Committed, State::Pad] {
            let word = word.with(state);
            let parts = (word.state(), word.owner(), word.blocks(), word.lap());
            assert_eq!(parts, (state, owner, blocks, lap));
        }
    }
    assert_eq!(Word(0).state(), State::Free, "a new segment is all zeros");
    assert_eq!(geometry().most(), BLOCKS);
    assert_eq!(Geometry::new(1 << 30, 64).most(), Word::MOST_BLOCKS);
}

#[test]
fn every_residual_size_around_a_full_ring() {
    for start in STARTS {
        for before in 0..BLOCKS {
            for first in 1..BLOCKS {
                let words = Words::new(start);
                let (mut a, mut b) = (words.producer(1), words.producer(2));
                let mut consumer = words.consumer();
                let mut end = start;
                // Move on, so that the claims lie across the end of the ring.
                for _ in 0..before {
                    assert!(put(&mut a, &words, 1));
                    end += UNIT;
                    consumer.release(words.ring(), end).unwrap();
                }
                let rest = BLOCKS - first;
                assert!(put(&mut a, &words, first));
                assert!(!put(&mut b, &words, rest + 1), "one block too many");
                assert_eq!(b.wanted_head(rest + 1), (end + UNIT).max(UNIT));
                assert!(put(&mut b, &words, rest));
                assert!(!put(&mut a, &words, 1) && !put(&mut b, &words, 1), "full");
                let (found, upto) = readable(&consumer, &words);
                assert_eq!((found, upto), (vec![(1, first), (2, rest)], end + CAPACITY));
                assert_eq!(consumer.look(words.ring(), CAPACITY), Ok(Found::Nothing), "no more");
                consumer.release(words.ring(), end + u64::from(first) * UNIT).unwrap();
                assert!(!put(&mut a, &words, first + 1));
                assert!(put(&mut a, &words, first));
                consumer.release(words.ring(), end + CAPACITY).unwrap();
                let (found, upto) = readable(&consumer, &words);
                assert_eq!(found, [(1, first)]);
                consumer.release(words.ring(), upto).unwrap();
                // The whole ring at once, over the words of all these.
                assert!(put(&mut b, &words, BLOCKS));
                assert_eq!(readable(&consumer, &words).0, [(2, BLOCKS)]);
            }
        }
    }
}

#[test]
fn many_laps_of_claims_of_all_lengths() {
    for start in STARTS {
        let words = Words::new(start);
        let mut producers = [words.producer(0), words.producer(1), words.producer(2)];
        let mut consumer = words.consumer();
        let (mut put_in, mut got) = (Vec::new(), Vec::new());
        for n in 0..60u8 {
            let (owner, blocks) = (n % 3, 1 + u32::from(n) * 5 % 7);
            while !put(&mut producers[usize::from(owner)], &words, blocks) {
                let Ok(Found::Committed { owner, blocks }) = consumer.look(words.ring(), 0) else {
                    panic!("full of nothing");
                };
                got.push((owner, blocks));
                let end = consumer.position() + u64::from(blocks) * UNIT;
                consumer.release(words.ring(), end).unwrap();
            }
            put_in.push((owner, blocks));
            if words.positions().1 > u64::MAX - 2 * CAPACITY {
                break;
            }
        }
        got.extend(readable(&consumer, &words).0);
        assert_eq!(got, put_in);
    }
}

#[test]
fn where_positions_run_out() {
    let end = u64::MAX - UNIT + 1;
    let words = Words::new(end - 3 * UNIT);
    let (mut producer, consumer) = (words.producer(0), words.consumer());
    assert!(put(&mut producer, &words, 3));
    assert!(!put(&mut producer, &words, 1));
    assert!(producer.left() < UNIT, "so the caller need not wait");
    assert_eq!(readable(&consumer, &words), (vec![(0, 3)], end));
}

#[test]
fn a_claim_is_seen_in_each_of_its_states() {
    let words = Words::new(0);
    let ring = words.ring();
    let mut producer = words.producer(9);
    let mut consumer = words.consumer();
    assert_eq!(consumer.look(ring, 0), Ok(Found::Nothing));
    let claim = producer.claim(ring, 2, || ()).unwrap().unwrap();
    assert_eq!((claim.position(), claim.blocks(), producer.end()), (0, 2, 2 * UNIT));
    assert_eq!(consumer.look(ring, 0), Ok(Found::Busy { owner: 9, blocks: 2 }));
    assert!(producer.abort(ring, &claim));
    assert_eq!(consumer.look(ring, 0), Ok(Found::Pad { blocks: 2 }));
    consumer.release(ring, 2 * UNIT).unwrap();
    let claim = producer.claim(ring, 3, || ()).unwrap().unwrap();
    assert!(consumer.revoke(ring, 9, 3), "its owner is dead");
    assert!(!producer.commit(ring, &claim) && !producer.abort(ring, &claim), "or was held to be");
    assert_eq!(consumer.look(ring, 0), Ok(Found::Pad { blocks: 3 }));
    consumer.release(ring, 5 * UNIT).unwrap();
    let claim = producer.claim(ring, 1, || ()).unwrap().unwrap();
    assert!(producer.commit(ring, &claim));
    assert!(!consumer.revoke(ring, 9, 1), "it was committed meanwhile");
    assert_eq!(consumer.look(ring, 0), Ok(Found::Committed { owner: 9, blocks: 1 }));
}

#[test]
fn the_usual_ways_find_and_release_what_the_others_do() {
    for start in STARTS {
        let lap = geometry().lap(start);
        let blocks = [0, 1, 2, BLOCKS, BLOCKS + 1, Word::MOST_BLOCKS];
        let words = blocks.into_iter().flat_map(|blocks| {
            let claim = u64::from(blocks) << Word::BLOCKS | 5 << Word::OWNER;
            [lap, lap.wrapping_add(1), lap.wrapping_sub(1)].map(|lap| Word(claim | u64::from(lap)))
        });
        for word in words.chain([Word(0), Word(!0)]) {
            for state in [State::Free, State::Busy, State::Committed, State::Pad] {
                let words = Words::new(start);
                let mut consumer = words.consumer();
                words.word(start).store(word.with(state).0, Ordering::Relaxed);
                let looked = match consumer.look(words.ring(), 0) {
                    Ok(Found::Committed { owner, blocks }) => Some((owner, blocks)),
                    _ => None,
                };
                assert_eq!(consumer.first_committed(words.ring()), looked, "{word:?} {state:?}");
                let Some((_, blocks)) = looked else {
                    // (Of a claim that nobody can have found to be longer than
                    // the ring nobody asks.)
                    for bytes in [0, UNIT, 2 * UNIT] {
                        assert!(!consumer.release_first(words.ring(), bytes), "{word:?} {state:?}");
                    }
                    assert_eq!(words.word(start).load(Ordering::Relaxed), word.with(state).0);
                    continue;
                };
                let bytes = u64::from(blocks) * UNIT;
                for wrong in [0, bytes - UNIT, bytes + UNIT, u64::MAX] {
                    assert!(!consumer.release_first(words.ring(), wrong), "not of {wrong}");
                }
                assert_eq!(consumer.position(), start);
                assert!(consumer.release_first(words.ring(), bytes));
                assert_eq!(
                    (consumer.position(), words.positions().0),
                    (start + bytes, start + bytes)
                );
                let free = Word(words.word(start).load(Ordering::Relaxed));
                assert_eq!(free, word.with(State::Free), "blocks and lap are kept");
            }
        }
    }
}

#[test]
fn a_claim_whose_owner_died_before_it_moved_the_tail_is_passed_by_anybody() {
    for start in STARTS {
        let words = Words::new(start);
        let ring = words.ring();
        drop(words.producer(3).claim(ring, 2, || ()).unwrap().unwrap());
        words.tail.store(start, Ordering::Relaxed);
        assert!(put(&mut words.producer(4), &words, 1));
        let consumer = words.consumer();
        assert!(consumer.revoke(ring, 3, 2));
        assert_eq!(words.positions(), (start, start + 3 * UNIT));

        let words = Words::new(start);
        let ring = words.ring();
        drop(words.producer(3).claim(ring, 2, || ()).unwrap().unwrap());
        words.tail.store(start, Ordering::Relaxed);
        let mut consumer = words.consumer();
        assert!(consumer.revoke(ring, 3, 2));
        consumer.release(ring, start + 2 * UNIT).unwrap();
        assert_eq!(words.positions(), (start + 2 * UNIT, start), "nobody has come since");
        assert!(put(&mut words.producer(4), &words, BLOCKS));
    }
}

/// Whatever the tail says that was once the end of a claim, the next claim begins where the claims
/// end, whether its producer has been there all the time, or for laps was not, or comes now.
#[test]
fn the_tail_may_be_behind_by_any_number_of_claims() {
    for start in STARTS {
        for lengths in [&[1, 1, 1, 1, 1, 1, 1, 1][..], &[2, 3, 1], &[5], &[3, 4]] {
            for released in 0..=lengths.len() {
                for laps in [0, 1, 3] {
                    let (base, words) = (start + laps * CAPACITY, Words::new(start));
                    let (mut consumer, mut idle) = (words.consumer(), words.producer(7));
                    let mut ends = vec![start];
                    for blocks in (0..laps).map(|_| BLOCKS).chain(lengths.iter().copied()) {
                        let end = *ends.last().unwrap();
                        if end < base {
                            assert!(put(&mut words.producer(1), &words, blocks));
                            consumer.release(words.ring(), end + CAPACITY).unwrap();
                        } else {
                            assert!(put(&mut words.producer(2), &words, blocks));
                        }
                        ends.push(end + u64::from(blocks) * UNIT);
                    }
                    let end = *ends.last().unwrap();
                    let head = ends[laps as usize + released];
                    consumer.release(words.ring(), head).unwrap();
                    let room = BLOCKS - ((end - head) / UNIT) as u32;
                    for tail in ends {
                        for producer in [&mut idle, &mut words.producer(3)] {
                            words.tail.store(tail, Ordering::Relaxed);
                            if room < BLOCKS {
                                let claim = producer.claim(words.ring(), room + 1, || ()).unwrap();
                                assert!(claim.is_none(), "{claim:?} {head} {tail}");
                                assert_eq!(producer.wanted_head(room + 1), head + UNIT);
                                assert_eq!(producer.position(), end, "{head} {tail}");
                            }
                            assert_eq!(producer.settle(words.ring()), Ok(end));
                            let shown = geometry().end_of_claims(head, tail, |at| {
                                Ok::<_, ()>(words.word(at).load(Ordering::Relaxed))
                            });
                            assert_eq!(shown, Ok(end));
                        }
                    }
                    words.tail.store(start, Ordering::Relaxed);
                    let claim = idle.claim(words.ring(), 1, || ()).unwrap();
                    assert_eq!(claim.map(|claim| claim.position()), (room > 0).then_some(end));
                }
            }
        }
    }
}

#[test]
fn others_are_met_where_a_claim_was_made_and_not_told_of_and_nowhere_else() {
    let words = Words::new(0);
    let (mut one, mut other) = (words.producer(1), words.producer(2));
    let mut met = 0;
    let mut claim = |producer: &mut Producer, blocks| {
        let claim = producer.claim(words.ring(), blocks, || met += 1).unwrap();
        (claim.is_some(), std::mem::take(&mut met))
    };
    assert_eq!(claim(&mut one, 1), (true, 0));
    assert_eq!(claim(&mut other, 1), (true, 0), "the tail told of the first");
    assert_eq!(claim(&mut one, BLOCKS), (false, 0), "full");
    words.tail.store(0, Ordering::Relaxed);
    let mut third = words.producer(3);
    assert_eq!(claim(&mut third, 1), (true, 1), "as if they had just claimed");
    assert_eq!(claim(&mut third, 1), (true, 0));
}

#[test]
fn whoever_takes_over_from_a_consumer_finishes_its_release() {
    for start in STARTS {
        for lengths in [&[3, 1, 4][..], &[1, 2], &[8], &[2]] {
            let total: u32 = lengths.iter().sum();
            for freed in 0..=lengths.len() {
                let words = Words::new(start);
                for &blocks in lengths {
                    assert!(put(&mut words.producer(0), &words, blocks));
                }
                let mut head = start;
                for blocks in &lengths[..freed] {
                    let word = Word(words.word(head).load(Ordering::Relaxed));
                    words.word(head).store(word.with(State::Free).0, Ordering::Relaxed);
                    head += u64::from(*blocks) * UNIT;
                }
                let consumer = words.consumer();
                assert_eq!(consumer.position(), head);
                assert_eq!(words.positions(), (head, start + u64::from(total) * UNIT));
                // Nor does it matter where the tail is.
                words.set(start, start);
                assert_eq!(words.consumer().position(), head);
                let found = readable(&consumer, &words).0;
                let expected: Vec<_> = lengths[freed..].iter().map(|&blocks| (0, blocks)).collect();
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn a_seat_is_free_when_nothing_of_its_last_owner_is_in_the_ring() {
    let words = Words::new(0);
    let ring = words.ring();
    let word = AtomicU64::new(0);
    let seat = Seat(&word);
    let mut producer = words.producer(5);
    assert_eq!(seat.take(ring, &mut producer), Ok(true));
    assert!(put(&mut producer, &words, 1));
    seat.leave(&producer);
    assert!(put(&mut words.producer(6), &words, 1));
    assert_eq!(seat.take(ring, &mut words.producer(5)), Ok(false), "its record was not read");
    let mut consumer = words.consumer();
    consumer.release(ring, UNIT).unwrap();
    assert_eq!(seat.take(ring, &mut words.producer(5)), Ok(true));
    consumer.release(ring, 2 * UNIT).unwrap();

    // Now the owner dies, before it has moved the tail past its claim.
    drop(words.producer(5).claim(ring, 2, || ()).unwrap().unwrap());
    words.tail.store(2 * UNIT, Ordering::Relaxed);
    assert!(!seat.outlived(2 * UNIT), "nobody has noticed");
    assert_eq!(seat.take(ring, &mut words.producer(5)), Ok(false));
    assert_eq!(seat.take(ring, &mut words.producer(5)), Ok(false));
    assert!(seat.outlived(2 * UNIT) && !seat.outlived(4 * UNIT));
    assert!(consumer.revoke(ring, 5, 2));
    consumer.release(ring, 4 * UNIT).unwrap();
    assert_eq!(seat.take(ring, &mut words.producer(5)), Ok(true));
    assert_eq!(word.load(Ordering::Relaxed), IN_USE);
    assert!(!seat.outlived(4 * UNIT));

    word.store(99 * UNIT, Ordering::Relaxed);
    let error = seat.take(ring, &mut words.producer(5)).unwrap_err();
    assert_eq!(error.what, "end of a seat's claims");
}

#[test]
fn positions_that_jump_are_refused() {
    let base = 100 * CAPACITY;
    for (head, tail, what) in [
        (base - UNIT, base + UNIT, "head"),
        (base + 1, base + UNIT, "head"),
        // What was claimed was never released.
        (base + 8 * UNIT, base + UNIT, "lap of a claim"),
        (u64::MAX, base + UNIT, "head"),
        (base, base + 2 * UNIT + 1, "tail"),
        (base, base + CAPACITY + UNIT, "tail"),
        (base, u64::MAX - UNIT + 1, "tail"),
    ] {
        let words = Words::new(base);
        let mut producer = words.producer(0);
        assert!(put(&mut producer, &words, 1));
        words.set(head, tail);
        // Of any head it hears only when it has no room.
        assert_eq!(
            producer.claim(words.ring(), BLOCKS, || ()).unwrap_err().what,
            what,
            "{head} {tail}"
        );
        let taken_up = Consumer::take_up(words.ring(), geometry());
        assert!(taken_up.is_err() || head < base || what == "lap of a claim");
    }
}

#[test]
fn a_word_that_cannot_be_is_refused_by_all() {
    let base = 7 * CAPACITY + 6 * UNIT;
    let good = Word::busy(1, 2, 7).with(State::Committed);
    for (bad, what) in [
        (Word::busy(1, 2, 6), "lap of a claim"),
        (Word::busy(1, 2, 8), "lap of a claim"),
        (Word(1 << Word::STATE | 7), "blocks of a claim"),
        (Word::busy(1, BLOCKS + 1, 7), "blocks of a claim"),
        (Word::busy(1, Word::MOST_BLOCKS, 7), "blocks of a claim"),
        (Word(u64::MAX), "lap of a claim"),
    ] {
        for state in [State::Busy, State::Committed, State::Pad] {
            let bad = bad.with(state).0;
            let words = Words::new(base);
            let (mut producer, mut consumer) = (words.producer(0), words.consumer());
            words.word(base).store(bad, Ordering::Relaxed);
            assert_eq!(producer.claim(words.ring(), 1, || ()).unwrap_err().what, what);
            assert_eq!(words.producer(0).settle(words.ring()).unwrap_err().what, what);
            assert_eq!(consumer.look(words.ring(), 0).unwrap_err().what, what);
            assert_eq!(words.positions(), (base, base));

            // It was good when the consumer looked.
            let error = consumer.release(words.ring(), base + 2 * UNIT).unwrap_err();
            assert!(error.what == what || state == State::Busy, "{error}");
            assert_eq!(words.positions(), (base, base));
            words.word(base).store(bad & !(3 << Word::STATE), Ordering::Relaxed);
            // Free, it is a claim that was released only if it is of this lap.
            match Consumer::take_up(words.ring(), geometry()) {
                Ok(consumer) => assert_eq!((consumer.position(), what), (base, "lap of a claim")),
                Err(error) => assert_eq!(error.what, what),
            }
        }
    }
    for upto in [UNIT, 3 * UNIT] {
        // Two blocks were found, and now there are others.
        let words = Words::new(base);
        words.word(base).store(good.0, Ordering::Relaxed);
        let error = words.consumer().release(words.ring(), base + upto).unwrap_err();
        assert!(["blocks of a claim", "state of a claim"].contains(&error.what));
        assert_eq!(words.positions(), (base, base));
    }
}

#[test]
fn who_wants_a_claim_is_not_held_by_a_peer_that_plays_with_the_words() {
    // There is always another claim to step over, and somebody puts the tail back each time.
    let words = Words::new(0);
    let mut producer = words.producer(0);
    words.word(0).store(Word::busy(1, 1, 0).0, Ordering::Relaxed);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                words.tail.store(0, Ordering::Relaxed);
                words.word(UNIT).store(Word::busy(1, 1, 0).0, Ordering::Relaxed);
            }
        });
        for _ in 0..100 {
            let _ = producer.claim(words.ring(), 1, || ());
            let _ = producer.settle(words.ring());
            producer = Producer::new(0, words.ring(), geometry()).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}
