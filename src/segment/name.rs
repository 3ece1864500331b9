//! Names of rings: of POSIX shared memory objects, and for System V objects,
//! which have keys and ids.

use super::sysv::Key;
use std::{
    ffi::{CStr, CString, OsStr, OsString},
    fmt,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};
use thiserror::Error;

/// What a ring is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Posix(PosixName),
    SystemV(SysvName),
}

/// What names of the other kind begin with.
const SYSV: &[u8] = b"sysv:";

impl Name {
    pub(crate) fn new(name: &OsStr) -> Result<Self, NameError> {
        match name.as_bytes().strip_prefix(SYSV) {
            Some(rest) => SysvName::new(rest).map(Self::SystemV),
            None => PosixName::new(name).map(Self::Posix),
        }
    }

    /// Of System V objects, where that need not be said.
    pub(crate) fn of_sysv(name: &OsStr) -> Result<Self, NameError> {
        let bytes = name.as_bytes();
        SysvName::new(bytes.strip_prefix(SYSV).unwrap_or(bytes)).map(Self::SystemV)
    }

    pub(crate) fn as_os_str(&self) -> &OsStr {
        match self {
            Self::Posix(name) => OsStr::from_bytes(name.0.as_bytes()),
            Self::SystemV(name) => &name.text,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_os_str().display().fmt(f)
    }
}

/// `sysv:` and then a key, a file to make one of, or an id.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SysvName {
    text: OsString,
    pub(crate) at: SysvAt,
}

/// What the kernel knows a System V object by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SysvAt {
    /// 0 = none: a new object each time (IPC_PRIVATE).
    Key(i32),
    Id(i32),
}

impl SysvName {
    fn new(rest: &[u8]) -> Result<Self, NameError> {
        let at = match rest {
            [] => return Err(NameError::Empty),
            b"private" => SysvAt::Key(0),
            [b'i', b'd', b'=', id @ ..] => {
                SysvAt::Id(number(id).and_then(|id| i32::try_from(id).ok()).ok_or(NameError::Key)?)
            }
            _ => SysvAt::Key(match rest.iter().rposition(|byte| *byte == b':') {
                // Keys are 32 bits, and whether they are a negative number is a matter of taste.
                None => number(rest).ok_or(NameError::Key)? as i32,
                Some(colon) => {
                    let (path, project) = (&rest[..colon], &rest[colon + 1..]);
                    let project = number(project).and_then(|n| u8::try_from(n).ok());
                    Key::of_path(OsStr::from_bytes(path).as_ref(), project.ok_or(NameError::Key)?)?
                }
            }),
        };
        Ok(Self { text: OsString::from_vec([SYSV, rest].concat()), at })
    }

    /// Of what has no key, or was found by another.
    pub(crate) fn of_id(id: i32) -> Self {
        Self { text: format!("sysv:id={id}").into(), at: SysvAt::Id(id) }
    }

    pub(crate) fn of_key(key: i32) -> Self {
        let text = match key {
            0 => "sysv:private".into(),
            key => format!("sysv:{key:#010x}").into(),
        };
        Self { text, at: SysvAt::Key(key) }
    }
}

impl fmt::Debug for SysvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// A number of 32 bits, in decimal or, after 0x, hexadecimal.
fn number(digits: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok()?;
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    }
    .filter(|_| !digits.starts_with('+'))
}

/// A valid name: `/` and then 1 to 254 bytes without a slash or NUL, and not `.` or `..`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PosixName(CString);

/// The longest name that glibc's shm_open takes, slash included: NAME_MAX.
const MAX: usize = 255;

/// Why a name is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
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
    /// After `sysv:` comes neither a key nor an id nor a file and a number from 1 to 255.
    #[error(
        "a System V ring is named by a key as in sysv:0x2A01, by an id as in sysv:id=12, or by a file and a number from 1 to 255 as in sysv:/var/lib/app:1"
    )]
    Key,
    /// There is no key to be had from a file, because it cannot be looked at (ftok(3)).
    #[error("{}, of which the key is to be made: {why}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What stat(2) said.
        why: String,
    },
}

impl PosixName {
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

    pub(crate) fn as_c_str(&self) -> &CStr {
        &self.0
    }
}

impl fmt::Debug for PosixName {
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

    fn sysv(text: &str) -> Result<SysvAt, NameError> {
        match name(text)? {
            Name::SystemV(name) => Ok(name.at),
            Name::Posix(name) => panic!("{name:?}"),
        }
    }

    #[test]
    fn keys_and_ids() {
        assert_eq!(sysv("sysv:0x2A01"), Ok(SysvAt::Key(0x2a01)));
        assert_eq!(sysv("sysv:10753"), Ok(SysvAt::Key(0x2a01)));
        assert_eq!(sysv("sysv:0xffffffff"), Ok(SysvAt::Key(-1)));
        assert_eq!(sysv("sysv:private"), Ok(SysvAt::Key(0)));
        assert_eq!(sysv("sysv:id=12"), Ok(SysvAt::Id(12)));
        for nonsense in
            ["2A01", "0x", "0x100000000", "-1", "+1", "id=", "id=-1", "/:0", "/:256", "/:x"]
        {
            assert_eq!(sysv(&format!("sysv:{nonsense}")), Err(NameError::Key), "{nonsense}");
        }
        assert_eq!(sysv("sysv:"), Err(NameError::Empty));
        let shown = |name: SysvName| Name::SystemV(name).to_string();
        assert_eq!(shown(SysvName::of_key(0x2a01)), "sysv:0x00002a01");
        assert_eq!(shown(SysvName::of_id(12)), "sysv:id=12");
    }

    #[test]
    fn a_key_is_made_of_a_file_and_a_number() {
        // SAFETY: a path that ends with NUL, and a number.
        let by_libc = |number| unsafe { libc::ftok(c"/".as_ptr(), number) };
        for number in [1, 77, 255] {
            assert_eq!(sysv(&format!("sysv:/:{number}")), Ok(SysvAt::Key(by_libc(number))));
        }
        let missing = sysv("sysv:/no/such/file:1").unwrap_err();
        assert_eq!(
            missing.to_string(),
            "/no/such/file, of which the key is to be made: No such file or directory (os error 2)"
        );
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
        assert_eq!(not_utf8.as_os_str().as_bytes(), b"/\xff\xfe");
    }
}
