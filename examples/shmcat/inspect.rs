//! `--list`, `--status`, `--remove` and `--repair`: rings seen from outside.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use shmpipe::inspect::{self, Force, Repair, RingInfo};

use crate::args::Inspect;
use crate::exit::Failure;
use crate::quote::quoted;
use crate::report::reason;
use crate::show;

/// How long `--status` looks without being told.
const SAMPLE: Duration = Duration::from_millis(500);

/// Does what was asked for, if anything was.
///
/// # Errors
///
/// It could not be done, or its result not be written.
pub fn run(asked: &Inspect) -> Option<Result<bool, Failure>> {
    let outcome = if asked.list {
        list(asked.json)
    } else if let Some(place) = &asked.status {
        status(place, asked.sample.unwrap_or(SAMPLE), asked.json)
    } else if let Some(name) = &asked.remove {
        match name {
            Some(name) => remove(name, asked.force, asked.json),
            None => remove_orphaned(asked),
        }
    } else if let Some(name) = &asked.repair {
        repair(name, asked.json)
    } else {
        return None;
    };
    Some(outcome.map(|()| true))
}

fn list(json: bool) -> Result<(), Failure> {
    let rings = inspect::list().map_err(Failure::said)?;
    match json {
        true => print(Value::Array(rings.iter().map(show::ring_json).collect())),
        false => print(show::table(&rings)),
    }
}

fn status(place: &OsStr, sample: Duration, json: bool) -> Result<(), Failure> {
    let look = || inspect::status(place).map_err(|error| failure(place, &error));
    let earlier = look()?;
    let (ring, rates) = if sample.is_zero() {
        (earlier, None)
    } else {
        thread::sleep(sample);
        // Gone since: then this is the last that was seen of it.
        let ring = look().unwrap_or_else(|_| earlier.clone());
        let rates = ring.rates_since(&earlier);
        (ring, rates)
    };
    match json {
        true => {
            let mut all = show::ring_json(&ring);
            all["rates"] = rates.as_ref().map_or(Value::Null, show::rates_json);
            print(all)
        }
        false => print(show::status(&ring, rates.as_ref())),
    }
}

fn remove(name: &OsStr, force: bool, json: bool) -> Result<(), Failure> {
    let force = if force { Force::Yes } else { Force::No };
    inspect::remove(name, force).map_err(|error| failure(name, &error))?;
    match json {
        true => print(json!({ "removed": [name.to_string_lossy()] })),
        false => Ok(()),
    }
}

fn remove_orphaned(asked: &Inspect) -> Result<(), Failure> {
    let prefix = asked.orphaned.as_deref().unwrap_or(OsStr::new("/"));
    let removed = inspect::remove_orphaned(prefix);
    let removed = removed.map_err(|error| match error.ring() {
        Some(name) => failure(name, &error),
        None => Failure::said(error.kind()),
    })?;
    let names = removed.iter().filter_map(|ring: &RingInfo| ring.place.name());
    match asked.json {
        true => {
            let names: Vec<_> = names.map(OsStr::to_string_lossy).collect();
            print(json!({ "removed": names }))
        }
        false => print(names.map(|name| format!("removed {}\n", quoted(name))).collect::<String>()),
    }
}

fn repair(name: &OsStr, json: bool) -> Result<(), Failure> {
    let done = inspect::repair(name).map_err(|error| failure(name, &error))?;
    if json {
        let done: Vec<_> = done
            .iter()
            .filter_map(|repair| match repair {
                Repair::RemainsRemoved => Some(json!({ "what": "remains-removed" })),
                Repair::SeatFreed { pid } => Some(json!({ "what": "seat-freed", "pid": pid })),
                _ => None,
            })
            .collect();
        return print(json!({ "name": name.to_string_lossy(), "repaired": done }));
    }
    let name = quoted(name);
    let line = |repair: &Repair| match repair {
        Repair::RemainsRemoved => format!("{name}: removed what its dead builder left\n"),
        Repair::SeatFreed { pid } => {
            format!("{name}: freed the place of a dead writer, pid {pid}\n")
        }
        other => format!("{name}: {other:?}\n"),
    };
    match done.as_slice() {
        [] => print(format!("{name}: nothing to repair\n")),
        done => print(done.iter().map(line).collect::<String>()),
    }
}

fn failure(place: &OsStr, error: &inspect::Error) -> Failure {
    let hint = match error.kind() {
        inspect::ErrorKind::InUse { .. } => "; --force removes it all the same",
        _ => "",
    };
    Failure::said(format_args!("{}: {}{hint}", quoted(place), error.kind()))
}

/// To standard output. JSON is one line.
fn print(what: impl Display) -> Result<(), Failure> {
    let text = what.to_string();
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let mut stdout = io::stdout().lock();
    let written =
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(newline.as_bytes()));
    written.and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
        _ => Failure::said(format_args!("write error: {}", reason(&error))),
    })
}
