//! What a ring looks like from outside, for people and for programs.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use comfy_table::{CellAlignment, Table, presets};
use indicatif::BinaryBytes;
use serde_json::{Value, json};
use shmpipe::inspect::{Condition, EndInfo, Face, Rates, RingInfo, Role, SysvInfo};
use shmpipe::{Backend, Peer};

use crate::quote::quoted_ring;

/// One line for each ring.
pub fn table(rings: &[RingInfo]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "NAME", "ID", "BACKEND", "FACE", "OWNER", "MODE", "CAPACITY", "UNREAD", "WRITERS",
        "READER", "STATE", "PROGRESS",
    ]);
    for ring in rings {
        let last = ring.ends.iter().filter_map(|end| end.last_progress).min();
        table.add_row([
            place(ring),
            ring.sysv.as_ref().map_or_else(|| "-".to_owned(), |sysv| sysv.id.to_string()),
            backend(ring.backend).to_owned(),
            ring.face.map_or("-", face).to_owned(),
            ring.owner.to_string(),
            format!("{:04o}", ring.mode),
            ring.capacity.to_string(),
            ring.unread.to_string(),
            ends(ring, Role::Producer),
            ends(ring, Role::Consumer),
            ring.condition.to_string(),
            last.map_or_else(|| "-".to_owned(), age),
        ]);
    }
    for column in [1, 4, 6, 7, 11] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n", table.trim_fmt())
}

/// All that is known of one.
pub fn status(ring: &RingInfo, rates: Option<&Rates>) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{label:<12} {value}");
    };
    line("name", place(ring));
    line("backend", backend(ring.backend).to_owned());
    line(
        "state",
        match &ring.condition {
            Condition::Damaged(damage) => format!("damaged: {damage}"),
            condition => condition.to_string(),
        },
    );
    line("owner", format!("{}, group {}, mode {:04o}", ring.owner, ring.group, ring.mode));
    if let Some(sysv) = &ring.sysv {
        line("key", key(sysv).unwrap_or_else(|| "none".to_owned()));
        let set = sysv.set.map_or_else(|| "none".to_owned(), |set| set.to_string());
        line("id", format!("{}, of its semaphores {set}", sysv.id));
        line("created", format!("by user {}, pid {}", sysv.creator, sysv.creator_pid));
        let since = SystemTime::now().duration_since(sysv.changed).unwrap_or_default();
        line("changed", format!("{} ago", age(since)));
        line("attached", format!("{} times, last by pid {}", sysv.attached, sysv.last_pid));
    }
    let Some(kind) = ring.face else { return text };
    line(
        "face",
        match &ring.element {
            Some(element) => format!("{} of {element}", face(kind)),
            None => face(kind).to_owned(),
        },
    );
    line("capacity", format!("{} bytes", ring.capacity));
    line("unread", format!("{} bytes", ring.unread));
    line("passed", format!("{} bytes in, {} out", ring.published, ring.released));
    let flags = [(ring.persistent, "persistent"), (ring.upgraded, "upgraded pipe")];
    for (_, flag) in flags.iter().filter(|(set, _)| *set) {
        line("", (*flag).to_owned());
    }
    if let Some(many) = &ring.many {
        line("writers", format!("{} so far, at most {} at once", many.joined, many.seats));
        line("repaired", format!("{} records that dead writers left unfinished", many.repaired));
        if let Some(number) = many.held_up_by {
            line("held up by", format!("writer {number}, which has not finished its record"));
        }
    }
    if let Some(rates) = rates {
        let items =
            |rate: Option<f64>| rate.map_or_else(String::new, |n| format!(", {n:.0} items/s"));
        let rate = |bytes: f64, n| format!("{}/s{}", BinaryBytes(bytes as u64), items(n));
        line("rate in", rate(rates.bytes_in, rates.items_in));
        line("rate out", rate(rates.bytes_out, rates.items_out));
    }
    for end in &ring.ends {
        let mut label = role(end.role).to_owned();
        if let Some(number) = end.number {
            let _ = write!(label, " {number}");
        }
        let stats = &end.stats;
        line(&label, described(end));
        if end.state != Peer::NoneYet {
            line(
                "",
                format!(
                    "{} operations, {} bytes, {} sleeps ({} late), blocked for {:.3} s",
                    stats.operations,
                    stats.bytes,
                    stats.sleeps,
                    stats.late_wakeups,
                    stats.blocked.as_secs_f64(),
                ),
            );
            line(
                "",
                format!(
                    "{} dropped, {} aborted, {} leaked",
                    stats.dropped, stats.aborted, stats.leaked
                ),
            );
        }
    }
    text
}

/// The same as JSON: see `shmcat --help`.
pub fn ring_json(ring: &RingInfo) -> Value {
    json!({
        "place": ring.place.to_string(),
        "name": ring.place.name().map(|name| name.to_string_lossy()),
        "backend": backend(ring.backend),
        "face": ring.face.map(face),
        "element": ring.element.as_ref().map(|element| {
            json!({ "name": element.name, "size": element.size, "align": element.align })
        }),
        "owner": ring.owner,
        "group": ring.group,
        "mode": format!("{:04o}", ring.mode),
        "capacity": ring.capacity,
        "unread": ring.unread,
        "published": ring.published,
        "released": ring.released,
        "persistent": ring.persistent,
        "upgraded": ring.upgraded,
        "condition": ring.condition.to_string(),
        "damage": match &ring.condition {
            Condition::Damaged(damage) => Some(damage.to_string()),
            _ => None,
        },
        "ends": ring.ends.iter().map(end_json).collect::<Vec<_>>(),
        "sysv": ring.sysv.as_ref().map(|sysv| json!({
            "key": key(sysv),
            "id": sysv.id,
            "set": sysv.set,
            "creator": sysv.creator,
            "creator_pid": sysv.creator_pid,
            "attached": sysv.attached,
            "last_pid": sysv.last_pid,
            "changed": sysv.changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        })),
        "many": ring.many.as_ref().map(|many| json!({
            "seats": many.seats,
            "joined": many.joined,
            "held_up_by": many.held_up_by,
            "repaired": many.repaired,
        })),
    })
}

pub fn rates_json(rates: &Rates) -> Value {
    json!({
        "seconds": rates.over.as_secs_f64(),
        "bytes_in": rates.bytes_in,
        "bytes_out": rates.bytes_out,
        "items_in": rates.items_in,
        "items_out": rates.items_out,
    })
}

fn end_json(end: &EndInfo) -> Value {
    json!({
        "role": role(end.role),
        "number": end.number,
        "pid": end.pid,
        "state": state(end.state),
        "code": match end.state {
            Peer::Failed(code) => Some(code),
            _ => None,
        },
        "attached": end.attached,
        "last_progress_seconds": end.last_progress.map(|since| since.as_secs_f64()),
        "operations": end.stats.operations,
        "bytes": end.stats.bytes,
        "sleeps": end.stats.sleeps,
        "blocked_seconds": end.stats.blocked.as_secs_f64(),
        "late_wakeups": end.stats.late_wakeups,
        "dropped": end.stats.dropped,
        "aborted": end.stats.aborted,
        "leaked": end.stats.leaked,
    })
}

/// As ipcs shows it.
fn key(sysv: &SysvInfo) -> Option<String> {
    (sysv.key != 0).then(|| format!("{:#010x}", sysv.key))
}

fn place(ring: &RingInfo) -> String {
    match ring.place.name() {
        Some(name) => quoted_ring(name),
        None => ring.place.to_string(),
    }
}

/// The pid and state of one, or how many of many there are.
fn ends(ring: &RingInfo, role: Role) -> String {
    let ends: Vec<_> = ring.ends_of(role).collect();
    match ends.as_slice() {
        [] => "-".to_owned(),
        [end] if end.state == Peer::NoneYet => "-".to_owned(),
        [end] => format!("{} {}", end.pid, state(end.state)),
        ends => {
            let attached = ends.iter().filter(|end| end.attached).count();
            format!("{attached} of {}", ends.len())
        }
    }
}

fn described(end: &EndInfo) -> String {
    if end.state == Peer::NoneYet {
        return "none yet".to_owned();
    }
    let mut text = format!("pid {}, {}", end.pid, state(end.state));
    if let Peer::Failed(code) = end.state {
        let _ = write!(text, " with code {code}");
    }
    match (end.state, end.last_progress) {
        (Peer::Waiting, Some(since)) => {
            let whom = match end.role {
                Role::Producer => "reader",
                Role::Consumer => "writer",
            };
            let _ = write!(text, " for the {whom} for {}", age(since));
        }
        (_, Some(since)) => {
            let _ = write!(text, ", last progress {} ago", age(since));
        }
        (_, None) => {}
    }
    if end.attached && !matches!(end.state, Peer::Alive | Peer::Waiting) {
        text.push_str(", still there");
    }
    text
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Producer => "writer",
        Role::Consumer => "reader",
    }
}

fn backend(backend: Backend) -> &'static str {
    match backend {
        Backend::Posix => "posix",
        Backend::Memfd => "memfd",
        Backend::SystemV => "sysv",
        _ => "other",
    }
}

fn face(face: Face) -> &'static str {
    match face {
        Face::Stream => "bytes",
        Face::Record => "records",
        Face::Slot => "slots",
        Face::Many => "many",
        _ => "other",
    }
}

fn state(state: Peer) -> &'static str {
    match state {
        Peer::NoneYet => "none-yet",
        Peer::Alive => "alive",
        Peer::Waiting => "waiting",
        Peer::Finished => "finished",
        Peer::Failed(_) => "failed",
        Peer::Dropped => "dropped",
        Peer::Died => "died",
        Peer::Replaced => "replaced",
        _ => "other",
    }
}

fn age(since: Duration) -> String {
    match since.as_secs() {
        0..60 => format!("{:.1} s", since.as_secs_f64()),
        seconds @ 60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        seconds => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}
