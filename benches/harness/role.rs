//! The hidden roles: what this program does when a benchmark or an example
//! started it as one end of a link.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::fd::{AsFd, BorrowedFd};

use memmap2::MmapMut;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::stat::{SFlag, fstat};
use shmpipe::upgrade::{CopyError, Input, Output};

use super::barrier::Barrier;
use super::content::{Checker, Maker, made_and_taken};
use super::worker::{self, Side, right_or_err};
use crate::transport::descriptor::{CAT_BUFFER, read, write_all};
use crate::transport::stage::{ROLE_FLAG, take_passed};
use crate::transport::tally::Ledger;
use crate::transport::{End, Rival};

/// What is made in memory at a time.
pub const BLOCK: usize = 64 << 10;

/// Plays the role this process was started for and exits; returns if there is none.
pub fn run_if_asked() {
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let Some((ROLE_FLAG, role)) = arguments.get(1).map(|flag| (flag.as_str(), &arguments[2..]))
    else {
        return;
    };
    let program = arguments[0].rsplit('/').next().unwrap_or_default();
    // Started through /proc/self/exe, it would be called `exe` in lists of processes.
    let _ = std::fs::write("/proc/self/comm", program);
    if let Err(error) = play(role) {
        // Who has nobody to write to any more is not the cause, and leaves the
        // explanation to the other.
        if error.kind() != io::ErrorKind::BrokenPipe {
            let who = role.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(", ");
            eprintln!("{program} ({who}): {error}");
        }
        std::process::exit(1);
    }
    std::process::exit(0);
}

fn play(role: &[String]) -> io::Result<()> {
    let role: Vec<&str> = role.iter().map(String::as_str).collect();
    let (stdin, stdout) = (io::stdin(), io::stdout());
    match role[..] {
        ["send", spec, end, ledger] => {
            send(spec, end, stdin.as_fd())?;
            write_down(ledger)
        }
        ["receive", spec, end, ledger] => {
            receive(spec, end, stdout.as_fd())?;
            write_down(ledger)
        }
        ["make", spec, end, ledger, len] => {
            make(spec, end, length(len)?)?;
            write_down(ledger)
        }
        ["use", spec, end, ledger, len] => {
            make_use_of(spec, end, length(len)?)?;
            write_down(ledger)
        }
        ["work-alone", len] => right_or_err(made_and_taken(length(len)?, BLOCK)),
        ["copy"] => copy(stdin.as_fd(), stdout.as_fd()),
        ["upgrade"] => upgrade(stdin, stdout),
        ["work-sending", spec, end, page] => {
            let sender = rival(spec)?.transport.sender(end_of(end)?)?;
            worker::serve(Side::Sender(sender), barrier(page)?)
        }
        ["work-receiving", spec, end, page] => {
            let receiver = rival(spec)?.transport.receiver(end_of(end)?)?;
            worker::serve(Side::Receiver(receiver), barrier(page)?)
        }
        _ => Err(io::Error::other("no such role")),
    }
}

fn send(spec: &str, end: &str, input: BorrowedFd<'_>) -> io::Result<()> {
    let mut sender = rival(spec)?.transport.sender(end_of(end)?)?;
    read_ahead(input);
    while sender.send_file(input, usize::MAX)? > 0 {}
    sender.finish()
}

fn receive(spec: &str, end: &str, output: BorrowedFd<'_>) -> io::Result<()> {
    let mut receiver = rival(spec)?.transport.receiver(end_of(end)?)?;
    while receiver.receive_file(output, usize::MAX)? > 0 {}
    Ok(())
}

/// Sends so many bytes that it makes, block by block.
fn make(spec: &str, end: &str, len: u64) -> io::Result<()> {
    let mut sender = rival(spec)?.transport.sender(end_of(end)?)?;
    let mut maker = Maker::default();
    for block in blocks(len) {
        sender.send_block(block, &mut |piece| maker.fill(piece))?;
    }
    sender.finish()
}

/// Receives and checks them.
fn make_use_of(spec: &str, end: &str, len: u64) -> io::Result<()> {
    let mut receiver = rival(spec)?.transport.receiver(end_of(end)?)?;
    let mut checker = Checker::default();
    while receiver.receive_block(BLOCK, &mut |piece| checker.take(piece))? > 0 {}
    right_or_err(checker.is_right(len))
}

/// The lengths of the blocks that make up `len` bytes.
fn blocks(len: u64) -> impl Iterator<Item = usize> {
    (0..len).step_by(BLOCK).map(move |start| (len - start).min(BLOCK as u64) as usize)
}

fn length(len: &str) -> io::Result<u64> {
    len.parse().map_err(io::Error::other)
}

/// Tells the ledger what this process has counted.
fn write_down(ledger: &str) -> io::Result<()> {
    if let Some(page) = take_passed(ledger) {
        Ledger::on(&page)?.add();
    }
    Ok(())
}

fn copy(input: BorrowedFd<'_>, output: BorrowedFd<'_>) -> io::Result<()> {
    let mut buffer = MmapMut::map_anon(CAT_BUFFER)?;
    read_ahead(input);
    loop {
        match read(input, &mut buffer)? {
            0 => return Ok(()),
            got => write_all(output, &buffer[..got])?,
        }
    }
}

/// As `copy`, over pipes that upgrade themselves: what shmcat does between its standard streams.
fn upgrade(input: io::Stdin, output: io::Stdout) -> io::Result<()> {
    const BLOCK: usize = 256 << 10;
    let cause = |(CopyError::Source(error) | CopyError::Output(error))| error;
    let mut output = Output::new(output);
    if SFlag::from_bits_truncate(fstat(&input)?.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG {
        read_ahead(input.as_fd());
        while output.read_from(&input, BLOCK).map_err(cause)? > 0 {}
    } else {
        let mut input = Input::new(input);
        loop {
            let bytes = input.fill_buf()?;
            let got = bytes.len();
            if got == 0 {
                break;
            }
            output.write_all(bytes)?;
            input.consume(got);
        }
    }
    output.finish().map(drop)
}

/// As `cat` does; where it is refused, reading is slower at worst.
fn read_ahead(input: BorrowedFd<'_>) {
    let _ = posix_fadvise(input, 0, 0, PosixFadviseAdvice::POSIX_FADV_SEQUENTIAL);
}

fn rival(spec: &str) -> io::Result<Rival> {
    Rival::parse(spec).map_err(io::Error::other)
}

fn end_of(argument: &str) -> io::Result<End> {
    End::from_argument(argument)
        .ok_or_else(|| io::Error::other("the end of the link was not handed over"))
}

fn barrier(page: &str) -> io::Result<Barrier> {
    let page = take_passed(page)
        .ok_or_else(|| io::Error::other("the page of the barrier was not handed over"))?;
    Barrier::on(&File::from(page).into())
}
