//! The installed programs that copy their standard input to their standard output,
//! each twice with a pipe in between.
//!
//! They do what they do: GNU's `cat` up to 9.10 reads and writes, later ones and uutils' splice;
//! `pv` splices where it can; `mbuffer` reads and writes in two threads. **To add one**: a [`Tool`]
//! with a `make` function, and a row in `TRANSPORTS`.

use std::io;
use std::process::Command;

use super::stage::{Stage, piped};
use super::{Flow, Input, Output, Transport, Unavailable};

/// A program, by what it is called for people and how it may be called here:
/// the first that is installed.
struct Tool {
    name: &'static str,
    calls: &'static [&'static [&'static str]],
}

/// `cat`.
pub fn cat(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Tool { name: "cat", calls: &[&["cat"]] }.find()
}

/// `uu-cat`: one of a multi-call program, of packages that keep it beside
/// GNU's, or under a name of its own.
pub fn uu_cat(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    let calls: &[&[&str]] =
        &[&["coreutils", "cat"], &["/usr/lib/cargo/bin/coreutils/cat"], &["uu-cat"], &["uu_cat"]];
    Tool { name: "cat", calls }.find()
}

/// `pv`.
pub fn pv(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Tool { name: "pv", calls: &[&["pv", "-q"]] }.find()
}

/// `mbuffer`.
pub fn mbuffer(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Tool { name: "mbuffer", calls: &[&["mbuffer", "-q"]] }.find()
}

impl Tool {
    fn find(self) -> Result<Box<dyn Transport>, Unavailable> {
        let found = self.calls.iter().find_map(|call| Some((*call, version(call).ok()?)));
        let (call, version) = found.ok_or_else(|| {
            let tried: Vec<String> = self.calls.iter().map(|call| call.join(" ")).collect();
            Unavailable::because(format!("no program is installed as {}", tried.join(" or ")))
        })?;
        Ok(Box::new(Installed { name: self.name, call, version }))
    }
}

struct Installed {
    name: &'static str,
    call: &'static [&'static str],
    version: String,
}

impl Transport for Installed {
    fn title(&self) -> String {
        format!("{0} | {0} ({1})", self.name, self.version)
    }

    fn carries_memory(&self) -> bool {
        false
    }

    fn programs(&self, input: &Input, output: &dyn Output) -> Option<Result<Flow, Unavailable>> {
        let stage = || {
            let mut stage = Stage::program(self.call[0]);
            self.call[1..].iter().for_each(|argument| {
                stage.arg(argument);
            });
            stage
        };
        Some(piped([stage(), stage()], input, output))
    }
}

/// What the program that is called so says its version is: "GNU coreutils 9.1"
/// of "cat (GNU coreutils) 9.1".
pub fn version(call: &[&str]) -> Result<String, Unavailable> {
    let program = call[0];
    let output = Command::new(program).args(&call[1..]).arg("--version").output();
    let output = output.map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            Unavailable::because(format!("the program {program} is not installed"))
        }
        _ => Unavailable::because(format!("{program}: {e}")),
    })?;
    if !output.status.success() && call.len() > 1 {
        return Err(Unavailable::because(format!("{program} does not know {:?}", &call[1..])));
    }
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Ok(version_in(&String::from_utf8_lossy(&text)))
}

/// The version on the first line of what `--version` printed, without the
/// program's name and the author's.
fn version_in(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().split(" - ").next().unwrap_or_default();
    let rest = line.trim().split_once(' ').map_or("", |(_name, rest)| rest);
    let rest = rest.strip_prefix("version ").unwrap_or(rest).replace(['(', ')'], "");
    if rest.is_empty() { "version unknown".into() } else { rest }
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn versions_are_found() {
        for (text, version) in [
            ("cat (GNU coreutils) 9.1\nCopyright", "GNU coreutils 9.1"),
            ("cat (uutils coreutils) 0.12.0", "uutils coreutils 0.12.0"),
            ("pv 1.6.20 - Copyright 2015 A. B.", "1.6.20"),
            ("mbuffer version R20230301\n", "R20230301"),
            ("shmcat 0.1.0", "0.1.0"),
            ("", "version unknown"),
        ] {
            assert_eq!(version_in(text), version);
        }
    }
}
