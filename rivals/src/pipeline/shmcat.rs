//! Where shmcat is.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The path of the shmcat that was asked for, or of the one that cargo builds now, or finds built.
///
/// # Errors
///
/// If cargo cannot be started or does not build it.
pub fn find(asked: Option<&Path>) -> Result<String, String> {
    let path = match asked {
        Some(path) => path.to_owned(),
        None => build().map_err(|e| format!("building shmcat: {e}; give one with --shmcat"))?,
    };
    Ok(path.to_string_lossy().into_owned())
}

fn build() -> io::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--example", "shmcat", "--message-format"]);
    cargo.args(["json-render-diagnostics", "--manifest-path"]).arg(manifest);
    let built = cargo.stderr(Stdio::inherit()).output()?;
    if !built.status.success() {
        return Err(io::Error::other(format!("cargo ended with {}", built.status)));
    }
    let found = executables(&built.stdout).find(|(name, _)| name == "shmcat");
    found.map(|(_, path)| path).ok_or_else(|| io::Error::other("cargo does not say where it is"))
}

/// The programs in what cargo says it has built: name and path.
pub fn executables(messages: &[u8]) -> impl Iterator<Item = (String, PathBuf)> + '_ {
    messages.split(|byte| *byte == b'\n').filter_map(|line| {
        let message: Value = serde_json::from_slice(line).ok()?;
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, message["executable"].as_str()?.into()))
    })
}
