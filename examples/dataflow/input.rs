//! The file that is moved.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use crate::harness::bar;
use crate::harness::volume;
use crate::transport::{Input, size};

const MIB: u64 = 1 << 20;

/// The size of the file that is made, if memory has room for four of them.
const MADE: u64 = 256 << 20;

/// How much to move if the user does not say: so much, or a quarter of the
/// memory that is free if that is less.
pub fn usual_size() -> u64 {
    MADE.min(free_memory().unwrap_or(MADE) / 4 / MIB * MIB).max(1)
}

/// A file to move, and what is known of it.
pub struct Source {
    /// Keeps a file without a name alive.
    pub file: File,
    /// How others open it.
    pub input: Input,
    /// In bytes.
    pub len: u64,
    /// For people.
    pub name: String,
}

impl Source {
    /// Takes the file the user named.
    pub fn open(path: &Path) -> Result<Self, String> {
        let failed = |e: io::Error| format!("{}: {e}", path.display());
        let file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if !found.is_file() {
            return Err(format!(
                "{}: not a regular file, so it cannot be read again for each rival",
                path.display()
            ));
        }
        if found.len() == 0 {
            return Err(format!("{}: empty, so there is nothing to move", path.display()));
        }
        Ok(Source {
            file,
            input: Input { path: path.to_owned() },
            len: found.len(),
            name: format!("{} ({} bytes)", path.display(), found.len()),
        })
    }

    /// Makes a file without a name in `directory`.
    pub fn make(directory: &Path, len: u64) -> Result<Self, String> {
        let failed = |e: io::Error| {
            format!("making a file of {} in {}: {e}", size::show(len), directory.display())
        };
        let file = tempfile::tempfile_in(directory).map_err(failed)?;
        fill(&file, len).map_err(failed)?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into();
        let name = format!(
            "a file of {} in {} ({})",
            size::show(len),
            directory.display(),
            volume::kind(directory)
        );
        Ok(Source { file, input: Input { path }, len, name })
    }

    /// Reads it once, so that no rival has to fetch it from the disk.
    pub fn warm_up(&self) -> io::Result<()> {
        let bar = bar::of_bytes("reading the file", self.len);
        let mut buffer = vec![0; MIB as usize];
        let mut file = &self.file;
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                got => bar.inc(got as u64),
            }
        }
        bar.finish_and_clear();
        Ok(())
    }
}

/// Fills the file with numbers that look random, so that no two pieces of it are alike.
fn fill(mut file: &File, len: u64) -> io::Result<()> {
    let bar = bar::of_bytes("making a file", len);
    let mut buffer = vec![0; MIB as usize];
    let (mut left, mut counter) = (len, 0u64);
    while left > 0 {
        for word in buffer.chunks_exact_mut(8) {
            counter += 1;
            word.copy_from_slice(&scatter(counter).to_le_bytes());
        }
        let part = left.min(MIB);
        file.write_all(&buffer[..part as usize])?;
        bar.inc(part);
        left -= part;
    }
    // Else the kernel would write it to the disk in the middle of the measurements.
    bar.set_message("settling it");
    file.sync_data()?;
    bar.finish_and_clear();
    Ok(())
}

/// The output function of SplitMix64.
fn scatter(counter: u64) -> u64 {
    let mut word = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// What the kernel says it could give to programs without swapping, in bytes.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}
