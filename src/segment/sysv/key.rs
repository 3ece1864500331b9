//! Keys, by which System V objects are found.

use crate::{
    segment::name::{Name, NameError, SysvName},
    sys::sysv,
};
use std::{
    ffi::{CString, OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::Path,
};

/// What System V objects are found by, in place of a name: 32 bits.
///
/// It stands for a name in everything that takes one, and is written `sysv:0x00002a01`. See
/// [`Backend::SystemV`](crate::Backend::SystemV) for the other ways to name a ring.
///
/// # Examples
/// ```
/// use shmpipe::{Key, Options, stream::{Reader, Writer}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let project = std::process::id() as u8 | 1;
/// # let path = std::env::current_exe()?;
/// let key = Key::from_path(path, project)?;
/// let writer: Writer = Options::new().create_new(&key)?;
/// let reader: Reader = Options::new().open(&key)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    number: i32,
    name: OsString,
}

impl Key {
    /// No key: whoever makes a ring with it makes a new one (IPC_PRIVATE), which others can find by
    /// its id alone; an end says by its `name()` which that is.
    #[must_use]
    pub fn private() -> Self {
        Self::raw(0)
    }

    /// This number, with which programs agreed on some other way. 0 is [`private`](Self::private).
    #[must_use]
    pub fn raw(number: i32) -> Self {
        let name = SysvName::of_key(number);
        Self { number, name: Name::SystemV(name).as_os_str().to_owned() }
    }

    /// The key of a file that exists and a number of your own, as ftok(3) makes it: the low 16 bits
    /// of the inode's number, 8 of the device's, and these 8.
    ///
    /// What is in the file does not count, and the key stays with the inode: where a file
    /// was *replaced* (written anew and renamed, as editors and package managers do) this
    /// makes another key, and programs that were started before do not meet those that
    /// are started after. Two files can have the same key. Choose a file that stays, such
    /// as a directory of the application.
    ///
    /// # Errors
    /// [`NameError::KeyFile`] if the file cannot be looked at; [`NameError::Key`] for the number 0,
    /// for which POSIX makes no promise.
    pub fn from_path(path: impl AsRef<Path>, project: u8) -> Result<Self, NameError> {
        Self::of_path(path.as_ref(), project).map(Self::raw)
    }

    pub(in super::super) fn of_path(path: &Path, project: u8) -> Result<i32, NameError> {
        if project == 0 {
            return Err(NameError::Key);
        }
        let c_path = CString::new(path.as_os_str().as_bytes()).map_err(|_| NameError::Nul)?;
        sysv::ftok(&c_path, project)
            .map_err(|why| NameError::KeyFile { path: path.to_owned(), why: why.to_string() })
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.number
    }
}

impl AsRef<OsStr> for Key {
    fn as_ref(&self) -> &OsStr {
        &self.name
    }
}
