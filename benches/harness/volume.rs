//! What is known of the file system that a path lies on.

use std::io;
use std::path::Path;

use nix::sys::statfs::{self, statfs};
use nix::sys::statvfs::statvfs;

/// Its name, as far as it is one of the common ones.
pub fn kind(path: &Path) -> &'static str {
    let names = [
        (statfs::EXT4_SUPER_MAGIC, "ext4"),
        (statfs::TMPFS_MAGIC, "tmpfs"),
        (statfs::XFS_SUPER_MAGIC, "xfs"),
        (statfs::BTRFS_SUPER_MAGIC, "btrfs"),
        (statfs::OVERLAYFS_SUPER_MAGIC, "overlayfs"),
        (statfs::NFS_SUPER_MAGIC, "nfs"),
    ];
    let kind = statfs(path).ok().map(|found| found.filesystem_type());
    names
        .iter()
        .find(|(magic, _)| Some(*magic) == kind)
        .map_or("another file system", |(_, name)| name)
}

/// How many bytes there is room for.
pub fn free(path: &Path) -> io::Result<u64> {
    let volume = statvfs(path)?;
    Ok(volume.blocks_available() * volume.fragment_size())
}
