//! Names of POSIX shared memory objects.

use std::{
    ffi::{CStr, CString, OsStr},
    fmt,
    os::unix::ffi::OsStrExt,
};
use thiserror::Error;

/// A valid name: `/` and then 1 to 254 bytes without a slash or NUL, and not `.` or `..`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Name(CString);

/// The longest name that glibc's shm_open takes, slash included: NAME_MAX.
const MAX: usize = 255;

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing, or nothing after the slash.
    #[error("a ring's name is empty; write it as /NAME")]
    Empty,
    /// Names begin with a slash.
    #[error("a ring's name begins with a slash; write it as /NAME")]
    NoLeadingSlash,
    /// And have no other.
    #[error("a ring's name has no slash but the first; write it as /NAME")]
    InnerSlash,
    /// No NUL in a name.
    #[error("a ring's name cannot hold a NUL byte")]
    Nul,
    /// `/.` and `/..` are directories.
    #[error("/. and /.. are no names for a ring")]
    Directory,
    /// Longer than the file system allows.
    #[error("a ring's name has at most {MAX} bytes with its slash, and this one has {0}")]
    TooLong(usize),
}

impl Name {
    pub(crate) fn new(name: &OsStr) -> Result<Self, NameError> {
        let bytes = name.as_bytes();
        match bytes {
            [] | [b'/'] => return Err(NameError::Empty),
            [b'/', rest @ ..] if rest.contains(&b'/') => return Err(NameError::InnerSlash),
            b"/." | b"/.." => return Err(NameError::Directory),
            [b'/', ..] => {}
            _ => return Err(NameError::NoLeadingSlash),
        }
        if bytes.len() > MAX {
            return Err(NameError::TooLong(bytes.len()));
        }
        CString::new(bytes).map(Self).map_err(|_| NameError::Nul)
    }

    pub(crate) fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(self.0.as_bytes())
    }

    pub(crate) fn as_c_str(&self) -> &CStr {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OsStr::from_bytes(self.0.as_bytes()).display().fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Result<Name, NameError> {
        Name::new(OsStr::new(text))
    }

    #[test]
    fn names_that_are_none() {
        assert_eq!(name(""), Err(NameError::Empty));
        assert_eq!(name("/"), Err(NameError::Empty));
        assert_eq!(name("ring"), Err(NameError::NoLeadingSlash));
        assert_eq!(name("ring/"), Err(NameError::NoLeadingSlash));
        assert_eq!(name("/a/b"), Err(NameError::InnerSlash));
        assert_eq!(name("//"), Err(NameError::InnerSlash));
        assert_eq!(name("/."), Err(NameError::Directory));
        assert_eq!(name("/.."), Err(NameError::Directory));
        assert_eq!(name("/a\0b"), Err(NameError::Nul));
        assert_eq!(name(&format!("/{}", "x".repeat(255))), Err(NameError::TooLong(256)));
    }

    #[test]
    fn names_that_are() {
        assert!(name("/ring").is_ok());
        assert!(name("/...").is_ok());
        assert!(name(&format!("/{}", "x".repeat(254))).is_ok());
        let not_utf8 = Name::new(OsStr::from_bytes(b"/\xff\xfe")).unwrap();
        assert_eq!(not_utf8.as_c_str().to_bytes(), b"/\xff\xfe");
    }
}
