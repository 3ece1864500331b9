//! Making segments and sets, and which of the kernel's limits is in the way.

use super::{SHORT, set_key, table};
use crate::{
    segment::SegmentError,
    sys::{memory, sysv},
};
use std::fs;

/// Makes a segment for a ring of `size` bytes; 0 = without a key.
///
/// # Errors
/// EEXIST if the key is taken.
pub(crate) fn create(key: i32, size: u64, mode: u32) -> Result<i32, SegmentError> {
    let available = memory::of_machine(size);
    if let Some(available) = available.filter(|available| *available < size) {
        return Err(SegmentError::NoSpace { needed: size, available });
    }
    let no_space = || SegmentError::NoSpace { needed: size, available: available.unwrap_or(0) };
    let bytes = usize::try_from(size).map_err(|_| no_space())?;
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | mode.cast_signed();
    sysv::shmget(key, bytes - SHORT, flags).map_err(|error| match error.errno() {
        Some(libc::EINVAL) => limit("SHMMAX", "shmmax", 0).unwrap_or(error.into()),
        Some(libc::ENOSPC) => {
            let segments = limit("SHMMNI", "shmmni", 0);
            let is_it = |error: &SegmentError| {
                let SegmentError::Limit { value, .. } = error else { return false };
                table("shm").is_ok_and(|lines| lines.len() as u64 >= *value)
            };
            segments.filter(is_it).or_else(|| limit("SHMALL", "shmall", 0)).unwrap_or(error.into())
        }
        Some(libc::ENOMEM) => no_space(),
        _ => error.into(),
    })
}

/// Makes a set for a segment; `None` if there is one by now.
pub(super) fn create_set(
    segment: i32,
    count: usize,
    mode: u32,
) -> Result<Option<i32>, SegmentError> {
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | mode.cast_signed();
    match sysv::semget(set_key(segment), count, flags) {
        Ok(id) => Ok(Some(id)),
        Err(error) => match error.errno() {
            // Somebody else was faster.
            Some(libc::EEXIST) => Ok(None),
            Some(libc::EINVAL) => Err(limit("SEMMSL", "sem", 0).unwrap_or(error.into())),
            Some(libc::ENOSPC) => {
                let sets = limit("SEMMNI", "sem", 3);
                let is_it = |error: &SegmentError| {
                    let SegmentError::Limit { value, .. } = error else { return false };
                    table("sem").is_ok_and(|lines| lines.len() as u64 >= *value)
                };
                Err(sets
                    .filter(is_it)
                    .or_else(|| limit("SEMMNS", "sem", 1))
                    .unwrap_or(error.into()))
            }
            _ => Err(error.into()),
        },
    }
}

/// A limit of the kernel's, by its name and where it is set, of which it is the `nth` word.
fn limit(name: &'static str, file: &'static str, nth: usize) -> Option<SegmentError> {
    let text = fs::read_to_string(format!("/proc/sys/kernel/{file}")).ok()?;
    let value = text.split_whitespace().nth(nth)?.parse().ok()?;
    Some(SegmentError::Limit { name, value, sysctl: file })
}
