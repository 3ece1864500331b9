//! What deaths leave behind, written down by hand: what a reader is still owed,
//! and what is nobody's.

use crate::{assert_fails, stream_support::*};
use shmpipe::{EndReason, OpenErrorKind, Options, stream::ReadError};
use std::io::{Read, Write};

/// `src/end/epoch.rs`: epoch, kind, code.
fn word(epoch: u64, kind: u64, code: u64) -> u64 {
    epoch << 36 | kind << 32 | code
}

const OPEN: u64 = 1;
const FINISHED: u64 = 2;
const FAILED: u64 = 3;
const DIED: u64 = 5;

/// Builder and flags of the identity: no longer persistent.
const NOT_PERSISTENT: (u64, u64) = (40, 0);

fn site(words: &[(u64, u64)]) -> Site {
    let site = Site::new(true, page());
    for (offset, value) in words {
        site.words().set(*offset, *value);
    }
    site
}

/// A writer was killed while it discarded: its epoch has begun, `head` was not moved yet.
#[test]
fn what_was_being_discarded_is_not_the_next_streams_beginning() {
    let site = site(&[
        (PRODUCER, word(2, OPEN, 0)),
        (CONSUMER, 0),
        (PREVIOUS, word(1, DIED, 0)),
        (BOUNDARIES[0], 100),
        (ACKNOWLEDGED, 1),
        (TAIL, 100),
        (HEAD, 0),
    ]);
    let mut writer = site.writer(&Options::new());
    writer.write_all(&bytes_from(100, page())).unwrap();
    writer.finish().unwrap();
    let mut bytes = Vec::new();
    site.reader(&Options::new()).read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, bytes_from(100, page()));
}

/// A writer went on publishing after it was aborted and its end was told; two streams later the
/// reader looks again.
#[test]
fn late_bytes_are_not_the_beginning_of_a_stream_that_is_over() {
    let site = site(&[
        (PRODUCER, word(2, FINISHED, 0)),
        (CONSUMER, 0),
        (BOUNDARIES[0], 100),
        (ACKNOWLEDGED, 1),
        (TAIL, 150),
        (HEAD, 0),
    ]);
    let mut third = site.writer(&Options::new());
    third.write_all(b"third").unwrap();
    third.finish().unwrap();
    let mut reader = site.reader(&Options::new());
    for expected in [50, 5] {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), expected);
    }
}

/// A reader was killed when it had read everything and been told nothing. A writer that comes and
/// goes in between does not make that forgotten.
#[test]
fn an_end_that_a_killed_reader_is_owed_outlives_the_next_writer() {
    let site = site(&[
        NOT_PERSISTENT,
        (PRODUCER, word(1, FAILED, 7)),
        (CONSUMER, word(1, OPEN, 0)),
        (ACKNOWLEDGED, 0),
        (TAIL, 10),
        (HEAD, 10),
    ]);
    drop(site.writer(&Options::new().resume()));
    let mut reader = site.reader(&Options::new());
    assert_fails!(reader.fill_buf(), ReadError::Failed(7));
    assert_fails!(reader.fill_buf(), ReadError::Dropped);
    drop(reader);
    site.name.assert_gone(); // Everybody was told everything.
}

/// A reader was killed while it waited, and then the writer failed before it published anything.
#[test]
fn a_failure_that_a_killed_reader_is_owed_is_not_passed_over() {
    let site =
        site(&[(PRODUCER, word(1, FAILED, 7)), (CONSUMER, word(1, OPEN, 0)), (ACKNOWLEDGED, 0)]);
    let error = site.try_writer(&Options::new()).unwrap_err();
    let owed = matches!(
        error.kind(),
        OpenErrorKind::Unfinished { reason: EndReason::Failed(7), unread: 0, .. }
    );
    assert!(owed, "{error}");
}
