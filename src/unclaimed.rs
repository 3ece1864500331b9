//! Ends of anonymous rings that nobody has taken yet.

use crate::{
    Options,
    end::{
        Settings, attach,
        error::{OpenError, OpenErrorKind},
    },
    options::End,
    segment::{Object, Place},
};
use std::{
    fmt,
    marker::PhantomData,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// The right to become one end of an anonymous ring: a descriptor.
///
/// Whoever [`claim`](Self::claim)s it first has the role, in this process, in a forked child, or in
/// a program that was given the descriptor (which is close-on-exec: `dup2` it in the child, or
/// clear that flag there). Until then it holds nothing, so any number of processes may have copies.
/// A ring whose other end is never claimed waits for it for ever: there is no telling who may still
/// have the descriptor.
///
/// # Examples
/// ```
/// use shmpipe::{Options, stream::Writer};
/// use std::{io::{BufRead, Write}, thread};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (writer, reader) = Options::new().anonymous::<Writer>()?;
/// let thread = thread::spawn(move || {
///     let mut writer = writer.claim().unwrap();
///     writer.write_all(b"one\ntwo\n").unwrap();
///     writer.finish().unwrap();
/// });
/// let lines: Result<Vec<String>, _> = reader.claim()?.lines().collect();
/// assert_eq!(lines?, ["one", "two"]);
/// # thread.join().unwrap();
/// # Ok(())
/// # }
/// ```
#[must_use = "an end that nobody claims keeps the other waiting"]
pub struct Unclaimed<E> {
    fd: OwnedFd,
    end: PhantomData<fn() -> E>,
}

pub(crate) fn pair<E: End>(
    settings: &Settings,
) -> Result<(Unclaimed<E>, Unclaimed<E::Peer>), OpenErrorKind> {
    let object = attach::anonymous(&E::content(settings), settings)?;
    let other = object.reopen()?;
    let fd = |object: Object| object.into_fd().ok_or(OpenErrorKind::NotSealed);
    Ok((fd(object)?.into(), fd(other)?.into()))
}

impl<E: End> Unclaimed<E> {
    /// Another right to the same: of a ring of [`mpsc`](crate::mpsc), in which every
    /// sender takes a place of its own.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        Ok(Self { fd: self.fd.try_clone()?, end: PhantomData })
    }

    /// Becomes this end, with default [`Options`].
    ///
    /// # Errors
    /// [`OpenErrorKind::RoleTaken`] if another process was first, and what can be wrong with a
    /// descriptor from elsewhere: no memory of ours, not sealed, damaged.
    pub fn claim(self) -> Result<E, OpenError> {
        self.claim_with(&Options::new())
    }

    /// Becomes this end; of the options those count that concern an end: how to wait, whom to
    /// trust, what to do with an unfinished stream, and the capacity if one is asked for.
    ///
    /// # Errors
    /// As [`claim`](Self::claim).
    pub fn claim_with(self, options: &Options) -> Result<E, OpenError> {
        let claim = || {
            let object = Object::new(self.fd, Place::Anonymous);
            let settings = options.settings();
            E::from_attached(attach::claim(object, E::ROLE, &E::content(settings), settings)?)
        };
        claim().map_err(|kind| OpenError { ring: None, kind })
    }
}

impl<E> AsFd for Unclaimed<E> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Takes a descriptor that came from elsewhere; whether it is one of ours is found out when it is
/// claimed.
impl<E> From<OwnedFd> for Unclaimed<E> {
    fn from(fd: OwnedFd) -> Self {
        Self { fd, end: PhantomData }
    }
}

impl<E> From<Unclaimed<E>> for OwnedFd {
    fn from(unclaimed: Unclaimed<E>) -> Self {
        unclaimed.fd
    }
}

impl<E> fmt::Debug for Unclaimed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unclaimed").field(&self.fd).finish()
    }
}
