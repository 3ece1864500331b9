//! Input cut at the ends of its lines.

use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::unistd::read;

/// The longest line that stays whole.
const LONGEST: usize = 64 << 10;

/// Bytes on their way into records, of which each has whole lines, as far as lines are no longer
/// than a record can be. A record may have several.
pub struct Lines {
    /// As long as the longest record.
    buffer: Box<[u8]>,
    filled: usize,
    /// So many bytes at its beginning are known to hold no end of a line.
    searched: usize,
    /// No record is longer than this if its lines are not.
    portion: usize,
}

impl Lines {
    /// For a ring whose records have at most so many bytes.
    pub fn new(max_len: usize) -> Self {
        let longest = LONGEST.min(max_len);
        // Several have room in the ring at once: its reader works on one while the next is written.
        let portion = longest.min(max_len / 8).max(1);
        Self { buffer: vec![0; longest].into(), filled: 0, searched: 0, portion }
    }

    /// Takes in what one read(2) gives; 0 at the end. To be called after
    /// [`send`](Self::send), which makes room.
    pub fn read_from(&mut self, input: BorrowedFd<'_>) -> io::Result<usize> {
        loop {
            match read(input, &mut self.buffer[self.filled..]) {
                Err(Errno::EINTR) => {}
                taken => {
                    let taken = taken?;
                    self.filled += taken;
                    return Ok(taken);
                }
            }
        }
    }

    /// Gives all lines to `send` that are there to their ends, and keeps what follows them.
    pub fn send<E>(&mut self, mut send: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let is_full = self.filled == self.buffer.len();
        if is_full || self.buffer[self.searched..self.filled].contains(&b'\n') {
            let mut rest = &self.buffer[..self.filled];
            while let Some(len) = self.first_record(rest) {
                send(&rest[..len])?;
                rest = &rest[len..];
            }
            let start = self.filled - rest.len();
            self.buffer.copy_within(start..self.filled, 0);
            self.filled -= start;
        }
        self.searched = self.filled;
        Ok(())
    }

    /// Gives the rest to `send`: nothing follows that could end its line.
    pub fn finish<E>(self, send: impl FnOnce(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.filled > 0 { send(&self.buffer[..self.filled]) } else { Ok(()) }
    }

    /// How many of these bytes are the next record, if they hold one.
    fn first_record(&self, bytes: &[u8]) -> Option<usize> {
        let is_end = |byte: &u8| *byte == b'\n';
        let (portion, beyond) = bytes.split_at(self.portion.min(bytes.len()));
        let last = portion.iter().rposition(is_end);
        let end = last.or_else(|| Some(portion.len() + beyond.iter().position(is_end)?));
        // A line that is longer than any record is sent in pieces.
        end.map(|end| end + 1).or((bytes.len() == self.buffer.len()).then_some(bytes.len()))
    }
}
