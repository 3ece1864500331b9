//! The two ends of every transport that moves pieces of a limited size and knows no end of the
//! stream: message queues, and memory or a file that one at a time may use. A stream goes in
//! pieces, and an empty one is its end.

use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;

use super::descriptor::{read, write_all};
use super::{Receiver, Sender};

/// What carries pieces.
pub trait Carrier {
    /// Where the next piece is made, or the last one that came lies; as long as a piece may be.
    fn room(&mut self) -> &mut [u8];

    /// Hands over the first `len` bytes of the room, and waits for its turn if need be.
    fn put(&mut self, len: usize) -> io::Result<()>;

    /// Waits for a piece; how long it is.
    fn take(&mut self) -> io::Result<usize>;
}

/// One end.
pub struct Pieces<C> {
    carrier: C,
    /// What of the last piece nobody has taken yet.
    rest: Range<usize>,
    ended: bool,
}

impl<C: Carrier> Pieces<C> {
    /// An end of what `carrier` moves.
    pub fn of(carrier: C) -> Self {
        Pieces { carrier, rest: 0..0, ended: false }
    }

    /// What there is, waiting for it if there is nothing; empty at the end.
    fn next(&mut self, max: usize) -> io::Result<&[u8]> {
        if self.rest.is_empty() && !self.ended {
            self.rest = 0..self.carrier.take()?;
            self.ended = self.rest.is_empty();
        }
        let len = self.rest.len().min(max);
        let start = self.rest.start;
        self.rest.start += len;
        Ok(&self.carrier.room()[start..start + len])
    }
}

impl<C: Carrier> Sender for Pieces<C> {
    fn send_file(&mut self, file: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
        let room = self.carrier.room();
        let max = max.min(room.len());
        match read(file, &mut room[..max])? {
            0 => Ok(0),
            got => self.carrier.put(got).map(|()| got),
        }
    }

    fn send_block(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> io::Result<()> {
        let mut left = len;
        while left > 0 {
            let room = self.carrier.room();
            let len = left.min(room.len());
            fill(&mut room[..len]);
            self.carrier.put(len)?;
            left -= len;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.carrier.put(0)
    }
}

impl<C: Carrier> Receiver for Pieces<C> {
    fn receive_file(&mut self, file: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
        let piece = self.next(max)?;
        write_all(file, piece)?;
        Ok(piece.len())
    }

    fn receive_block(&mut self, max: usize, take: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        let piece = self.next(max)?;
        take(piece);
        Ok(piece.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[derive(Default)]
    struct Heap {
        room: [u8; 4],
        pieces: VecDeque<Vec<u8>>,
    }

    impl Carrier for &mut Heap {
        fn room(&mut self) -> &mut [u8] {
            &mut self.room
        }

        fn put(&mut self, len: usize) -> io::Result<()> {
            let piece = self.room[..len].to_vec();
            self.pieces.push_back(piece);
            Ok(())
        }

        fn take(&mut self) -> io::Result<usize> {
            let piece = self.pieces.pop_front().expect("nobody takes behind the end");
            self.room[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn what_is_longer_than_a_piece_goes_in_several_and_can_be_taken_in_others() {
        let (mut heap, mut made) = (Heap::default(), 0..=u8::MAX);
        let mut sender = Box::new(Pieces::of(&mut heap));
        sender.send_block(10, &mut |part| part.fill_with(|| made.next().expect("256"))).unwrap();
        sender.finish().unwrap();
        assert_eq!(heap.pieces.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2, 0]);
        let (mut receiver, mut all) = (Pieces::of(&mut heap), Vec::new());
        while receiver.receive_block(3, &mut |part| all.extend_from_slice(part)).unwrap() > 0 {}
        assert_eq!(all, (0..10).collect::<Vec<u8>>());
        assert_eq!(receiver.receive_block(3, &mut |_| ()).unwrap(), 0, "the end stays the end");
    }
}
