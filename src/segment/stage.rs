//! What an object's first eight bytes say of it.
//!
//! They stand here, below [`crate::layout::identity`] of which they are the beginning, because
//! making and removing an object goes by them, whatever else lies in it.

/// A segment that is ready.
pub(crate) const READY: [u8; 8] = *b"shmpipe\n";
/// A segment whose builder holds the build lock, or died.
pub(crate) const BUILDING: [u8; 8] = *b"shmbuild";
/// In its place while it is being removed, where that takes more than one step:
/// see [`super::sysv`].
pub(crate) const GONE: [u8; 8] = *b"shmgone\n";
