//! Builds what is measured, all of it before anything is.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::child;
use super::step::{Program, Step};
use crate::pipeline::shmcat::executables;

/// The programs that are there now, by what their steps are called, and why others are not.
#[derive(Default)]
pub struct Built {
    programs: HashMap<&'static str, Result<PathBuf, String>>,
    shmcat: Option<PathBuf>,
}

impl Built {
    /// The program of a step.
    ///
    /// # Errors
    ///
    /// If it could not be built, with the reason.
    pub fn program(&self, step: &Step) -> Result<PathBuf, String> {
        match step.program {
            // Not its path: that may lead to a newer build by now.
            Program::Own(_) => Ok("/proc/self/exe".into()),
            _ => self.programs.get(step.name).cloned().unwrap_or(Err("it was not built".into())),
        }
    }

    /// The shmcat that belongs to them.
    pub fn shmcat(&self) -> Option<&Path> {
        self.shmcat.as_deref()
    }

    /// Builds the examples, which some steps need besides their own program, and the
    /// benches of those steps, one by one, so that one that does not build stops no other.
    /// `watch` is shown what cargo says.
    ///
    /// # Errors
    ///
    /// If cargo cannot be started.
    pub fn of(steps: &[Step], root: &Path, mut watch: impl FnMut(&str)) -> io::Result<Self> {
        let mut built = Built::default();
        if steps.iter().all(|step| !step.needs_cargo()) {
            return Ok(built);
        }
        let benches = benches(root)?;
        let examples = cargo(root, &["build", "--release", "--examples"], &mut watch)?;
        built.shmcat = examples.as_ref().ok().and_then(|found| found.get("shmcat")).cloned();
        for step in steps {
            let program = match step.program {
                Program::Own(_) => continue,
                Program::Example(name) => one(&examples, name),
                Program::Bench(name) if benches.iter().any(|bench| bench == name) => {
                    one(&cargo(root, &["bench", "--no-run", "--bench", name], &mut watch)?, name)
                }
                Program::Bench(name) => Err(format!("there is no bench called {name}")),
            };
            built.programs.insert(step.name, program);
        }
        Ok(built)
    }
}

type Found = Result<HashMap<String, PathBuf>, String>;

fn one(found: &Found, name: &str) -> Result<PathBuf, String> {
    let found = found.as_ref().map_err(Clone::clone)?;
    found.get(name).cloned().ok_or_else(|| format!("cargo built no {name}"))
}

/// The names of the benches that the package has.
fn benches(root: &Path) -> io::Result<Vec<String>> {
    let mut command = command(root);
    command.args(["metadata", "--no-deps", "--format-version", "1"]);
    let said = child::run(command, true, |_| ())?;
    let metadata: Value = serde_json::from_slice(&said.output)
        .map_err(|_| io::Error::other(format!("cargo metadata: {}", said.reason())))?;
    let targets = metadata["packages"][0]["targets"].as_array().cloned().unwrap_or_default();
    let is_bench = |target: &&Value| target["kind"][0] == "bench";
    let name = |target: &Value| target["name"].as_str().map(str::to_owned);
    Ok(targets.iter().filter(is_bench).filter_map(name).collect())
}

fn command(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

fn cargo(root: &Path, arguments: &[&str], watch: &mut dyn FnMut(&str)) -> io::Result<Found> {
    let mut command = command(root);
    command.args(arguments).args(["--message-format", "json-render-diagnostics"]);
    let said = child::run(command, true, watch)?;
    Ok(match said.failure {
        Some(_) => Err(format!("it does not build: {}", said.reason())),
        None => Ok(executables(&said.output).collect()),
    })
}
