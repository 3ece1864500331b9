//! The programs that shmcat is compared with.

use std::path::PathBuf;

use super::uu_cat::UuCat;
use crate::transport::stage::{Stage, piped};
use crate::transport::{Flow, Input, Output, Rival, Transport, Unavailable};

/// Each, or why it cannot be used here, and what it is called: GNU's (or whichever is installed)
/// `cat`, uutils' `cat`, `pv`, `mbuffer`, and the programs at the paths.
pub fn all(paths: &[PathBuf]) -> Vec<(Result<Rival, Unavailable>, String)> {
    let installed = |name: &str| (Rival::parse(name), name.to_owned());
    let own = |name: &str, transport: Box<dyn Transport>| {
        (Ok(Rival { spec: name.to_owned(), transport }), name.to_owned())
    };
    let mut all = vec![
        installed("cat"),
        own("uu-cat", Box::new(UuCat)),
        installed("pv"),
        installed("mbuffer"),
    ];
    all.extend(paths.iter().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        own(&name, Box::new(Program(path.clone())))
    }));
    all
}

/// A program twice, with a pipe in between.
struct Program(PathBuf);

impl Transport for Program {
    fn title(&self) -> String {
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} | {name}")
    }

    fn programs(&self, input: &Input, output: &dyn Output) -> Option<Result<Flow, Unavailable>> {
        Some(piped([Stage::program(&self.0), Stage::program(&self.0)], input, output))
    }
}
