//! Streams that follow one another through one ring: none is lost, none counted twice, and none
//! that was cut short is taken for a whole one.

use super::*;
use support::alone;

const REASONS: [EndReason; 4] =
    [EndReason::Finished, EndReason::Failed(-9), EndReason::Dropped, EndReason::Died];

/// When there is a reader, and when it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// It is there from the start and reads each stream to its end before the next begins.
    Eager,
    /// It is there from the start and reads when both are over.
    Lazy,
    /// It comes when both are over.
    Late,
}

type Stream<'a> = (&'a [u8], EndReason);

#[test]
fn every_end_of_two_in_every_order_read_as_they_come() {
    alone(|| every_pair(Reading::Eager));
}

#[test]
fn every_end_of_two_in_every_order_read_afterwards() {
    alone(|| every_pair(Reading::Lazy));
}

#[test]
fn every_end_of_two_in_every_order_for_a_reader_that_comes_later() {
    alone(|| every_pair(Reading::Late));
}

fn every_pair(reading: Reading) {
    for first_reason in REASONS {
        for second_reason in REASONS {
            for first_bytes in [&b"first"[..], b""] {
                for second_bytes in [&b"the second"[..], b""] {
                    two((first_bytes, first_reason), (second_bytes, second_reason), reading);
                }
            }
        }
    }
}

fn two(first: Stream<'_>, second: Stream<'_>, reading: Reading) {
    let case = format!("{first:?}, then {second:?}, {reading:?}");
    let name = RingName::new("two");
    let mut early = (reading != Reading::Late).then(|| reader(&name));

    write_stream(&options(), &name, first.0, first.1).unwrap();
    if reading == Reading::Eager {
        assert_eq!(read_stream(early.as_mut().unwrap()), owned(first), "{case}");
    }
    // What nobody saw and had nothing in it may go unnoticed: nobody is misled by that. An empty
    // stream that was killed is none at all; what nobody waited for left nothing behind.
    let traceless = first.0.is_empty() && (first.1 == EndReason::Died || reading == Reading::Late);
    let told = reading == Reading::Eager;

    if told || traceless || first.1 == EndReason::Finished {
        write_stream(&options(), &name, second.0, second.1).unwrap();
    } else {
        let refused = write_stream(&options(), &name, second.0, second.1).expect_err(&case);
        let unread = first.0.len() as u64;
        let attached = reading == Reading::Lazy;
        let found = format!(
            "Unfinished {{ reason: {:?}, at: {unread}, unread: {unread}, reader_attached: {attached} }}",
            first.1
        );
        assert_eq!(format!("{:?}", refused.kind()), found, "{case}");
        write_stream(&options().resume(), &name, second.0, second.1).expect(&case);
    }

    let mut expected: Vec<_> = [first, second].map(owned).into();
    if told || traceless {
        expected.remove(0);
    }
    if reading == Reading::Late && name_is_gone_with(expected.as_slice()) {
        return name.assert_gone();
    }
    let mut reader = early.unwrap_or_else(|| reader(&name));
    for stream in expected {
        assert_eq!(read_stream(&mut reader), stream, "{case}");
    }
    // And then there is none, though the last end may be asked for again.
    let last = read_stream(&mut reader);
    assert_eq!(last, (Vec::new(), second.1), "{case}");
    drop(reader);
    name.assert_gone();
}

/// Whether nothing is left for a reader that comes when the writer of the last stream, which was
/// not killed, has left.
fn name_is_gone_with(streams: &[(Vec<u8>, EndReason)]) -> bool {
    let nothing = streams.iter().all(|(bytes, _)| bytes.is_empty());
    nothing && streams.last().is_some_and(|(_, reason)| *reason != EndReason::Died)
}

fn owned((bytes, reason): Stream<'_>) -> (Vec<u8>, EndReason) {
    (bytes.to_vec(), reason)
}

/// A long row of streams of all kinds for one reader that is told of each.
#[test]
fn a_long_row_of_streams_is_told_in_order() {
    alone(|| {
        let name = RingName::new("row");
        let mut reader = reader(&name);
        for round in 0..200_usize {
            let reason = REASONS[round * 7 / 3 % 4];
            // More than the ring holds in all, at every place in it.
            let bytes = vec![round as u8; 1 + round * 37 % (page_size() - 1)];
            write_stream(&options(), &name, &bytes, reason).unwrap();
            let (read, ended) = read_stream(&mut reader);
            assert!(read == bytes, "round {round}: {} for {}", read.len(), bytes.len());
            assert_eq!(ended, reason, "round {round}");
        }
    });
}

/// Readers that come and are killed at any point of a row of streams: what each has consumed plus
/// what the next gets is every stream, once, with its end.
#[test]
fn a_row_of_readers_shares_a_row_of_streams() {
    alone(|| {
        let name = RingName::new("readers");
        for first in REASONS {
            for consumed in [0, 1, 5, 6] {
                write_stream(&options(), &name, b"first", first).unwrap();
                write_stream(&options().resume(), &name, b"second", EndReason::Finished).unwrap();
                let mut child = Child::fork(|line| {
                    let mut reader = reader(&name);
                    assert_eq!(reader.fill_buf().unwrap(), b"first", "not past the boundary");
                    reader.consume(consumed.min(5));
                    if consumed > 5 {
                        assert_stream(&mut reader, b"", first);
                    }
                    line.say("read");
                    wait_to_be_killed();
                });
                child.expect("read");
                child.kill();
                let mut next = reader(&name);
                if consumed <= 5 {
                    assert_stream(&mut next, &b"first"[consumed..], first);
                }
                assert_stream(&mut next, b"second", EndReason::Finished);
                drop(next);
                name.assert_gone();
            }
        }
    });
}
