//! uutils' `cat | cat`, which splices. The code of its package runs in processes of this program,
//! so that it is there wherever this program is.

use std::ffi::OsString;

use crate::transport::stage::{ROLE_FLAG, Stage, piped};
use crate::transport::{Flow, Input, Output, Transport, Unavailable};

const ROLE: &str = "uu-cat";

/// uutils' `cat | cat`.
pub struct UuCat;

impl Transport for UuCat {
    fn title(&self) -> String {
        "cat | cat (uutils 0.12.0)".into()
    }

    fn programs(&self, input: &Input, output: &dyn Output) -> Option<Result<Flow, Unavailable>> {
        let stage = || Stage::role(ROLE, &[ROLE]);
        Some(piped([stage(), stage()], input, output))
    }
}

/// Is `cat` if this process was started for that, and exits; returns if it was not.
pub fn run_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|flag| flag == ROLE_FLAG)
        && arguments.next().is_some_and(|role| role == ROLE)
    {
        let _ = std::fs::write("/proc/self/comm", ROLE);
        std::process::exit(uu_cat::uumain([OsString::from("cat")].into_iter()));
    }
}
