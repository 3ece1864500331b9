//! What the faces of the ring have in common: how large it is and how its ends wait.

use shmpipe::{Options, Wait};

use crate::transport::{Unavailable, size};

/// What follows the name of a face: `1M`, `spin`, `sleep`, `adaptive`, in any order.
pub struct Ring {
    capacity: usize,
    wait: Wait,
    named: bool,
}

impl Ring {
    /// Reads the options.
    pub fn parse(options: &str) -> Result<Self, Unavailable> {
        let mut ring =
            Ring { capacity: Options::DEFAULT_CAPACITY, wait: Wait::Adaptive, named: false };
        for option in options.split(':').filter(|option| !option.is_empty()) {
            let wait = match option {
                "adaptive" => Wait::Adaptive,
                "spin" => Wait::Spin,
                "sleep" => Wait::Sleep,
                capacity => {
                    let capacity = size::parse(capacity).map_err(Unavailable::because)?;
                    ring.capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
                    continue;
                }
            };
            (ring.wait, ring.named) = (wait, true);
        }
        Ok(ring)
    }

    /// For a ring like that, and its ends.
    pub fn options(&self) -> Options {
        Options::new().capacity(self.capacity).wait(self.wait)
    }

    /// What a table calls `face`.
    pub fn title(&self, face: &str) -> String {
        let wait = match self.wait {
            _ if !self.named => "",
            Wait::Spin => ", spinning",
            Wait::Sleep => ", sleeping",
            _ => ", adaptive",
        };
        format!("shmpipe {face}{wait}")
    }
}
