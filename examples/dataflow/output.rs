//! Where the file is moved to, and the comparison of what arrived with what was sent.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::harness::volume;
use crate::input::Source;
use crate::transport::Output;
use crate::transport::doomed::Doomed;
use crate::transport::stage::Stage;

/// What `--to` names.
pub enum Sink {
    /// A device, which cannot be read back.
    Device(PathBuf),
    /// A directory, for files that are removed again.
    Directory(PathBuf),
    /// A file, which is replaced and kept.
    File(PathBuf),
}

impl Sink {
    /// Looks at what `path` is.
    pub fn at(path: &Path) -> Result<Self, String> {
        let parent = directory_of(path);
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(Sink::Directory(path.to_owned())),
            Ok(found) if found.is_file() => Ok(Sink::File(path.to_owned())),
            Ok(found) if found.file_type().is_char_device() => Ok(Sink::Device(path.to_owned())),
            Ok(_) => {
                Err(format!("{}: not a file, a directory or a character device", path.display()))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound && parent.is_dir() => {
                Ok(Sink::File(path.to_owned()))
            }
            Err(e) => Err(format!("{}: {e}", path.display())),
        }
    }

    /// For people.
    pub fn name(&self) -> String {
        match self {
            Sink::Device(path) => path.display().to_string(),
            Sink::Directory(path) => {
                format!("a file in {} ({})", path.display(), volume::kind(path))
            }
            Sink::File(path) => path.display().to_string(),
        }
    }

    /// Where what arrives takes room, and how much is freed there by what it
    /// replaces; `None` if it takes none.
    pub fn takes_room_in(&self) -> Option<(&Path, u64)> {
        match self {
            Sink::Device(_) => None,
            Sink::Directory(path) => Some((path, 0)),
            Sink::File(path) => match fs::metadata(path) {
                Ok(found) => Some((path, found.len())),
                Err(_) => Some((directory_of(path), 0)),
            },
        }
    }

    /// Whether what arrives can be compared only in a run of its own.
    pub fn is_device(&self) -> bool {
        matches!(self, Sink::Device(_))
    }

    /// Refuses an output that would replace the input.
    pub fn is_apart_from(&self, source: &Source) -> Result<(), String> {
        let Sink::File(path) = self else {
            return Ok(());
        };
        let same = match (fs::metadata(path), source.file.metadata()) {
            (Ok(to), Ok(from)) => (to.dev(), to.ino()) == (from.dev(), from.ino()),
            _ => false,
        };
        if same {
            Err(format!("{}: the output would replace the input", path.display()))
        } else {
            Ok(())
        }
    }

    /// A fresh output for one run.
    pub fn output(&self) -> Arrival<'_> {
        Arrival { sink: self, made: RefCell::new(None) }
    }
}

/// What one run of a rival brings. Dropped, a file that was not asked for by name is removed.
pub struct Arrival<'a> {
    sink: &'a Sink,
    made: RefCell<Option<Made>>,
}

enum Made {
    /// A file without a name, or a device.
    Open(File),
    /// A file that a program made in a directory of its own, or under the name the user gave.
    Named(PathBuf, Option<Doomed>),
}

impl Output for Arrival<'_> {
    fn descriptor(&self) -> io::Result<OwnedFd> {
        let file = match self.sink {
            Sink::Device(path) => File::options().write(true).open(path)?,
            Sink::Directory(path) => tempfile::tempfile_in(path)?,
            Sink::File(path) => {
                remove_if_there(path)?;
                let doomed = Doomed::file(path.clone());
                let file = File::options().read(true).write(true).create_new(true).open(path)?;
                let for_program = file.try_clone()?;
                *self.made.borrow_mut() = Some(Made::Named(path.clone(), Some(doomed)));
                return Ok(for_program.into());
            }
        };
        let for_program = file.try_clone()?;
        *self.made.borrow_mut() = Some(Made::Open(file));
        Ok(for_program.into())
    }

    fn path(&self, _stage: &mut Stage) -> io::Result<PathBuf> {
        let (path, doomed) = match self.sink {
            Sink::Device(path) => return Ok(path.clone()),
            Sink::File(path) => {
                remove_if_there(path)?;
                (path.clone(), Doomed::file(path.clone()))
            }
            Sink::Directory(path) => {
                let directory = Doomed::directory_in(path)?;
                (directory.path().join("output"), directory)
            }
        };
        *self.made.borrow_mut() = Some(Made::Named(path.clone(), Some(doomed)));
        Ok(path)
    }
}

impl Arrival<'_> {
    /// Compares what arrived with what was sent. A file that the user named
    /// stays, once it is right.
    pub fn check(&self, source: &Source) -> Result<(), String> {
        use std::io::Seek;
        let mut made = self.made.borrow_mut();
        match made.as_mut() {
            None => Err("there is no output to compare".into()),
            Some(Made::Open(file)) => {
                file.rewind().map_err(|e| format!("reading the output: {e}"))?;
                compare(&*file, source)
            }
            Some(Made::Named(path, doomed)) => {
                let file = File::open(&path)
                    .map_err(|e| format!("reading the output {}: {e}", path.display()))?;
                compare(&file, source)?;
                if let (Sink::File(_), Some(doomed)) = (self.sink, doomed.take()) {
                    doomed.spare();
                }
                Ok(())
            }
        }
    }
}

/// A pipe into this process, instead of a device whose content cannot be compared.
pub struct Inspection {
    writer: RefCell<Option<PipeWriter>>,
}

impl Inspection {
    /// The output and where to read it.
    pub fn new() -> io::Result<(Self, PipeReader)> {
        let (reader, writer) = io::pipe()?;
        Ok((Inspection { writer: RefCell::new(Some(writer)) }, reader))
    }
}

impl Output for Inspection {
    fn descriptor(&self) -> io::Result<OwnedFd> {
        // Given away, so that the pipe ends when the programs do.
        let writer = self.writer.borrow_mut().take();
        writer.map(OwnedFd::from).ok_or_else(|| io::Error::other("the pipe has a writer already"))
    }

    fn path(&self, stage: &mut Stage) -> io::Result<PathBuf> {
        stage.stdout(self.descriptor()?);
        Ok("/dev/stdout".into())
    }
}

/// Compares everything that `arrived` with the input.
pub fn compare(mut arrived: impl Read, source: &Source) -> Result<(), String> {
    const PIECE: usize = 1 << 20;
    let failed = |what: &str, e: io::Error| format!("reading the {what} to compare it: {e}");
    let mut sent = File::open(&source.input.path).map_err(|e| failed("input", e))?;
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    loop {
        let got = arrived.read(&mut left).map_err(|e| failed("output", e))?;
        if got == 0 {
            return if at == source.len {
                Ok(())
            } else {
                Err(format!("{at} bytes arrived of {}", source.len))
            };
        }
        let expected = read_up_to(&mut sent, &mut right[..got]).map_err(|e| failed("input", e))?;
        if let Some(wrong) =
            left[..got].iter().zip(&right[..expected]).position(|(left, right)| left != right)
        {
            return Err(format!("byte {} is not the one that was sent", at + wrong as u64));
        }
        if expected < got {
            return Err(format!("more arrived than the {} bytes that were sent", source.len));
        }
        at += got as u64;
    }
}

/// The directory that a file of that name is in.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn read_up_to(from: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match from.read(&mut buffer[got..])? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_wrong_or_too_much_is_noticed() {
        let len = (3 << 20) + 5;
        let source = Source::make(&std::env::temp_dir(), len).expect("a file of 3 MiB");
        let sent = fs::read(&source.input.path).expect("the file that was just made");
        assert_eq!(compare(&sent[..], &source), Ok(()));
        assert!(compare(&sent[..sent.len() - 1], &source).is_err());
        assert!(compare(&[&sent[..], b"x"].concat()[..], &source).is_err());
        let mut wrong = sent;
        wrong[2 << 20] ^= 1;
        assert_eq!(
            compare(&wrong[..], &source),
            Err(format!("byte {} is not the one that was sent", 2 << 20))
        );
    }
}
