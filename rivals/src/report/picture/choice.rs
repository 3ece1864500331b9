//! Which figures are drawn, and how.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::bars::{self, Bar, Group, Scale};
use super::lines::{self, Curve};
use super::{Failure, Picture};
use crate::harness::paired::median;
use crate::report::markdown::{figure, parts};
use crate::row::{Row, Unit};

/// What this library is called where it is a line or a bar.
const OURS: &str = "shmpipe";

/// Lines that can still be told from each other.
const MOST_LINES: usize = 9;

/// The picture that belongs to the figures of that step, if one does.
///
/// # Errors
///
/// If there is one, and the figures are not enough for it, or plotters fails.
pub fn of(step: &str, rows: &[Row]) -> Option<Result<Picture, Failure>> {
    let rows = one_each(rows);
    Some(match step {
        "throughput" => throughput(&rows),
        "round-trip" => round_trip(&rows),
        "pipeline" => pipeline(&rows),
        "many" => many(&rows),
        _ => return None,
    })
}

/// Of rows of the same work in different places that with the most pairs.
fn one_each(rows: &[Row]) -> Vec<&Row> {
    let mut chosen: Vec<&Row> = Vec::new();
    for row in rows {
        match chosen.iter_mut().find(|other| (&other.row, other.size) == (&row.row, row.size)) {
            Some(other) if other.pairs < row.pairs => *other = row,
            Some(_) => (),
            None => chosen.push(row),
        }
    }
    chosen
}

fn throughput(rows: &[&Row]) -> Result<Picture, Failure> {
    let bytes = |row: &Row, value: f64| match row.unit {
        Unit::PerSecond => value * row.size as f64,
        _ => value,
    };
    let mut ours: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    let mut theirs: Vec<Curve> = Vec::new();
    for row in rows.iter().filter(|row| row.unit != Unit::Seconds) {
        ours.entry(row.size).or_default().push(bytes(row, row.ours));
        let point = (row.size as f64, bytes(row, row.theirs));
        let name = parts(row).1;
        match theirs.iter_mut().find(|curve| curve.name == name) {
            Some(curve) => curve.points.push(point),
            None => theirs.push(Curve { name, points: vec![point], ours: false }),
        }
    }
    for curve in &mut theirs {
        curve.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    // Who was measured at few sizes is in the table, and so are other rings.
    theirs.retain(|curve| 2 * curve.points.len() > ours.len() && !curve.name.starts_with("ring"));
    let last = |curve: &Curve| curve.points.last().map_or(0.0, |point| point.1);
    // What everybody knows is there in any case.
    let key = |curve: &Curve| (curve.name == "pipe", last(curve));
    theirs.sort_by(|a, b| key(b).partial_cmp(&key(a)).unwrap_or(Ordering::Equal));
    theirs.truncate(MOST_LINES - 1);
    let points = ours.iter().map(|(size, values)| (*size as f64, median(values))).collect();
    // Drawn last, so that it lies above the others.
    theirs.push(Curve { name: OURS.into(), points, ours: true });
    let alt =
        "Bytes per second over the size of a block, for a ring and for what the kernel offers";
    let shown = |value: f64| {
        let units = [(1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")];
        // What is drawn on an axis is rounded anyway.
        let (scale, unit) =
            units.into_iter().find(|(scale, _)| value >= 0.99 * scale).unwrap_or((1.0, "B/s"));
        format!("{:.0} {unit}", value / scale)
    };
    let title = "Throughput over the size of a block, in bytes";
    let svg = lines::draw(title, &theirs, &shown, alt)?;
    Ok(Picture { name: "throughput", alt: alt.into(), svg })
}

fn round_trip(rows: &[&Row]) -> Result<Picture, Failure> {
    let groups = [
        ("8 B, there and back, slots", "a value of 8 B"),
        ("32 B, there and back, records", "a record of 32 B"),
    ];
    let groups = groups.map(|(work, title)| {
        let mut group = group(rows, work, title, Unit::Seconds);
        group.bars.sort_by(|a, b| a.value.total_cmp(&b.value));
        group
    });
    let alt = "Round trips between two processes: rings in shared memory, channels between threads, pipes and sockets";
    let title = "There and back (logarithmic; shorter is better)";
    let svg = bars::draw(title, &groups, Scale::Logarithmic, alt)?;
    Ok(Picture { name: "round-trip", alt: alt.into(), svg })
}

fn many(rows: &[&Row]) -> Result<Picture, Failure> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let work = parts(row).0;
        let title = work.split(", ").nth(1).unwrap_or(&work).to_owned();
        if groups.iter().all(|group| group.title != title) {
            groups.push(group(rows, &work, &title, row.unit));
        }
    }
    descending(&mut groups);
    let alt = "Records of 32 bytes per second from one, two and eight senders to one receiver";
    let title = "Records of 32 B per second, from several senders";
    let svg = bars::draw(title, &groups, Scale::Linear, alt)?;
    Ok(Picture { name: "many", alt: alt.into(), svg })
}

fn pipeline(rows: &[&Row]) -> Result<Picture, Failure> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let title = destination(row);
        if groups.iter().any(|group| group.title == title) {
            continue;
        }
        // A rival ran beside each way of ours, and each of ours beside every rival.
        let mut names: Vec<(String, bool, Vec<f64>)> = Vec::new();
        for row in rows.iter().filter(|row| destination(row) == title) {
            let (work, rival) = parts(row);
            let subject = work.split_once(", ").map_or(OURS, |(_, subject)| subject).to_owned();
            for (name, value, ours) in
                [(subject, row.ours, true), (called(&rival), row.theirs, false)]
            {
                match names.iter_mut().find(|(known, ..)| *known == name) {
                    Some((.., values)) => values.push(value),
                    None => names.push((name, ours, vec![value])),
                }
            }
        }
        let bar = |(name, ours, values): (String, bool, Vec<f64>)| {
            bar(name, median(&values), row.unit, ours)
        };
        groups.push(Group { title, bars: names.into_iter().map(bar).collect() });
    }
    descending(&mut groups);
    let alt =
        "Bytes per second of a file through shmcat and through other programs, by where it goes";
    let title = "A file through two processes (longer is better)";
    let svg = bars::draw(title, &groups, Scale::Linear, alt)?;
    Ok(Picture { name: "pipeline", alt: alt.into(), svg })
}

/// Where the file of a row went.
fn destination(row: &Row) -> String {
    row.row.split(", ").next().unwrap_or_default().to_owned()
}

/// This library at some work, the middle of all its comparisons, and each rival.
fn group(rows: &[&Row], work: &str, title: &str, unit: Unit) -> Group {
    let of_work = || rows.iter().filter(|row| parts(row).0 == work && row.unit == unit);
    let ours: Vec<f64> = of_work().map(|row| row.ours).collect();
    let mut bars = Vec::new();
    if !ours.is_empty() {
        bars.push(bar(OURS.into(), median(&ours), unit, true));
    }
    bars.extend(of_work().map(|row| bar(called(&parts(row).1), row.theirs, unit, false)));
    Group { title: title.to_owned(), bars }
}

fn bar(name: String, value: f64, unit: Unit, ours: bool) -> Bar {
    let (digits, unit) = figure(value, unit);
    Bar { name, value, label: format!("{digits} {unit}"), ours }
}

/// A name that is short enough for a picture.
fn called(rival: &str) -> String {
    match rival {
        "cat | cat (uutils 0.12.0)" => "uutils' cat | cat".into(),
        "unix" => "Unix socket".into(),
        "crossbeam" => "crossbeam-channel".into(),
        "aeron" | "aeron-shared" => "Aeron".into(),
        other => other.split(" (").next().unwrap_or(other).to_owned(),
    }
}

fn descending(groups: &mut [Group]) {
    for group in groups {
        group.bars.sort_by(|a, b| b.value.total_cmp(&a.value));
    }
}
