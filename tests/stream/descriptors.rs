//! `read_from` and `write_to`: bytes between a descriptor and the ring.

use crate::{assert_fails, stream_support::*};
use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::pipe,
};
use shmpipe::{
    Options,
    stream::{ReadError, TransferError, WriteError},
};
use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, Write},
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

const SHORT: Duration = Duration::from_millis(5);

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn set_nonblocking(fd: &OwnedFd) {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
}

#[test]
fn a_file_through_a_ring_into_a_file() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.pair(&Options::new().capacity(4 * page()));
        let bytes = bytes_from(0, 100 * page() + 321);
        let source = file_of(&bytes);
        let thread = thread::spawn(move || {
            let mut total = 0;
            loop {
                match writer.read_from(&source, usize::MAX).unwrap() {
                    0 => break,
                    n => total += n,
                }
            }
            assert_eq!(writer.read_from(&source, usize::MAX).unwrap(), 0, "still the end");
            writer.finish().unwrap();
            total
        });
        let mut sink = tempfile::tempfile().unwrap();
        while reader.write_to(&sink, usize::MAX).unwrap() > 0 {}
        assert_eq!(reader.write_to(&sink, usize::MAX).unwrap(), 0, "still the end");
        assert_eq!(thread.join().unwrap(), bytes.len());
        assert_eq!(reader.stats().bytes, bytes.len() as u64);

        let mut copied = Vec::new();
        sink.rewind().unwrap();
        sink.read_to_end(&mut copied).unwrap();
        assert!(copied == bytes, "the copy differs, {kind:?}");
    }
}

#[test]
fn no_more_than_asked_for_and_no_more_than_there_is_room_for() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let source = file_of(&bytes_from(0, 2 * page()));
        assert_eq!(writer.read_from(&source, 10).unwrap(), 10);
        assert_eq!(writer.try_read_from(&source, 10).unwrap(), 10);
        assert_eq!(writer.read_from_timeout(&source, 10, SHORT).unwrap(), 10);
        assert_eq!(writer.read_from_deadline(&source, 10, Instant::now() + SHORT).unwrap(), 10);
        assert_eq!(writer.read_from(&source, usize::MAX).unwrap(), page() - 40);

        let mut sink = tempfile::tempfile().unwrap();
        assert_eq!(reader.write_to(&sink, 10).unwrap(), 10);
        assert_eq!(reader.try_write_to(&sink, 10).unwrap(), 10);
        assert_eq!(reader.write_to_timeout(&sink, 10, SHORT).unwrap(), 10);
        assert_eq!(reader.write_to_deadline(&sink, 10, Instant::now() + SHORT).unwrap(), 10);
        assert_eq!(reader.write_to(&sink, usize::MAX).unwrap(), page() - 40);
        let mut copied = Vec::new();
        sink.rewind().unwrap();
        sink.read_to_end(&mut copied).unwrap();
        assert!(copied == bytes_from(0, page()), "{kind:?}");
    }
}

#[test]
fn the_ring_side_is_waited_for_as_the_form_says() {
    use TransferError::Ring;
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let file = tempfile::tempfile().unwrap();
        let soon = || Instant::now() + SHORT;
        assert_fails!(reader.try_write_to(&file, 1), Ring(ReadError::Empty));
        assert_fails!(reader.write_to_timeout(&file, 1, SHORT), Ring(ReadError::Timeout));
        assert_fails!(reader.write_to_deadline(&file, 1, soon()), Ring(ReadError::Timeout));

        writer.write_all(&vec![0; page()]).unwrap();
        let source = file_of(b"kept");
        assert_fails!(writer.try_read_from(&source, 9), Ring(WriteError::Full));
        assert_fails!(writer.read_from_timeout(&source, 9, SHORT), Ring(WriteError::Timeout));
        assert_fails!(writer.read_from_deadline(&source, 9, soon()), Ring(WriteError::Timeout));
        reader.fill_buf().unwrap();
        reader.consume(page());
        // Nothing was taken from the file by those that failed.
        assert_eq!(writer.read_from(&source, 9).unwrap(), 4);
        assert_eq!(reader.fill_buf().unwrap(), b"kept", "{kind:?}");
    }
}

#[test]
fn no_bytes_asked_for_are_none() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let source = file_of(b"kept");
        // Empty, then full.
        for _ in 0..2 {
            assert_eq!(writer.read_from(&source, 0).unwrap(), 0);
            assert_eq!(writer.try_read_from(&source, 0).unwrap(), 0);
            assert_eq!(reader.write_to(&source, 0).unwrap(), 0);
            assert_eq!(reader.try_write_to(&source, 0).unwrap(), 0);
            if writer.free() > 0 {
                writer.write_all(&bytes_from(0, page())).unwrap();
            }
        }
        assert_eq!(reader.len(), page());
        assert_eq!(writer.read_from_timeout(&source, 0, SHORT).unwrap(), 0, "{kind:?}");
    }
}

#[test]
fn through_pipes() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let (source, feed) = pipe().unwrap();
        let (drain, sink) = pipe().unwrap();
        let whole = 40 * page() + 3;
        thread::scope(|scope| {
            scope.spawn(|| File::from(feed).write_all(&bytes_from(0, whole)).unwrap());
            scope.spawn(move || {
                while writer.read_from(&source, usize::MAX).unwrap() > 0 {}
                writer.finish().unwrap();
            });
            scope.spawn(move || while reader.write_to(&sink, 1000).unwrap() > 0 {});
            let mut all = Vec::new();
            File::from(drain).read_to_end(&mut all).unwrap();
            assert!(all == bytes_from(0, whole), "{kind:?}");
        });
    }
}

#[test]
fn a_pipe_that_would_block_is_the_descriptors_error() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let (source, feed) = pipe().unwrap();
        set_nonblocking(&source);
        for _ in 0..2 {
            assert_fails!(
                writer.read_from(&source, 10),
                TransferError::Descriptor(error) if error.kind() == ErrorKind::WouldBlock
            );
        }
        assert!(writer.is_empty(), "nothing was published");
        nix::unistd::write(&feed, b"bytes").unwrap();
        assert_eq!(writer.read_from(&source, 10).unwrap(), 5);

        let (drain, sink) = pipe().unwrap();
        set_nonblocking(&sink);
        while nix::unistd::write(&sink, &[0; 1024]).is_ok() {}
        while nix::unistd::write(&sink, &[0; 1]).is_ok() {}
        for _ in 0..2 {
            assert_fails!(
                reader.write_to(&sink, 10),
                TransferError::Descriptor(error) if error.kind() == ErrorKind::WouldBlock
            );
        }
        assert_eq!(reader.len(), 5, "nothing was consumed");
        drop(drain);
        assert_eq!(reader.fill_buf().unwrap(), b"bytes", "{kind:?}");
    }
}

#[test]
fn a_pipe_that_nobody_reads_is_the_descriptors_error() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(b"bytes").unwrap();
        let (drain, sink) = pipe().unwrap();
        drop(drain);
        for _ in 0..2 {
            assert_fails!(
                reader.write_to(&sink, 10),
                TransferError::Descriptor(error) if error.kind() == ErrorKind::BrokenPipe
            );
        }
        assert_eq!(reader.fill_buf().unwrap(), b"bytes", "nothing was consumed, {kind:?}");
    }
}

#[test]
fn a_descriptor_for_the_other_direction_is_the_descriptors_error() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(b"bytes").unwrap();
        let (reads, writes) = pipe().unwrap();
        assert_fails!(
            writer.read_from(&writes, 10),
            TransferError::Descriptor(error) if error.raw_os_error() == Some(libc::EBADF)
        );
        assert_fails!(
            reader.write_to(&reads, 10),
            TransferError::Descriptor(error) if error.raw_os_error() == Some(libc::EBADF)
        );
        assert_eq!(reader.fill_buf().unwrap(), b"bytes", "{kind:?}");
        assert_eq!(writer.len(), 5);
    }
}

#[test]
fn a_full_device_is_the_descriptors_error_and_consumes_nothing() {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        println!("skipped: no /dev/full here");
        return;
    };
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(b"bytes").unwrap();
        assert_fails!(
            reader.write_to(full.as_fd(), 10),
            TransferError::Descriptor(error) if error.raw_os_error() == Some(libc::ENOSPC)
        );
        assert_eq!(reader.fill_buf().unwrap(), b"bytes", "{kind:?}");
    }
}

#[test]
fn the_end_of_a_stream_that_is_not_whole_is_the_rings_error() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let sink = tempfile::tempfile().unwrap();
        writer.write_all(b"bytes").unwrap();
        writer.fail(9);
        assert_eq!(reader.write_to(&sink, 10).unwrap(), 5);
        for _ in 0..3 {
            assert_fails!(reader.write_to(&sink, 10), TransferError::Ring(ReadError::Failed(9)));
        }

        let (_name, mut writer, reader) = kind.page();
        let source = file_of(b"kept");
        drop(reader);
        assert_fails!(writer.read_from(&source, 10), TransferError::Ring(WriteError::ReaderLeft));
        let mut kept = String::new();
        (&source).read_to_string(&mut kept).unwrap();
        assert_eq!(kept, "kept", "nothing was taken from the file, {kind:?}");
    }
}
