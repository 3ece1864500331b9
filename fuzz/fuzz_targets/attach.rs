//! Any bytes as a segment give an error or a sound ring: never a crash, a hang or an access out of
//! bounds, whether they are there when an end attaches or are written while it works.
//!
//! ```text
//! cargo fuzz run attach --sanitizer none -- -max_total_time=60
//! ```

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use nix::sys::uio::pwrite;
use shmpipe::{
    Options, Unclaimed,
    stream::{Reader, Writer},
};
use std::os::fd::{AsFd, OwnedFd};

/// Bytes written somewhere into the segment's first page.
#[derive(Arbitrary, Debug)]
struct Scribble {
    at: u16,
    value: Value,
}

/// Numbers near where something could go wrong are worth more than any number.
#[derive(Arbitrary, Debug)]
enum Value {
    Bytes(Vec<u8>),
    Word(u64),
    /// A power of two and a little more or less.
    Near(u8, i8),
}

impl Scribble {
    fn write(&self, fd: impl AsFd) {
        // Half of the places are at the groups of words that steer the ring.
        let at = match self.at {
            at if at % 2 == 0 => u64::from(at / 2 % 144) * 8,
            at => u64::from(at % 4096),
        };
        let bytes = match &self.value {
            Value::Bytes(bytes) => bytes.clone(),
            Value::Word(word) => word.to_ne_bytes().to_vec(),
            Value::Near(power, off) => {
                let power = 1u64.checked_shl(u32::from(*power % 65)).unwrap_or(0);
                power.wrapping_add_signed(i64::from(*off)).to_ne_bytes().to_vec()
            }
        };
        let room = usize::try_from(4096 - at).unwrap();
        let _ = pwrite(fd, &bytes[..bytes.len().min(room)], i64::try_from(at).unwrap());
    }
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Scribble(Scribble),
    Write(u16),
    Reserve(u16, u16),
    ReserveUpTo(u16),
    Read(u16),
    FillAndConsume(u16),
    Look,
}

#[derive(Arbitrary, Debug)]
struct Input {
    before: Vec<Scribble>,
    discard: bool,
    operations: Vec<Operation>,
    finish: bool,
}

fuzz_target!(|input: Input| {
    let options = Options::new().capacity(4096);
    let options = if input.discard { options.discard() } else { options.resume() };
    let (writer, reader) = options.anonymous::<Writer>().expect("a small ring can be made");
    let fd: OwnedFd = writer.into();
    for scribble in &input.before {
        scribble.write(&fd);
    }
    let writer = Unclaimed::<Writer>::from(fd.try_clone().expect("a descriptor can be copied"));
    let mut writer = writer.claim_with(&options).ok();
    let mut reader = reader.claim_with(&options).ok();

    for operation in input.operations.iter().take(64) {
        run(operation, &fd, writer.as_mut(), reader.as_mut());
    }
    if input.finish
        && let Some(writer) = writer
    {
        let _ = writer.finish();
    }
    if let Some(reader) = &mut reader {
        let _ = reader.try_fill_buf().map(<[u8]>::len);
    }
});

fn run(
    operation: &Operation,
    fd: &OwnedFd,
    writer: Option<&mut Writer>,
    reader: Option<&mut Reader>,
) {
    match (operation, writer, reader) {
        (Operation::Scribble(scribble), ..) => scribble.write(fd),
        (Operation::Write(n), Some(writer), _) => {
            let _ = writer.try_write(&vec![7; usize::from(*n)]);
        }
        (Operation::Reserve(n, commit), Some(writer), _) => {
            if let Ok(mut bytes) = writer.try_reserve(usize::from(*n)) {
                bytes.fill(1);
                let _ = bytes.commit(usize::from(*commit));
            }
        }
        (Operation::ReserveUpTo(n), Some(writer), _) => {
            if let Ok(mut bytes) = writer.try_reserve_up_to(usize::from(*n)) {
                bytes.fill(2);
                let n = bytes.len();
                let _ = bytes.commit(n);
            }
        }
        (Operation::Read(n), _, Some(reader)) => {
            let _ = reader.try_read(&mut vec![0; usize::from(*n)]);
        }
        (Operation::FillAndConsume(n), _, Some(reader)) => {
            if let Ok(bytes) = reader.try_fill_buf() {
                let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
                std::hint::black_box(sum);
                reader.consume(usize::from(*n));
            }
        }
        (Operation::Look, writer, reader) => {
            if let Some(writer) = writer {
                std::hint::black_box((writer.len(), writer.free(), writer.peer().ok()));
            }
            if let Some(reader) = reader {
                std::hint::black_box((reader.len(), reader.free(), reader.peer().ok()));
            }
        }
        _ => {}
    }
}
