//! popen(3): the sender starts the receiver and writes to its standard input,
//! through a stream of C's library.
//!
//! So the receiver cannot be started beforehand, as benchmarks do that measure one link for
//! long; there, a pipe is the same.

use std::ffi::CString;
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use super::descriptor::{CAT_BUFFER, Stream, read};
use super::{End, Link, Receiver, Sender, Transport, Unavailable};

struct Popen;

/// `popen`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(Popen))
}

impl Transport for Popen {
    fn title(&self) -> String {
        "popen, a child's input".into()
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        Ok(Link { sender: End::Name(String::new()), receiver: End::Child, guard: None })
    }

    fn sender(&self, end: End) -> io::Result<Box<dyn Sender>> {
        let command = CString::new(end.name()?)?;
        // SAFETY: two strings that end in 0.
        let stream = unsafe { libc::popen(command.as_ptr(), c"we".as_ptr()) };
        let stream = NonNull::new(stream).ok_or_else(io::Error::last_os_error)?;
        Ok(Box::new(Child { stream, buffer: vec![0; CAT_BUFFER] }))
    }

    fn receiver(&self, end: End) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Stream::new(end.descriptor()?)?))
    }
}

/// The stream to the child; both are left to the end of this process if it is not finished.
struct Child {
    stream: NonNull<libc::FILE>,
    buffer: Vec<u8>,
}

impl Child {
    fn write(&mut self, len: usize) -> io::Result<()> {
        // SAFETY: the buffer is as long, and the stream is open.
        let written = unsafe {
            libc::fwrite(self.buffer[..len].as_ptr().cast(), 1, len, self.stream.as_ptr())
        };
        if written == len { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Sender for Child {
    fn send_file(&mut self, file: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
        let max = max.min(self.buffer.len());
        let got = read(file, &mut self.buffer[..max])?;
        self.write(got)?;
        Ok(got)
    }

    fn send_block(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> io::Result<()> {
        let mut left = len;
        while left > 0 {
            let len = left.min(self.buffer.len());
            fill(&mut self.buffer[..len]);
            self.write(len)?;
            left -= len;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        // SAFETY: opened by popen, and not used any more.
        match unsafe { libc::pclose(self.stream.as_ptr()) } {
            0 => Ok(()),
            -1 => Err(io::Error::last_os_error()),
            status => Err(io::Error::other(format!("the child ended with status {status:#x}"))),
        }
    }
}
