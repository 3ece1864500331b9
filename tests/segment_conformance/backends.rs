//! The backends, as the suite sees them.

use crate::support::{RingName, page_size, system_v};
use shmpipe::{
    Backend, End, OpenError, OpenErrorKind, Options, Unclaimed,
    stream::{Reader, Writer},
};
use std::{
    cell::RefCell,
    collections::HashSet,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
};

/// What the kernel says of a ring's memory.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// In bytes.
    pub size: usize,
    /// Bytes for which there is memory.
    pub reserved: usize,
    /// The permission bits.
    pub mode: u32,
    pub owner: u32,
}

impl Facts {
    fn of(file: &File) -> Self {
        let stat = file.metadata().unwrap();
        Self {
            size: stat.size() as usize,
            reserved: stat.blocks() as usize * 512,
            mode: stat.mode() & 0o7777,
            owner: stat.uid(),
        }
    }
}

/// A ring of one backend, which either end can be attached to any number of times.
pub trait Ring: Sized {
    /// Whether somebody could cut the memory short.
    const CAN_BE_CUT: bool;

    fn make(options: &Options) -> Self;
    fn writer(&self) -> Result<Writer, OpenError>;
    fn reader(&self) -> Result<Reader, OpenError>;
    /// Of a ring with a name or a key, only while an end is attached.
    fn facts(&self) -> Facts;
    /// Gives the memory another size, if that can be.
    fn resize(&self, bytes: u64) -> io::Result<()>;
    /// What comes of making a ring with these options, which cannot be had.
    fn refusal(options: &Options) -> OpenErrorKind;
    /// To be called when no end is attached.
    fn assert_gone(self);
}

pub struct Posix {
    name: RingName,
    options: Options,
}

impl Ring for Posix {
    const CAN_BE_CUT: bool = true;

    fn make(options: &Options) -> Self {
        let options = options.clone().backend(Backend::Posix);
        Self { name: RingName::posix("conformance"), options }
    }

    fn writer(&self) -> Result<Writer, OpenError> {
        self.options.open_or_create(&self.name)
    }

    fn reader(&self) -> Result<Reader, OpenError> {
        self.options.open_or_create(&self.name)
    }

    fn facts(&self) -> Facts {
        Facts::of(&File::open(self.name.path()).unwrap())
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        File::options().write(true).open(self.name.path()).unwrap().set_len(bytes)
    }

    fn refusal(options: &Options) -> OpenErrorKind {
        refusal_of(RingName::posix("refusal"), options)
    }

    fn assert_gone(self) {
        self.name.assert_gone();
    }
}

pub struct SystemV {
    name: RingName,
    options: Options,
    /// The segments that it has had.
    seen: RefCell<HashSet<i32>>,
}

impl SystemV {
    fn open<E: End>(&self) -> Result<E, OpenError> {
        let end = self.options.open_or_create(&self.name)?;
        self.seen.borrow_mut().insert(self.name.id());
        Ok(end)
    }
}

impl Ring for SystemV {
    const CAN_BE_CUT: bool = false;

    fn make(options: &Options) -> Self {
        let options = options.clone().backend(Backend::SystemV);
        Self { name: RingName::system_v(), options, seen: RefCell::default() }
    }

    fn writer(&self) -> Result<Writer, OpenError> {
        self.open()
    }

    fn reader(&self) -> Result<Reader, OpenError> {
        self.open()
    }

    fn facts(&self) -> Facts {
        let id = self.name.id();
        let stat = system_v::stat(id).unwrap();
        let set = system_v::find_set(system_v::set_key(id)).expect("it has locks");
        assert_eq!(system_v::stat_set(set).sem_perm.mode, stat.shm_perm.mode, "as the segment's");
        // Shown as the kernel counts it: in whole pages.
        Facts {
            size: stat.shm_segsz.next_multiple_of(page_size()),
            reserved: system_v::resident(id),
            mode: stat.shm_perm.mode.into(),
            owner: stat.shm_perm.uid,
        }
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        // There is no call for it: to ask for another size is to ask for another segment.
        let key = self.name.key();
        match system_v::get(key, bytes as usize)? {
            id if system_v::stat(id)?.shm_segsz as u64 == bytes => Ok(()),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn refusal(options: &Options) -> OpenErrorKind {
        refusal_of(RingName::system_v(), options)
    }

    fn assert_gone(self) {
        self.name.assert_gone();
        for id in self.seen.take() {
            assert_eq!(system_v::find_set(system_v::set_key(id)), None, "of the segment {id}");
        }
    }
}

/// What comes of a name that is asked for in vain.
fn refusal_of(name: RingName, options: &Options) -> OpenErrorKind {
    let error = options.open_or_create::<Writer>(&name).unwrap_err();
    assert_eq!(error.ring(), Some(name.as_ref()));
    assert!(error.to_string().starts_with(&format!("ring {}: ", name.as_str())), "{error}");
    name.assert_gone();
    kind(error)
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

    fn facts(&self) -> Facts {
        Facts::of(&self.fd.try_clone().unwrap().into())
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        File::from(self.fd.try_clone().unwrap()).set_len(bytes)
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
