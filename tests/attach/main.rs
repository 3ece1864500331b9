//! Ends come and go: who is let in, who takes the name away, what becomes of a stream whose ends
//! come and go in every order.

mod building;
mod generations;
mod killed;
mod last_out;
mod meeting;
mod removed;
mod roles;
#[path = "../support/mod.rs"]
mod support;
mod takeover;

use shmpipe::{
    EndReason, OpenError, OpenErrorKind, Options,
    stream::{ReadError, Reader, Writer},
};
use std::{io::Write, time::Duration};
use support::{Child, DEADLINE, RingName, page_size, wait_to_be_killed};

/// Small rings, and deaths that are noticed soon.
fn options() -> Options {
    Options::new().capacity(page_size()).liveness_interval(Duration::from_millis(5))
}

fn writer(name: &RingName) -> Writer {
    options().open_or_create(name).unwrap()
}

fn reader(name: &RingName) -> Reader {
    options().open_or_create(name).unwrap()
}

/// All bytes up to the end of the stream, and how it ended.
#[track_caller]
fn read_stream(reader: &mut Reader) -> (Vec<u8>, EndReason) {
    let mut bytes = Vec::new();
    loop {
        match reader.fill_buf_timeout(DEADLINE) {
            Ok([]) => return (bytes, EndReason::Finished),
            Ok(shown) => {
                bytes.extend_from_slice(shown);
                let n = shown.len();
                reader.consume(n);
            }
            Err(ReadError::Failed(code)) => return (bytes, EndReason::Failed(code)),
            Err(ReadError::Dropped) => return (bytes, EndReason::Dropped),
            Err(ReadError::Died) => return (bytes, EndReason::Died),
            Err(error) => panic!("after {} bytes: {error:?}", bytes.len()),
        }
    }
}

#[track_caller]
fn assert_stream(reader: &mut Reader, bytes: &[u8], reason: EndReason) {
    let (read, ended) = read_stream(reader);
    assert_eq!((String::from_utf8_lossy(&read), ended), (String::from_utf8_lossy(bytes), reason));
}

/// Opens a writer, writes, and ends in the given way.
#[track_caller]
fn write_stream(
    options: &Options,
    name: &RingName,
    bytes: &[u8],
    reason: EndReason,
) -> Result<(), OpenError> {
    if reason == EndReason::Died {
        // Found out here, where the error is wanted.
        return kill_writer(options, name, bytes);
    }
    let mut writer: Writer = options.open_or_create(name)?;
    writer.write_all(bytes).unwrap();
    match reason {
        EndReason::Finished => writer.finish().unwrap(),
        EndReason::Failed(code) => writer.fail(code),
        EndReason::Dropped | EndReason::Died => drop(writer),
        EndReason::Replaced => unreachable!("no writer says that"),
    }
    Ok(())
}

/// A process opens a writer, writes and is killed; or is refused, and then this one is as well.
fn kill_writer(options: &Options, name: &RingName, bytes: &[u8]) -> Result<(), OpenError> {
    let mut child = Child::fork(|line| match options.open_or_create::<Writer>(name) {
        Ok(mut writer) => {
            writer.write_all(bytes).unwrap();
            line.say("written");
            wait_to_be_killed();
        }
        Err(_) => line.say("refused"),
    });
    if child.hear() == "refused" {
        child.join();
        return Err(options.open_or_create::<Writer>(name).expect_err("refused like the child"));
    }
    child.kill();
    Ok(())
}

#[track_caller]
fn assert_taken<E>(opened: Result<E, OpenError>, name: &RingName, asked: &str, holder: u32) {
    let Err(error) = opened else { panic!("a second {asked} was let in") };
    let OpenErrorKind::RoleTaken { role, pid, .. } = *error.kind() else { panic!("{error:?}") };
    assert_eq!((role, pid), (asked, holder));
    let message = error.to_string();
    for part in [name.as_str(), asked, &holder.to_string()] {
        assert!(message.contains(part), "{message}");
    }
}

#[track_caller]
fn assert_unfinished<E>(
    opened: Result<E, OpenError>,
    name: &RingName,
    expected: (EndReason, u64, u64, bool),
) {
    let Err(error) = opened else { panic!("an unfinished stream was taken over unasked") };
    let OpenErrorKind::Unfinished { reason, at, unread, reader_attached, .. } = *error.kind()
    else {
        panic!("{error:?}")
    };
    assert_eq!((reason, at, unread, reader_attached), expected);
    let message = error.to_string();
    assert!(message.contains(name.as_str()) && message.contains("resume"), "{message}");
    assert!(unread == 0 || message.contains(&format!("{unread} ")), "{message}");
}
