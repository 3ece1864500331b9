//! A peer that writes positions that cannot be: they jump, or lie where no record can begin.

use crate::{assert_fails, record_support::*, scribbles::*, stream_support::*};
use shmpipe::{
    LayoutError, OpenErrorKind, Options, Peer, Trust,
    record::{ReadError, Receiver, Sender, WriteError},
};
use std::thread;

const STARTS: [u64; 4] = [0, 1 << 20, (1 << 32) - (1 << 14), 0_u64.wrapping_sub(1 << 20)];

#[test]
fn a_senders_position_that_jumps_or_is_torn_breaks_the_receiver() {
    for trust in TRUSTS {
        for align in SOME_ALIGNS {
            let (unit, ring) = (align as u64, room(align) as u64);
            for start in STARTS {
                // Of an empty ring: torn, before what was seen, more than a ring further, far off.
                let at = start + 2 * unit;
                let torn = [1, 4, unit - 1, unit + 1, unit + unit / 2, ring - 1].map(|by| at + by);
                let jumps = [at - unit, at + ring + unit, at + ring + 1];
                let far = [0, u64::MAX, at ^ (1 << 63), at.wrapping_add(1 << 32)];
                for bad in torn.into_iter().chain(jumps).chain(far) {
                    let site = RecordSite::at(true, align, start);
                    let (mut sender, mut receiver, words) = ends(&site, trust);
                    for _ in 0..2 {
                        sender.send(b"").unwrap();
                        receive(&mut receiver);
                    }
                    assert_eq!(words.get(TAIL), at);
                    words.set(TAIL, bad);
                    assert_fails!(receiver.try_recv(), ReadError::Corrupt(_), "{bad} after {at}");
                    is_broken_receiver(&mut receiver, || words.set(TAIL, at));
                    drop(receiver);
                    assert_fails!(sender.send(b""), WriteError::ReaderLeft);
                }
            }
        }
    }
}

#[test]
fn a_receivers_position_that_jumps_or_is_torn_breaks_the_sender() {
    for trust in TRUSTS {
        for align in SOME_ALIGNS {
            let (unit, ring) = (align as u64, room(align) as u64);
            for start in STARTS {
                // Of a full ring, of which a record was released.
                let (at, tail) = (start + unit, start + unit + ring);
                let torn = [1, 4, unit - 1, unit + 1, unit + unit / 2].map(|by| at + by);
                let jumps = [start, tail + unit, tail + ring];
                let far = [0, u64::MAX, at ^ (1 << 63), at.wrapping_add(1 << 32)];
                for bad in torn.into_iter().chain(jumps).chain(far).filter(|bad| *bad != at) {
                    let site = RecordSite::at(true, align, start);
                    let (mut sender, mut receiver, words) = ends(&site, trust);
                    let all = fill_up(&mut sender);
                    receive(&mut receiver);
                    sender.send(b"").unwrap();
                    assert_eq!((words.get(HEAD), words.get(TAIL)), (at, tail));
                    words.set(HEAD, bad);
                    assert_fails!(sender.try_send(b""), WriteError::Corrupt(_), "{bad} after {at}");
                    is_broken_sender(&mut sender, || words.set(HEAD, at));
                    assert_fails!(sender.finish(), WriteError::Corrupt(_));
                    // The other end is sound. It gets what was sent, and learns that no more comes.
                    for _ in 0..all {
                        assert_eq!(receive(&mut receiver).0, b"");
                    }
                    assert_fails!(receiver.recv(), ReadError::Dropped);
                }
            }
        }
    }
}

/// An end that waits looks at the word when it wakes.
#[test]
fn a_jump_while_it_waits() {
    for named in [true, false] {
        for by in [1, 12, page() as u64 + 8] {
            let site = RecordSite::new(named, 8);
            let (mut sender, receiver, words) = ends(&site, Trust::SameUser);
            fill_up(&mut sender);
            let thread = thread::spawn(move || sender.send(b"").unwrap_err());
            until("the sender sleeps", || receiver.peer().unwrap() == Peer::Waiting);
            words.set(HEAD, page() as u64 + by);
            assert!(matches!(joined(thread), WriteError::Corrupt(_)));

            let site = RecordSite::new(named, 8);
            let (sender, mut receiver, words) = ends(&site, Trust::SameUser);
            let thread = thread::spawn(move || receiver.recv_batch().map(drop).unwrap_err());
            until("the receiver sleeps", || sender.peer().unwrap() == Peer::Waiting);
            words.set(TAIL, by);
            assert!(matches!(joined(thread), ReadError::Corrupt(_)));
        }
    }
}

/// An end does not attach where no record can begin.
#[test]
fn attaching_to_positions_that_cannot_be() {
    for align in SOME_ALIGNS {
        let unit = align as u64;
        for offset in [TAIL, HEAD] {
            for bad in [1, 4, 7, unit - 1, unit + 1, unit / 2 + unit, (1 << 32) + 4, 1 << 63 | 1] {
                for options in [Options::new(), Options::new().resume(), Options::new().discard()] {
                    let site = RecordSite::at(true, align, 1 << 20);
                    let words = site.words();
                    words.set(offset, (1 << 20) + bad);
                    let receiver = site.open::<Receiver>(&options).map(drop).unwrap_err();
                    let sender = site.open::<Sender>(&options).map(drop).unwrap_err();
                    for error in [receiver, sender] {
                        assert!(
                            matches!(
                                error.kind(),
                                OpenErrorKind::Corrupt(_)
                                    | OpenErrorKind::Layout(LayoutError::Damaged { .. })
                            ),
                            "{error:?}"
                        );
                    }
                }
            }
        }
    }
}
