//! The backends, as the suite sees them.

use crate::support::RingName;
use nix::sys::stat::{FileStat, fstat};
use shmpipe::{
    Backend, OpenError, OpenErrorKind, Options, Unclaimed,
    stream::{Reader, Writer},
};
use std::{fs::File, os::fd::OwnedFd};

/// A ring of one backend, which either end can be attached to any number of times.
pub trait Ring: Sized {
    /// Whether somebody could cut the memory short.
    const CAN_BE_CUT: bool;

    fn make(options: &Options) -> Self;
    fn writer(&self) -> Result<Writer, OpenError>;
    fn reader(&self) -> Result<Reader, OpenError>;
    /// The memory as a file. Of a ring with a name, only while an end is attached.
    fn file(&self) -> File;
    /// What comes of making a ring with these options, which cannot be had.
    fn refusal(options: &Options) -> OpenErrorKind;
    /// To be called when no end is attached.
    fn assert_gone(self);

    fn stat(&self) -> FileStat {
        fstat(self.file()).unwrap()
    }
}

pub struct Posix {
    name: RingName,
    options: Options,
}

impl Ring for Posix {
    const CAN_BE_CUT: bool = true;

    fn make(options: &Options) -> Self {
        let options = options.clone().backend(Backend::Posix);
        Self { name: RingName::new("conformance"), options }
    }

    fn writer(&self) -> Result<Writer, OpenError> {
        self.options.open_or_create(&self.name)
    }

    fn reader(&self) -> Result<Reader, OpenError> {
        self.options.open_or_create(&self.name)
    }

    fn file(&self) -> File {
        File::options().read(true).write(true).open(self.name.path()).unwrap()
    }

    fn refusal(options: &Options) -> OpenErrorKind {
        let name = RingName::new("refusal");
        let error = options.open_or_create::<Writer>(&name).unwrap_err();
        assert_eq!(error.ring(), Some(name.as_ref()));
        assert!(error.to_string().starts_with(&format!("ring {}: ", name.as_str())), "{error}");
        name.assert_gone();
        kind(error)
    }

    fn assert_gone(self) {
        self.name.assert_gone();
    }
}

pub struct Memfd {
    fd: OwnedFd,
    options: Options,
}

impl Ring for Memfd {
    const CAN_BE_CUT: bool = false;

    fn make(options: &Options) -> Self {
        let options = options.clone().backend(Backend::Memfd);
        let (writer, _) = options.anonymous::<Writer>().unwrap();
        Self { fd: writer.into(), options }
    }

    fn writer(&self) -> Result<Writer, OpenError> {
        Unclaimed::from(self.fd.try_clone().unwrap()).claim_with(&self.options)
    }

    fn reader(&self) -> Result<Reader, OpenError> {
        Unclaimed::from(self.fd.try_clone().unwrap()).claim_with(&self.options)
    }

    fn file(&self) -> File {
        self.fd.try_clone().unwrap().into()
    }

    fn refusal(options: &Options) -> OpenErrorKind {
        let error = options.anonymous::<Writer>().unwrap_err();
        assert_eq!(error.ring(), None);
        assert!(error.to_string().starts_with("anonymous ring: "), "{error}");
        kind(error)
    }

    fn assert_gone(self) {
        // Gone with its last descriptor.
    }
}

/// The errors of refusals that are compared here hold numbers only.
fn kind(error: OpenError) -> OpenErrorKind {
    match error.kind() {
        OpenErrorKind::Capacity(bytes) => OpenErrorKind::Capacity(*bytes),
        OpenErrorKind::NoSpace { needed, available } => {
            OpenErrorKind::NoSpace { needed: *needed, available: *available }
        }
        other => panic!("{other:?}"),
    }
}
