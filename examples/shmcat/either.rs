//! Rings of one writer and rings of many, told apart by what is there.

use std::ffi::OsStr;

use shmpipe::{End, LayoutError, OpenError, OpenErrorKind, Options};

/// An end of a ring: of one that carries the bytes of one writer, or of one
/// that many write lines into.
pub enum Either<S, M> {
    Stream(S),
    Many(M),
}

/// Opens a ring of either kind. If there is none, it is made, `many` says of which.
///
/// # Errors
///
/// Those of `open_or_create`.
pub fn open_or_create<S: End, M: End>(
    ring: &OsStr,
    many: bool,
    options: &Options,
) -> Result<Either<S, M>, OpenError> {
    loop {
        let wished = match many {
            false => options.open_or_create(ring).map(Either::Stream),
            true => options.open_or_create(ring).map(Either::Many),
        };
        let error = match wished {
            Err(error) if is_of_another_kind(&error) => error,
            wished => return wished,
        };
        let found = match many {
            false => options.open(ring).map(Either::Many),
            true => options.open(ring).map(Either::Stream),
        };
        match found {
            // Removed since: then it can be made.
            Err(gone) if matches!(gone.kind(), OpenErrorKind::NotFound) => {}
            Err(neither) if is_of_another_kind(&neither) => return Err(error),
            found => return found,
        }
    }
}

fn is_of_another_kind(error: &OpenError) -> bool {
    matches!(error.kind(), OpenErrorKind::Layout(LayoutError::Face { .. }))
}
