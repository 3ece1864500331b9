//! The pipelines that are measured, as their processes.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::transport::stage::{Stage, piped};
use crate::transport::{Flow, Input, Output, Unavailable, installed, upgrade};

/// The program that this is about.
pub struct Shmcat(PathBuf);

impl Shmcat {
    /// The one given, or the one beside this program.
    pub fn find(given: Option<&Path>) -> Result<Self, String> {
        let built = || {
            upgrade::built()
                .map_err(|why| format!("shmcat {why}; cargo build --release --examples makes it"))
        };
        given.map_or_else(built, |path| Ok(path.to_owned())).map(Shmcat)
    }

    /// For people: it, and what it is compared with.
    pub fn title(&self) -> Result<String, Unavailable> {
        let version = |program: &str| installed::version(&[program]);
        Ok(format!(
            "{} ({}), cat ({})",
            self.0.display(),
            version(&self.0.to_string_lossy())?,
            version("cat")?
        ))
    }

    /// A process of it.
    pub fn stage(&self, arguments: &[&str]) -> Stage {
        program(&self.0.to_string_lossy(), arguments)
    }
}

/// A process of an installed program.
pub fn program(name: &str, arguments: &[&str]) -> Stage {
    let mut stage = Stage::program(name);
    for argument in arguments {
        stage.arg(argument);
    }
    stage
}

/// A process that reads and writes 128 KiB at a time, and knows nothing of shared memory.
pub fn plain() -> Stage {
    Stage::role("plain copier", &["copy"])
}

/// A file in memory, without a name in any directory.
pub struct Content {
    _file: OwnedFd,
    input: Input,
    /// In bytes.
    pub len: u64,
}

impl Content {
    /// Makes it.
    pub fn make(len: u64) -> io::Result<Self> {
        const PIECE: u64 = 1 << 20;
        let mut file = File::from(memfd_create(c"benchmark", MFdFlags::MFD_CLOEXEC)?);
        let piece: Vec<u8> = (0..PIECE).map(|at| ((at * at) >> 7) as u8).collect();
        let mut left = len;
        while left > 0 {
            let part = left.min(PIECE);
            file.write_all(&piece[..part as usize])?;
            left -= part;
        }
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into();
        Ok(Content { _file: file.into(), input: Input { path }, len })
    }

    /// Its name, for a program that opens its input itself.
    pub fn path(&self) -> &str {
        self.input.path.to_str().unwrap_or_default()
    }

    /// `left < self | right > /dev/null`.
    pub fn through(&self, left: Stage, right: Stage) -> Result<Flow, Unavailable> {
        piped([left, right], &self.input, &Null)
    }
}

/// /dev/null.
struct Null;

impl Output for Null {
    fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(File::options().write(true).open("/dev/null")?.into())
    }

    fn path(&self, _stage: &mut Stage) -> io::Result<PathBuf> {
        Ok("/dev/null".into())
    }
}
