//! What becomes of locks that belong to processes when those execute other programs.

use crate::{
    Place, options, raw,
    support::{Child, DEADLINE, alone, eventually, wait_to_be_killed},
};
use shmpipe::{
    OpenErrorKind, Peer,
    inspect::{self, Condition, Force},
    mpsc,
    stream::{ReadError, Reader, WriteError, Writer},
};
use std::{
    fs,
    io::{Read, Write},
    os::unix::process::CommandExt,
    process::Command,
};

/// Becomes another program, which lives until it is killed.
pub fn become_another() -> ! {
    panic!("{}", Command::new("sleep").arg("1000").exec());
}

pub fn await_program(child: &Child) {
    eventually("the other program", || {
        let comm = fs::read_to_string(format!("/proc/{}/comm", child.pid())).unwrap();
        (comm.trim() == "sleep").then_some(())
    });
}

#[test]
fn who_executes_another_program_has_left_its_end() {
    alone(|| {
        let place = Place::new();
        let (_, name) = place.key();
        let mut reader: Reader = options().create_new(&name).unwrap();
        let child = Child::fork(|_| {
            let mut writer: Writer = options().open(&name).unwrap();
            writer.write_all(b"last words").unwrap();
            become_another();
        });
        let mut text = Vec::new();
        let error = reader.read_to_end(&mut text).unwrap_err();
        assert_eq!(text, b"last words");
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        assert!(matches!(cause, Some(ReadError::Died)), "{error:?}");
        await_program(&child);
        assert_eq!(reader.peer().unwrap(), Peer::Died);
        // The next in its role gets it, and then it is his.
        let mut writer: Writer = options().open(&name).unwrap();
        let taken = options().open::<Writer>(&name).unwrap_err();
        assert!(matches!(taken.kind(), OpenErrorKind::RoleTaken { .. }), "{taken:?}");
        writer.write_all(b"next").unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"next");
        reader.consume(4);
        // The program's end gives back nothing of his.
        child.kill();
        assert_eq!(reader.peer().unwrap(), Peer::Alive);
        let taken = options().open::<Writer>(&name).unwrap_err();
        assert!(matches!(taken.kind(), OpenErrorKind::RoleTaken { .. }), "{taken:?}");
        writer.finish().unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"");
        drop(reader);
        place.assert_empty();
    });
}

#[test]
fn a_reader_that_executes_another_program_has_left() {
    alone(|| {
        let place = Place::new();
        let (_, name) = place.key();
        let mut writer: Writer = options().create_new(&name).unwrap();
        let child = Child::fork(|_| {
            std::mem::forget(options().open::<Reader>(&name).unwrap());
            become_another();
        });
        await_program(&child);
        let told = loop {
            if let Err(told) = writer.write_timeout(&[0; 1000], DEADLINE) {
                break told;
            }
        };
        assert!(matches!(told, WriteError::ReaderDied), "{told:?}");
        let mut reader: Reader = options().open(&name).unwrap();
        assert_eq!(
            reader.fill_buf().unwrap().len(),
            writer.capacity() / 1000 * 1000 + writer.capacity() % 1000
        );
        // The last one out removes it, whatever the program is doing.
        drop(writer);
        drop(reader);
        place.assert_empty();
        child.kill();
    });
}

#[test]
fn both_ends_of_who_executes_another_program_are_free() {
    alone(|| {
        let place = Place::new();
        let (key, name) = place.key();
        let child = Child::fork(|_| {
            let _ends: (Writer, Reader) =
                (options().create_new(&name).unwrap(), options().open(&name).unwrap());
            become_another();
        });
        await_program(&child);
        assert_eq!(inspect::status(&name).unwrap().condition, Condition::Orphaned);
        let reader: Reader = options().open(&name).unwrap();
        let writer: Writer = options().resume().open(&name).unwrap();
        assert_eq!((reader.peer().unwrap(), writer.peer().unwrap()), (Peer::Alive, Peer::Alive));
        drop((writer, reader));
        if raw::segment(key).is_some() {
            inspect::remove(&name, Force::No).unwrap();
        }
        place.assert_empty();
        child.kill();
    });
}

#[test]
fn the_seat_of_a_sender_that_executes_another_program_is_free() {
    alone(|| {
        let place = Place::new();
        let (_, name) = place.key();
        let many = || options().producers(2);
        let mut receiver: mpsc::Receiver = many().create_new(&name).unwrap();
        let mut sender: mpsc::Sender = many().open(&name).unwrap();
        let child = Child::fork(|_| {
            let mut sender: mpsc::Sender = many().open(&name).unwrap();
            sender.send(b"sent").unwrap();
            std::mem::forget(sender.reserve(30).unwrap());
            become_another();
        });
        await_program(&child);
        sender.send(b"behind the claim").unwrap();
        assert_eq!(&*receiver.recv_timeout(DEADLINE).unwrap().unwrap(), b"sent");
        assert_eq!(&*receiver.recv_timeout(DEADLINE).unwrap().unwrap(), b"behind the claim");
        let next: mpsc::Sender = many().open(&name).unwrap();
        let full = many().open::<mpsc::Sender>(&name).unwrap_err();
        assert!(matches!(full.kind(), OpenErrorKind::TableFull { limit: 2, .. }), "{full:?}");
        drop((next, sender, receiver));
        child.kill();
        if inspect::status(&name).is_ok() {
            inspect::remove(&name, Force::No).unwrap();
        }
        place.assert_empty();
    });
}

/// Set for [`program`].
const PROGRAM: &str = "SHMPIPE_TEST_SYSV_RING";

/// As a server that starts itself anew: not a test, but what
/// [`a_program_that_executes_itself_takes_its_end_back`] executes.
#[test]
fn program() {
    let Ok(name) = std::env::var(PROGRAM) else { return };
    let mut writer: Writer = options().resume().open(&name).unwrap();
    writer.write_all(b"the next").unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_program_that_executes_itself_takes_its_end_back() {
    alone(|| {
        let place = Place::new();
        let (_, name) = place.key();
        let mut reader: Reader = options().create_new(&name).unwrap();
        let child = Child::fork(|_| {
            let mut writer: Writer = options().open(&name).unwrap();
            writer.write_all(b"the first").unwrap();
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "processes::program", "--nocapture"]).env(PROGRAM, &name);
            panic!("{}", command.stdout(std::process::Stdio::null()).exec());
        });
        let mut text = [0; 9];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"the first");
        let ended = reader.fill_buf_timeout(DEADLINE).map(<[u8]>::to_vec).unwrap_err();
        assert!(matches!(ended, ReadError::Died), "{ended:?}");
        // Until the next has come, that is what there is to say.
        let text = eventually("the next", || reader.fill_buf().map(<[u8]>::to_vec).ok());
        assert_eq!(text, b"the next");
        reader.consume(text.len());
        assert_eq!(reader.fill_buf().unwrap(), b"");
        child.join();
        drop(reader);
        place.assert_empty();
    });
}

#[test]
fn a_process_whose_first_thread_has_ended_is_alive() {
    alone(|| {
        let place = Place::new();
        let (_, name) = place.key();
        let reader: Reader = options().create_new(&name).unwrap();
        // Its first thread is a zombie from now on, whose memory /proc does not
        // show; another holds the end.
        let mut child = Child::fork(|line| {
            let writer: Writer = options().open(&name).unwrap();
            line.say("there");
            std::thread::spawn(move || {
                let _writer = writer;
                wait_to_be_killed();
            });
            // SAFETY: ends this thread alone; what it has stays.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        });
        child.expect("there");
        eventually("the first thread to end", || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.pid())).unwrap();
            stat.contains(") Z ").then_some(())
        });
        // Somebody who has no ring and keeps a lock makes everybody look twice.
        let other = Child::fork(|_| {
            drop(options().open::<Reader>(&name));
            become_another();
        });
        await_program(&other);
        assert_eq!(reader.peer().unwrap(), Peer::Alive);
        drop(reader);
        let exec = Child::fork(|_| {
            std::mem::forget(options().open::<Reader>(&name).unwrap());
            become_another();
        });
        await_program(&exec);
        let error = options().resume().open::<Writer>(&name).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::RoleTaken { .. }), "{error:?}");
        child.kill();
        drop(options().resume().open::<Writer>(&name).unwrap());
        exec.kill();
        other.kill();
        place.assert_empty();
    });
}
