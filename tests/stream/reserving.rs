//! `reserve` and `commit`.

use crate::{assert_fails, stream_support::*};
use shmpipe::{Options, Peer, stream::WriteError};
use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

#[test]
fn what_is_committed_is_what_the_reader_gets() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let mut reservation = writer.reserve(100).unwrap();
        assert_eq!(reservation.len(), 100);
        fill(&mut reservation, 0);
        assert_eq!(reservation[99], byte_at(99), "it can be read back before it is committed");
        reservation.commit(100).unwrap();
        assert_eq!(reader.fill_buf().unwrap(), bytes_from(0, 100), "{kind:?}");
    }
}

#[test]
fn nothing_is_seen_before_the_commit() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let mut reservation = writer.reserve(100).unwrap();
        fill(&mut reservation, 0);
        assert_fails!(reader.try_fill_buf(), shmpipe::stream::ReadError::Empty);
        assert_eq!(reader.len(), 0);
        reservation.commit(100).unwrap();
        assert_eq!(reader.len(), 100);
    }
}

#[test]
fn committing_less_gives_the_rest_back() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let mut reservation = writer.reserve(page()).unwrap();
        reservation.fill(0xee);
        fill(&mut reservation[..40], 0);
        reservation.commit(40).unwrap();
        assert_eq!((writer.len(), writer.free()), (40, page() - 40));

        let mut reservation = writer.reserve(2).unwrap();
        fill(&mut reservation, 40);
        reservation.commit(2).unwrap();
        assert_eq!(reader.fill_buf().unwrap(), bytes_from(0, 42), "no gap, {kind:?}");
    }
}

#[test]
fn committing_nothing_publishes_nothing() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        writer.reserve(10).unwrap().commit(0).unwrap();
        assert_eq!(writer.stats().operations, 0);
        assert_fails!(reader.try_fill_buf(), shmpipe::stream::ReadError::Empty);
    }
}

#[test]
fn committing_more_than_reserved_is_an_error_and_publishes_nothing() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        for too_many in [11, page() + 1, usize::MAX] {
            let committed = writer.reserve(10).unwrap().commit(too_many);
            assert_fails!(
                committed,
                WriteError::TooLarge { requested, limit: 10 } if requested == too_many
            );
        }
        assert!(writer.is_empty());
        writer.write_all(b"after").unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"after", "{kind:?}");
    }
}

#[test]
fn a_dropped_reservation_leaves_no_trace() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        for round in 0..3 {
            let mut dropped = writer.reserve(page()).unwrap();
            dropped.fill(0xee);
            drop(dropped);
            assert!(writer.is_empty());

            let position = round * 3;
            let mut kept = writer.reserve(3).unwrap();
            fill(&mut kept, position);
            kept.commit(3).unwrap();
            assert_eq!(reader.fill_buf().unwrap(), bytes_from(position, 3), "{kind:?}");
            reader.consume(3);
        }
    }
}

#[test]
fn more_than_the_ring_can_hold_is_an_error_at_once() {
    for kind in KINDS {
        let (_name, mut writer, reader) = kind.page();
        let soon = Duration::from_secs(3600);
        // On an empty ring and on a full one, where a wait would never end.
        for _ in 0..2 {
            for n in [page() + 1, usize::MAX / 2, usize::MAX] {
                let refused = |error: Option<WriteError>| {
                    assert!(matches!(
                        error,
                        Some(WriteError::TooLarge { requested, limit }) if (requested, limit) == (n, page())
                    ));
                };
                refused(writer.reserve(n).err());
                refused(writer.try_reserve(n).err());
                refused(writer.reserve_timeout(n, soon).err());
                refused(writer.reserve_deadline(n, Instant::now() + soon).err());
            }
            writer.write_all(&vec![0; writer.free()]).unwrap();
        }
        drop(reader);
    }
}

#[test]
fn up_to_gives_what_there_is_room_for() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        assert_eq!(writer.reserve_up_to(usize::MAX).unwrap().len(), page());
        assert_eq!(writer.reserve_up_to(7).unwrap().len(), 7);
        writer.write_all(&bytes_from(0, page() - 5)).unwrap();
        assert_eq!(writer.reserve_up_to(7).unwrap().len(), 5);
        // One byte of room is known; that there is more takes a look at the reader.
        assert_eq!(reader.read(&mut [0; 100]).unwrap(), 100);
        assert_eq!(writer.reserve_up_to(page()).unwrap().len(), 105);
        assert_eq!(writer.try_reserve_up_to(page()).unwrap().len(), 105, "{kind:?}");
    }
}

#[test]
fn a_full_ring_is_full_for_every_form() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let mut whole = writer.reserve(page()).unwrap();
        fill(&mut whole, 0);
        whole.commit(page()).unwrap();
        assert_eq!((writer.len(), writer.free()), (page(), 0));

        let short = Duration::from_millis(5);
        let soon = || Instant::now() + short;
        assert_fails!(writer.try_reserve(1), WriteError::Full);
        assert_fails!(writer.try_reserve_up_to(1), WriteError::Full);
        assert_fails!(writer.reserve_timeout(1, short), WriteError::Timeout);
        assert_fails!(writer.reserve_up_to_timeout(1, short), WriteError::Timeout);
        assert_fails!(writer.reserve_deadline(1, soon()), WriteError::Timeout);
        assert_fails!(writer.reserve_up_to_deadline(1, soon()), WriteError::Timeout);
        // No time at all is a time-out too, and not a `Full`.
        assert_fails!(writer.reserve_timeout(1, Duration::ZERO), WriteError::Timeout);
        assert_fails!(writer.reserve_deadline(1, Instant::now()), WriteError::Timeout);

        // It takes as much room as was asked for, not any.
        reader.fill_buf().unwrap();
        reader.consume(9);
        assert_fails!(writer.try_reserve(10), WriteError::Full);
        assert_fails!(writer.reserve_timeout(10, short), WriteError::Timeout);
        assert_eq!(writer.try_reserve(9).unwrap().len(), 9);
        assert_eq!(writer.reserve_timeout(9, Duration::MAX).unwrap().len(), 9);
        assert_eq!(writer.reserve_deadline(9, soon()).unwrap().len(), 9);
        assert_eq!(writer.reserve_up_to_timeout(10, short).unwrap().len(), 9);
        assert_eq!(writer.reserve_up_to_deadline(10, soon()).unwrap().len(), 9);
        assert_eq!(reader.fill_buf().unwrap(), bytes_from(9, page() - 9), "{kind:?}");
    }
}

#[test]
fn a_waiting_reserve_waits_for_all_of_it() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(&bytes_from(0, page())).unwrap();
        let thread = thread::spawn(move || {
            let mut reservation = writer.reserve(page() / 2).unwrap();
            fill(&mut reservation, page() as u64);
            reservation.commit(page() / 2).unwrap();
            writer.finish().unwrap();
        });
        // Byte by byte: each wakes the writer, and only the last is of use to it.
        for position in 0..page() / 2 {
            assert!(reader.len() == page() - position, "the reservation came too early");
            check(&reader.fill_buf().unwrap()[..1], position as u64);
            reader.consume(1);
        }
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, bytes_from(page() as u64 / 2, page()), "{kind:?}");
        thread.join().unwrap();
    }
}

/// It sleeps until there is room for all of it: the last byte that is missing wakes it.
#[test]
fn a_sleeping_reserve_is_woken_by_the_last_byte_it_needs() {
    for kind in KINDS {
        for n in [1, 2, 100, page()] {
            let (_name, mut writer, mut reader) = kind.uncapped();
            writer.write_all(&bytes_from(0, page())).unwrap();
            let thread = thread::spawn(move || writer.reserve(n).unwrap().len());
            until("the writer sleeps", || reader.peer().unwrap() == Peer::Waiting);
            reader.fill_buf().unwrap();
            reader.consume(n - 1);
            assert!(!thread.is_finished());
            reader.consume(1);
            assert_eq!(joined(thread), n, "{kind:?}");
        }
    }
}

/// The classic off-by-one: a write that exactly fills the ring, and all sizes next to it, from
/// every kind of place in the ring.
#[test]
fn every_size_around_the_capacity_from_every_kind_of_place() {
    let ring = page();
    let near = |n: usize| n.saturating_sub(9)..=n + 9;
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let mut position = 0;
        for start in [0, 1, 7, 8, ring / 2, ring - 8, ring - 1] {
            for first in near(0).chain(near(ring / 2)).chain(ring - 9..=ring) {
                // Brings both ends to the place.
                let there = position as usize % ring;
                let shift = (start + ring - there) % ring;
                assert_eq!(writer.try_write(&bytes_from(position, shift)).unwrap(), shift);
                reader.read_exact(&mut vec![0; shift]).unwrap();
                position += shift as u64;

                let mut reservation = writer.try_reserve(first).unwrap();
                fill(&mut reservation, position);
                reservation.commit(first).unwrap();
                let second = ring - first;
                if second < ring {
                    assert_fails!(writer.try_reserve(second + 1), WriteError::Full);
                }
                let more = bytes_from(position + first as u64, second + 9);
                match writer.try_write(&more) {
                    Ok(n) => assert_eq!(n, second),
                    Err(error) => assert!(second == 0 && matches!(error, WriteError::Full)),
                }
                assert_eq!((writer.len(), writer.free()), (ring, 0));
                assert_fails!(writer.try_write(b"x"), WriteError::Full);

                let all = reader.fill_buf().unwrap();
                assert_eq!(all.len(), first + second, "{kind:?} from {start}, {first} first");
                check(all, position);
                reader.consume(ring);
                assert!(reader.is_empty());
                position += ring as u64;
            }
        }
    }
}

#[test]
fn nothing_can_be_asked_for() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        // On an empty ring, and on a full one, where waiting would be for ever.
        for _ in 0..2 {
            assert_eq!(writer.reserve(0).unwrap().len(), 0);
            assert_eq!(writer.try_reserve(0).unwrap().len(), 0);
            assert_eq!(writer.reserve_up_to(0).unwrap().len(), 0);
            assert_eq!(writer.try_reserve_up_to(0).unwrap().len(), 0);
            writer.reserve(0).unwrap().commit(0).unwrap();
            assert_fails!(
                writer.reserve(0).unwrap().commit(1),
                WriteError::TooLarge { requested: 1, limit: 0 }
            );
            assert_eq!(writer.write(b"").unwrap(), 0);
            assert_eq!(writer.try_write(b"").unwrap(), 0);
            assert_eq!(writer.write_timeout(b"", Duration::ZERO).unwrap(), 0);
            assert_eq!(reader.read(&mut []).unwrap(), 0);
            assert_eq!(reader.try_read(&mut []).unwrap(), 0);
            assert_eq!(reader.read_timeout(&mut [], Duration::ZERO).unwrap(), 0);
            reader.consume(0);
            if writer.free() > 0 {
                writer.write_all(&bytes_from(0, page())).unwrap();
            }
        }
        assert_eq!(reader.fill_buf().unwrap(), bytes_from(0, page()), "{kind:?}");
    }
}

#[test]
fn a_ring_larger_than_one_transfer_is_reserved_in_one_piece() {
    for kind in KINDS {
        let capacity = 2 << 20;
        let (_name, mut writer, mut reader) = kind.pair(&Options::new().capacity(capacity));
        // Half-way, so that the span crosses the end of the data area.
        writer.write_all(&vec![0; capacity / 2]).unwrap();
        reader.read_exact(&mut vec![0; capacity / 2]).unwrap();
        let mut reservation = writer.reserve(capacity).unwrap();
        fill(&mut reservation, 0);
        reservation.commit(capacity).unwrap();
        let mut all = vec![0; capacity];
        reader.read_exact(&mut all).unwrap();
        check(&all, 0);
    }
}
