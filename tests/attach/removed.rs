//! A ring whose name somebody takes away: who waits for somebody to come is told that nobody will;
//! who has a peer goes on with it (but for a System V ring, whose locks go, too).

use super::*;
use std::thread;
use support::{alone, posix_only};

#[track_caller]
fn assert_told_removed(reader: &mut Reader) {
    let told = reader.fill_buf_timeout(DEADLINE).map(<[u8]>::to_vec);
    assert!(matches!(told, Err(ReadError::Removed)), "{told:?}");
}

#[test]
fn a_reader_to_whom_nobody_came() {
    alone(|| {
        let name = RingName::new("reader");
        let mut reader = reader(&name);
        name.remove().unwrap();
        assert_told_removed(&mut reader);
    });
}

#[test]
fn a_writer_to_whom_nobody_came() {
    alone(|| {
        let name = RingName::new("writer");
        let mut writer = writer(&name);
        writer.write_all(&vec![1; writer.capacity()]).unwrap();
        name.remove().unwrap();
        let told = writer.write_timeout(b"x", DEADLINE);
        assert!(matches!(told, Err(shmpipe::WriteError::Removed)), "{told:?}");
    });
}

/// The writer of the stream that another reader was told of is not one who came.
#[test]
fn a_reader_after_a_stream_that_another_has_read() {
    alone(|| {
        for reason in [EndReason::Finished, EndReason::Dropped, EndReason::Died] {
            let name = RingName::new("later-reader");
            let keep = options().persistent(true);
            let mut first: Reader = keep.create_new(&name).unwrap();
            write_stream(&keep, &name, b"first", reason).unwrap();
            assert_stream(&mut first, b"first", reason);
            drop(first);
            let mut second: Reader = keep.open(&name).unwrap();
            let nothing = second.fill_buf_timeout(Duration::from_millis(30));
            assert!(matches!(nothing, Err(ReadError::Timeout)), "{reason:?}: {nothing:?}");
            name.remove().unwrap();
            assert_told_removed(&mut second);
        }
    });
}

#[test]
fn two_that_have_met_go_on() {
    alone(|| {
        if !posix_only("ends that go on without a name") {
            return;
        }
        let name = RingName::new("met");
        let (mut writer, mut reader) = (writer(&name), reader(&name));
        name.remove().unwrap();
        let reading = thread::spawn(move || {
            let ended = read_stream(&mut reader);
            // And once more says the same.
            assert_stream(&mut reader, b"", EndReason::Finished);
            ended
        });
        let bytes = vec![7; 10 * writer.capacity()];
        for chunk in bytes.chunks(1000) {
            writer.write_all(chunk).unwrap();
        }
        writer.finish_and_wait().unwrap();
        assert_eq!(reading.join().unwrap(), (bytes, EndReason::Finished));
    });
}

/// Who removes the ring as the last one out has told the other before.
#[test]
fn a_writer_whose_reader_leaves_as_soon_as_it_is_told() {
    alone(|| {
        let name = RingName::new("leaves");
        for _ in 0..200 {
            let (mut writer, mut reader) = (writer(&name), reader(&name));
            let reading =
                thread::spawn(move || assert_stream(&mut reader, b"x", EndReason::Finished));
            writer.write_all(b"x").unwrap();
            writer.finish_and_wait().unwrap();
            reading.join().unwrap();
            name.assert_gone();
        }
    });
}
