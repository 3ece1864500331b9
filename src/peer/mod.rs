//! Who is alive.

pub(crate) mod ofd;
