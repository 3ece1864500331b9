//! Finds a way by its name.

use super::{AnyTransport, Make};
use crate::transport::Unavailable;

/// Lists of ways. A process or a thread that takes an end of a link makes the
/// way again, by its name.
#[derive(Clone, Copy)]
pub struct Registry(pub &'static [&'static [(&'static str, Make)]]);

impl Registry {
    /// Makes the way that `spec` describes: `slots`, `slots:spin`, `pipe`.
    pub fn make(&self, spec: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
        let (name, options) = spec.split_once(':').unwrap_or((spec, ""));
        let known = self.0.iter().copied().flatten().find(|(known, _)| *known == name);
        let (_, make) =
            known.ok_or_else(|| Unavailable::because(format!("there is no way called {name}")))?;
        make(options)
    }
}
