//! What pushing a value can come to.

use super::WriteError;
use std::{error::Error, fmt, io};

/// A value that could not be pushed, handed back, and why.
pub struct PushError<T> {
    /// The value.
    pub value: T,
    /// Why.
    pub error: WriteError,
}

impl<T> PushError<T> {
    /// The value that was not pushed.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> Error for PushError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl<T> From<PushError<T>> for WriteError {
    fn from(error: PushError<T>) -> Self {
        error.error
    }
}

impl<T> From<PushError<T>> for io::Error {
    fn from(error: PushError<T>) -> Self {
        error.error.into()
    }
}
