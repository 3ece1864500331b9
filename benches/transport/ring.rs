//! The ring of this library. Without a name, its ends are handed over as descriptors; `ring:posix`
//! and `ring:sysv` have one, as rings between unrelated processes do.
//!
//! Files go straight between the ring and read(2) or write(2), and blocks are
//! made and used in the ring itself.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, Ordering};

use shmpipe::stream::{Reader, TransferError, Writer};
use shmpipe::{Key, Options, Unclaimed, Wait};

use super::doomed::Doomed;
use super::{End, Link, Receiver, Sender, Transport, Unavailable, size, tally};

/// At most this much is handed over at a time: enough that calls do not count, and little enough
/// that both sides work on the ring at once, on parts of it that are still in a cache.
const PIECE: usize = 256 << 10;

struct Ring {
    capacity: usize,
    wait: Wait,
    place: Place,
}

/// Where its memory comes from. **To add a backend**: a variant here, a word for it in [`make`],
/// and what it is called and named in [`Place::title`] and [`Place::name`].
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// A memfd, without a name.
    Anonymous,
    /// Shared memory of POSIX.
    Posix,
    /// A segment of System V.
    SystemV,
}

impl Place {
    /// What a table adds.
    fn title(self) -> &'static str {
        match self {
            Place::Anonymous => "",
            Place::Posix => ", POSIX",
            Place::SystemV => ", System V",
        }
    }

    /// A name that no ring has, as the library wants it; `None` if it has none.
    fn name(self) -> Option<String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let token = format!("dataflow-{}-ring-{number}", std::process::id());
        match self {
            Place::Anonymous => None,
            Place::Posix => Some(format!("/{token}")),
            Place::SystemV => {
                let key = Key::raw((std::process::id() << 8 | number & 0xff).cast_signed());
                Some(AsRef::<OsStr>::as_ref(&key).to_string_lossy().into_owned())
            }
        }
    }
}

/// `ring` with any of these behind it, each after a colon: a size, a way to
/// wait, `posix` or `sysv`.
pub fn make(options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    let (capacity, wait) = (Options::DEFAULT_CAPACITY, Wait::Adaptive);
    let mut ring = Ring { capacity, wait, place: Place::Anonymous };
    for option in options.split(':').filter(|option| !option.is_empty()) {
        match option {
            "adaptive" => ring.wait = Wait::Adaptive,
            "spin" => ring.wait = Wait::Spin,
            "sleep" => ring.wait = Wait::Sleep,
            "posix" => ring.place = Place::Posix,
            "sysv" => ring.place = Place::SystemV,
            capacity => {
                let capacity = size::parse(capacity).map_err(Unavailable::because)?;
                ring.capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
            }
        }
    }
    Ok(Box::new(ring))
}

impl Ring {
    fn options(&self) -> Options {
        Options::new().capacity(self.capacity).wait(self.wait)
    }

    /// A quarter, so that in a small ring the other side has something to do too.
    fn piece(&self) -> usize {
        PIECE.min(self.capacity / 4).max(1)
    }
}

impl Transport for Ring {
    fn title(&self) -> String {
        let wait = match self.wait {
            Wait::Spin => ", spinning",
            Wait::Sleep => ", sleeping",
            _ => "",
        };
        format!("ring of {}{}{wait}", size::show(self.capacity as u64), self.place.title())
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        if let Some(name) = self.place.name() {
            // Each end makes it or opens it, whoever is first; the last one
            // removes it, unless it is killed.
            let end = || End::Name(name.clone());
            let (sender, receiver) = (end(), end());
            return Ok(Link { sender, receiver, guard: Some(Box::new(Doomed::ring(name))) });
        }
        let (writer, reader) = self
            .options()
            .anonymous::<Writer>()
            .map_err(|e| Unavailable::because(e.to_string()))?;
        Ok(Link::of_descriptors(writer, reader))
    }

    fn sender(&self, end: End) -> io::Result<Box<dyn Sender>> {
        let writer = match end {
            End::Name(name) => self.options().open_or_create(&name),
            end => Unclaimed::<Writer>::from(end.descriptor()?).claim_with(&self.options()),
        };
        let writer = writer.map_err(io::Error::other)?;
        Ok(Box::new(RingSender { writer, piece: self.piece() }))
    }

    fn receiver(&self, end: End) -> io::Result<Box<dyn Receiver>> {
        let reader = match end {
            End::Name(name) => self.options().open_or_create(&name),
            end => Unclaimed::<Reader>::from(end.descriptor()?).claim_with(&self.options()),
        };
        let reader = reader.map_err(io::Error::other)?;
        Ok(Box::new(RingReceiver { reader, piece: self.piece() }))
    }
}

struct RingSender {
    writer: Writer,
    piece: usize,
}

impl Sender for RingSender {
    fn send_file(&mut self, file: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
        self.writer.read_from(file, max.min(self.piece)).map_err(flatten)
    }

    fn send_block(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> io::Result<()> {
        let mut left = len;
        while left > 0 {
            let mut span = self.writer.reserve(left.min(self.piece))?;
            let len = span.len();
            fill(&mut span);
            span.commit(len)?;
            left -= len;
        }
        Ok(())
    }

    fn send_words(&mut self, count: u64) -> io::Result<()> {
        (0..count).try_for_each(|word| self.writer.write_all(&word.to_le_bytes()))
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        tally::count(tally::CALLS_OF_A_RING_S_SLEEP * self.writer.stats().sleeps, 0);
        Ok(self.writer.finish()?)
    }
}

struct RingReceiver {
    reader: Reader,
    piece: usize,
}

impl Receiver for RingReceiver {
    fn receive_file(&mut self, file: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
        self.reader.write_to(file, max.min(self.piece)).map_err(flatten)
    }

    fn receive_block(&mut self, max: usize, take: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        let there = self.reader.fill_buf()?;
        let span = &there[..there.len().min(max).min(self.piece)];
        take(span);
        let len = span.len();
        self.reader.consume(len);
        Ok(len)
    }

    fn receive_words(&mut self, count: u64) -> io::Result<u64> {
        let (mut sum, mut word) = (0u64, [0; 8]);
        for _ in 0..count {
            self.reader.read_exact(&mut word)?;
            sum = sum.wrapping_add(u64::from_le_bytes(word));
        }
        Ok(sum)
    }
}

impl Drop for RingReceiver {
    fn drop(&mut self) {
        tally::count(tally::CALLS_OF_A_RING_S_SLEEP * self.reader.stats().sleeps, 0);
    }
}

/// The ring's error or the file's, as what it is to the caller: the reason why no more goes across.
fn flatten<E: Into<io::Error>>(error: TransferError<E>) -> io::Error {
    match error {
        TransferError::Ring(error) => error.into(),
        TransferError::Descriptor(error) => error,
    }
}
