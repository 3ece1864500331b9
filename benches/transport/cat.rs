//! The installed `cat | cat`, whatever it does: GNU's up to 9.10 reads and writes, later ones and uutils' splice.

use std::io;
use std::process::Command;

use super::stage::{Stage, output_of};
use super::{Flow, Input, Output, Transport, Unavailable};

struct Cat {
    version: String,
}

/// `cat`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(Cat { version: version("cat")? }))
}

impl Transport for Cat {
    fn title(&self) -> String {
        format!("cat | cat ({})", self.version)
    }

    fn programs(&self, input: &Input, output: &dyn Output) -> Option<Result<Flow, Unavailable>> {
        let stages = || {
            let (reader, writer) =
                io::pipe().map_err(|e| Unavailable::because(format!("pipe: {e}")))?;
            let (mut left, mut right) = (Stage::program("cat"), Stage::program("cat"));
            left.stdin(input.open()?).stdout(writer);
            right.stdin(reader).stdout(output_of(output)?);
            Ok(vec![left, right].into())
        };
        Some(stages())
    }
}

/// What `program` (a name or a path) says its version is: "GNU coreutils 9.1" of "cat (GNU coreutils) 9.1".
pub fn version(program: &str) -> Result<String, Unavailable> {
    let output = Command::new(program).arg("--version").output().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            Unavailable::because(format!("the program {program} is not installed"))
        }
        _ => Unavailable::because(format!("{program}: {e}")),
    })?;
    let text = if output.status.success() { output.stdout } else { output.stderr };
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default().trim();
    let name = program.rsplit('/').next().unwrap_or(program);
    let line = line.strip_prefix(name).unwrap_or(line).replace(['(', ')'], "");
    Ok(if line.trim().is_empty() { "version unknown".into() } else { line.trim().to_owned() })
}
