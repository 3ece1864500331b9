//! A message in a bare cache line, one line for each way: what a round trip
//! takes by the processors alone.
//!
//! A link has one line, so that a request goes by one and its reply by another, as they do by any
//! two rings. (That takes longer than one line that goes to and fro, see
//! `harness::cpu::round_trip`: who waits holds a copy of the line, which must be taken away before
//! it can be written.) There is no room for a second message and nobody asks for any: it is for
//! round trips only, where the reply says that the line may be written again.
//!
//! Polled without a pause; or unhurried, as `shmpipe::wait::reply` has it: some pauses
//! before the first look, and a few before each further one, at which the line of the
//! own next message is fetched back.

use std::cell::Cell;
use std::hint::spin_loop;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

use super::content::message;
use super::{AnyTransport, End, Link, Receiver, Sender, Transport};
use crate::transport::{self, Unavailable};

struct Lines {
    unhurried: bool,
}

/// `lines`, `lines:unhurried`.
pub fn make(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    let unhurried = match options {
        "" => false,
        "unhurried" => true,
        other => return Err(Unavailable::because(format!("lines have no option {other}"))),
    };
    Ok(Box::new(Lines { unhurried }))
}

impl Transport for Lines {
    type Sender<const N: usize> = Line<N>;
    type Receiver<const N: usize> = Line<N>;

    fn title(&self) -> String {
        if self.unhurried { "bare cache lines, unhurried" } else { "bare cache lines" }.into()
    }

    fn has_batches(&self) -> bool {
        false
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        connect().map_err(|e| Unavailable::because(format!("lines: {e}")))
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<Line<N>> {
        Line::take(end, self.unhurried)
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<Line<N>> {
        Line::take(end, self.unhurried)
    }
}

fn connect() -> io::Result<Link> {
    let page = memfd_create(c"lines", MFdFlags::MFD_CLOEXEC)?;
    ftruncate(&page, 4096)?;
    Ok(transport::Link::of_descriptors(page.try_clone()?, page).into())
}

/// Numbers of a line beside the one that says which message it is.
const WORDS: usize = 7;

/// One end.
pub struct Line<const N: usize> {
    page: MmapRaw,
    /// How many messages there have been.
    count: u64,
    unhurried: bool,
}

/// Pauses before an unhurried end looks for the first time, and before each further
/// look: `FIRST` and `NEXT` there.
const PAUSES: [u32; 2] = [7, 3];

thread_local! {
    /// The line that this thread last sent a message in.
    static OWN: Cell<*const u8> = const { Cell::new(ptr::null()) };
}

impl<const N: usize> Line<N> {
    fn take(end: End, unhurried: bool) -> io::Result<Self> {
        if N > WORDS {
            return Err(io::Error::other("a message that does not fit a cache line"));
        }
        let page = MmapOptions::new().len(4096).map_raw(&end.descriptor()?)?;
        Ok(Self { page, count: 0, unhurried })
    }

    /// How many messages there have been, and the last.
    fn words(&self) -> (&AtomicU64, &[AtomicU64; WORDS]) {
        let first = self.page.as_mut_ptr().cast::<AtomicU64>();
        // SAFETY: at the start of a mapped page, so aligned and long enough;
        // only these atomics are used there.
        unsafe { (&*first, &*first.add(1).cast()) }
    }
}

impl<const N: usize> Sender<N> for Line<N> {
    #[inline]
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        self.count += 1;
        let (count, words) = self.words();
        for (to, word) in words.iter().zip(message::<N>(stamp)) {
            to.store(word, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire in `receive`.
        count.store(self.count, Ordering::Release);
        OWN.set(self.page.as_ptr());
        Ok(())
    }
}

impl<const N: usize> Receiver<N> for Line<N> {
    #[inline]
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        self.count += 1;
        let (count, words) = self.words();
        // Acquire, in both: pairs with the Release in `send`.
        if self.unhurried {
            let [mut pauses, next] = PAUSES;
            loop {
                (0..pauses).for_each(|_| spin_loop());
                fetch_back(OWN.get());
                if count.load(Ordering::Acquire) == self.count {
                    break;
                }
                pauses = next;
            }
        } else {
            while count.load(Ordering::Acquire) != self.count {}
        }
        take(&std::array::from_fn(|i| words[i].load(Ordering::Relaxed)));
        Ok(1)
    }
}

/// Asks for a line in order to write to it, without waiting.
fn fetch_back(line: *const u8) {
    // SAFETY: a prefetch reads and writes nothing that a program could see and never faults.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
