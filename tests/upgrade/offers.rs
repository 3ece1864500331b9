//! Offers that are not to be taken: whatever else the lock on the pipe may lead to, the reader
//! stays with the pipe, says nothing, and does no harm to what it found there.

use super::*;
use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};
use shmpipe::{Options, Unclaimed, stream};
use std::{
    fs::File,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
};

/// Where in a pipe's range of bytes an offer lies, see `upgrade::offer`.
const MAGIC: libc::off_t = 0x5368_6d70;

/// Offers a descriptor over a pipe.
fn offer(pipe: impl AsFd, number: libc::off_t) {
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: (MAGIC << 32) + number,
        l_len: (1 << 32) - number,
        l_pid: 0,
    };
    fcntl(pipe, FcntlArg::F_SETLK(&lock)).unwrap();
}

/// A process that offers what `make` made, and writes to the pipe; and this one, which must not
/// take it. `look` is the other process's look at it when all is read.
fn refused<T>(make: impl Fn() -> (T, libc::off_t), look: impl Fn(&T)) {
    let (read_end, write_end) = pipe();
    let mut plain = write_end.try_clone().unwrap();
    let mut child = Child::fork(|line| {
        let (object, number) = make();
        offer(&plain, number);
        Words::of(0).write(&mut plain, ENOUGH, 65536);
        line.say("written");
        line.expect("read");
        look(&object);
    });
    drop((plain, write_end));
    let mut input = Input::new(read_end);
    let mut arrived = Arrived::default();
    read(&mut input, &mut arrived, Some(ENOUGH));
    assert_eq!(input.traffic().shm, 0);
    child.expect("written");
    child.say("read");
    child.join();
    read(&mut input, &mut arrived, None);
    arrived.assert_bytes(&[ENOUGH]);
}

fn number(fd: &impl AsRawFd) -> libc::off_t {
    fd.as_raw_fd().into()
}

fn memory(flags: MFdFlags) -> File {
    File::from(memfd_create(c"shmpipe", flags).unwrap())
}

#[test]
fn a_descriptor_that_is_not_open() {
    alone(|| refused(|| ((), 999), |()| ()));
}

/// To open a device may be a command to it, as for a tape or a watchdog; a FIFO tells here.
#[test]
fn what_is_no_file_is_not_even_opened() {
    alone(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        refused(
            || {
                // Reading and writing, so that opening it does not wait.
                let fifo = File::options().read(true).write(true).open(&path).unwrap();
                let number = number(&fifo);
                (fifo, number)
            },
            |_| (),
        );
    });
}

#[test]
fn a_file_of_another_name() {
    alone(|| {
        refused(
            || {
                let file = tempfile::tempfile().unwrap();
                file.set_permissions(PermissionsExt::from_mode(0o600)).unwrap();
                file.set_len(2 << 20).unwrap();
                let number = number(&file);
                (file, number)
            },
            |_| (),
        );
    });
}

#[test]
fn memory_that_is_no_ring_or_can_be_cut_short() {
    alone(|| {
        for (size, sealed) in [(0, true), (4096, true), (2 << 20, true), (2 << 20, false)] {
            refused(
                || {
                    let file = memory(MFdFlags::MFD_ALLOW_SEALING);
                    file.set_permissions(PermissionsExt::from_mode(0o600)).unwrap();
                    file.set_len(size).unwrap();
                    if sealed {
                        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
                        fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).unwrap();
                    }
                    let number = number(&file);
                    (file, number)
                },
                |_| (),
            );
        }
    });
}

/// It must not so much as take the reader's place there.
#[test]
fn a_ring_that_was_made_for_something_else() {
    alone(|| {
        refused(
            || {
                let (writer, reader) = Options::new().anonymous::<stream::Writer>().unwrap();
                let mut writer = writer.claim().unwrap();
                writer.write_all(b"for somebody else").unwrap();
                let number = number(&reader.as_fd());
                ((writer, reader), number)
            },
            |(_, reader): &(stream::Writer, Unclaimed<stream::Reader>)| {
                let copy = reader.as_fd().try_clone_to_owned().unwrap();
                let mut reader = Unclaimed::<stream::Reader>::from(copy).claim().unwrap();
                assert_eq!(reader.fill_buf().unwrap(), b"for somebody else");
            },
        );
    });
}

/// An offer for one pipe, made over another: by a process that writes to both, say.
#[test]
fn a_ring_that_was_made_for_another_pipe() {
    alone(|| {
        let (other_read, other_write) = pipe();
        refused(
            || {
                let mut output = Output::new(other_write.try_clone().unwrap());
                let mut words = Words::of(1);
                // In small pieces, read by ourselves.
                let mut buffer = vec![0; 65536];
                for _ in 0..17 {
                    output.write_all(&words.take(65536)).unwrap();
                    (&other_read).read_exact(&mut buffer).unwrap();
                }
                let ring = std::fs::read_dir("/proc/self/fd")
                    .unwrap()
                    .filter_map(|entry| Some(entry.ok()?.path()))
                    .find(|path| {
                        let link = std::fs::read_link(path);
                        link.is_ok_and(|link| link.to_string_lossy().starts_with("/memfd:shmpipe"))
                    })
                    .expect("it has made a ring");
                let number = ring.file_name().unwrap().to_str().unwrap().parse().unwrap();
                (output, number)
            },
            |output| assert_eq!(output.traffic().shm, 0),
        );
    });
}

#[test]
fn a_pipe_in_packet_mode_stays_one() {
    use nix::fcntl::OFlag;
    alone(|| {
        let (read_end, write_end) = pipe();
        fcntl(&write_end, FcntlArg::F_SETFL(OFlag::O_DIRECT)).unwrap();
        let child = writer((&read_end, &write_end), |output| {
            Words::of(0).write(output, ENOUGH, 4096);
            assert_eq!(output.traffic().shm, 0);
        });
        drop(write_end);
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[ENOUGH]);
        assert_eq!(input.traffic().shm, 0);
        child.join();
    });
}

/// The kernel drops an offer when the process closes any descriptor of the pipe: it comes back.
#[test]
fn an_offer_that_is_lost_is_made_again() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let mut child = {
            let write = write_end.try_clone().unwrap();
            Child::fork(|line| {
                let copy = write.try_clone().unwrap();
                let mut output = Output::new(write);
                let mut words = Words::of(0);
                words.write(&mut output, ENOUGH / 2, 65536);
                drop(copy);
                line.say("lost");
                words.write(&mut output, 2 * ENOUGH, 65536);
            })
        };
        drop(write_end);
        let mut arrived = Arrived::default();
        let mut plain = read_end.try_clone().unwrap();
        read(&mut plain, &mut arrived, Some(ENOUGH / 2));
        child.expect("lost");
        let mut input = Input::new(read_end);
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[2 * ENOUGH + ENOUGH / 2]);
        assert!(input.traffic().shm > 0, "{:?}", input.traffic());
        child.join();
    });
}
