//! Rows as tables of BENCHMARKS.md.

use serde_json::Value;

use super::page::cell;
use crate::row::{Both, Counted, Row, Unit};
use crate::transport::size;

/// From so many lines on a table is folded up.
const LONG: usize = 40;

/// A table of rows, in their order. Columns that no row has a figure for are left out.
pub fn table(rows: &[Row]) -> String {
    let with_cpu = rows.iter().any(|row| row.cpu_s_per_gb.is_some());
    let with_calls = rows.iter().any(|row| row.calls_per_mb.is_some());
    // Rows of several tables say in which they are.
    let several = rows.iter().any(|row| row.table != rows[0].table);
    let mut header = vec!["", "beside", "ours and theirs", "times as fast (quartiles)", "pairs"];
    header.extend(with_cpu.then_some("CPU s/GB"));
    header.extend(with_calls.then_some(["calls/MB", "crossed"]).into_iter().flatten());
    header.push("line, ns");
    let mut lines = vec![line(&header), line(&vec!["---"; header.len()])];
    let mut last = String::new();
    for row in rows {
        let (what, whom) = if several { (row.table.clone(), row.row.clone()) } else { parts(row) };
        // Said once for all who do the same.
        let shown = if what == last { String::new() } else { escaped(&what) };
        last = what;
        let mut cells = vec![shown, escaped(&whom), figures(row), ratio(row)];
        cells.push(row.pairs.to_string());
        cells.extend(with_cpu.then(|| row.cpu_s_per_gb.map(cpu).unwrap_or_default()));
        if with_calls {
            cells.extend([row.calls_per_mb, row.crossed_per_byte].map(counted));
        }
        cells.push(row.line_ns.map_or("one CPU".into(), |line| span(line.before, line.after)));
        lines.push(line(&cells));
    }
    let table = lines.join("\n");
    if rows.len() < LONG {
        return table;
    }
    format!("<details><summary>{} comparisons</summary>\n\n{table}\n\n</details>", rows.len())
}

/// A table of objects, by the keys of the first.
pub fn table_of_values(values: &[Value]) -> String {
    let first = values.first().and_then(Value::as_object);
    let keys: Vec<&String> = first.map(|first| first.keys().collect()).unwrap_or_default();
    let mut lines = vec![line(&keys), line(&vec!["---"; keys.len()])];
    lines.extend(values.iter().map(|value| {
        let cells: Vec<String> = keys.iter().map(|key| cell(&value[key.as_str()])).collect();
        line(&cells)
    }));
    lines.join("\n")
}

/// What was done, with the size, and beside whom. Where a row says both, the work comes first: in
/// this program's own rows all but the last part, in those of the benches so many as they have,
/// because what they call a rival has parts, too.
pub fn parts(row: &Row) -> (String, String) {
    let size = size::show(row.size);
    let own = ["slots", "records", "many", "round-trip", "pipeline"].contains(&&*row.table);
    let pieces: Vec<&str> = row.row.split(", ").collect();
    let work = match pieces.len() {
        1 => 0,
        count if own => count - 1,
        // How long a file is, is no part of what is compared.
        _ if row.row.starts_with("to ") => 1,
        count if pieces[0] == size => 2.min(count - 1),
        _ => 0,
    };
    let (work, rival) = pieces.split_at(work);
    (if work.is_empty() { size } else { work.join(", ") }, rival.join(", "))
}

fn line(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | "))
}

/// Text that does not end its cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Both figures, and their unit once if it is the same.
fn figures(row: &Row) -> String {
    let (ours, unit) = figure(row.ours, row.unit);
    let (theirs, its) = figure(row.theirs, row.unit);
    if unit == its {
        format!("{ours} and {theirs} {unit}")
    } else {
        format!("{ours} {unit} and {theirs} {its}")
    }
}

/// A figure with three digits, and its unit.
pub fn figure(value: f64, unit: Unit) -> (String, &'static str) {
    let scales: &[(f64, &str)] = match unit {
        Unit::PerSecond => &[(1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")],
        Unit::BytesPerSecond => &[(1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")],
        Unit::Seconds => &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")],
    };
    // Thousands of a unit are as short as a tenth of the next.
    let fits = |(scale, _): &&(f64, &str)| value >= 0.1 * scale && unit != Unit::Seconds;
    let whole = |(scale, _): &&(f64, &str)| value >= *scale;
    let last = &scales[scales.len() - 1];
    let (scale, name) = scales.iter().find(|scale| fits(scale) || whole(scale)).unwrap_or(last);
    (digits(value / scale), name)
}

/// Three digits, and no fewer than there are before the point.
pub fn digits(value: f64) -> String {
    let places = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.places$}")
}

/// Bold where at least three quarters of the pairs were faster.
fn ratio(row: &Row) -> String {
    let ratio = row.ratio;
    let median = digits(ratio.median);
    let median = if ratio.q1 > 1.0 { format!("**{median}**") } else { median };
    format!("{median} ({}–{})", digits(ratio.q1), digits(ratio.q3))
}

fn cpu(cpu: Both) -> String {
    format!("{} and {}", digits(cpu.ours), digits(cpu.theirs))
}

/// What is not known is a dash.
fn counted(counted: Option<Counted>) -> String {
    let shown = |count: Option<f64>| count.map_or("–".into(), digits);
    counted.map_or_else(String::new, |of| format!("{} and {}", shown(of.ours), shown(of.theirs)))
}

fn span(before: f64, after: f64) -> String {
    let (before, after) = (format!("{before:.0}"), format!("{after:.0}"));
    if before == after { before } else { format!("{before}–{after}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Line, Ratio};

    fn row(name: &str, unit: Unit, ours: f64, theirs: f64) -> Row {
        Row {
            table: "records".into(),
            row: name.into(),
            size: 32,
            unit,
            ours,
            theirs,
            ratio: Ratio { median: ours / theirs, q1: 0.9, q3: 123.4 },
            pairs: 11,
            cpu_s_per_gb: None,
            line_ns: Some(Line { before: 64.2, after: 66.4 }),
            calls_per_mb: None,
            crossed_per_byte: None,
        }
    }

    #[test]
    fn a_table_says_what_is_common_once() {
        let mut rows = [
            row("32 B, one by one, rtrb", Unit::PerSecond, 1.5e8, 1e8),
            row("32 B, one by one, a | b", Unit::PerSecond, 1.5e8, 3e5),
        ];
        rows[1].ratio.q1 = 1.1;
        let expected = "|  | beside | ours and theirs | times as fast (quartiles) | pairs | line, ns |\n\
            | --- | --- | --- | --- | --- | --- |\n\
            | 32 B, one by one | rtrb | 150 and 100 M/s | 1.50 (0.90–123) | 11 | 64–66 |\n\
            |  | a \\| b | 150 and 0.30 M/s | **500** (1.10–123) | 11 | 64–66 |";
        assert_eq!(table(&rows), expected);
        rows[1].cpu_s_per_gb = Some(Both { ours: 0.1, theirs: 22.0 });
        assert!(table(&rows).contains("| 0.10 and 22.0 | 64–66 |"));
        rows[0].table = "in memory".into();
        rows[0].calls_per_mb = Some(Counted { ours: Some(0.0), theirs: None });
        rows[0].crossed_per_byte = Some(Counted { ours: Some(2.0), theirs: Some(4.0) });
        let expected = "| in memory | 32 B, one by one, rtrb | 150 and 100 M/s | 1.50 (0.90–123) \
            | 11 |  | 0.00 and – | 2.00 and 4.00 | 64–66 |\n| records |";
        assert!(table(&rows).contains(expected), "{}", table(&rows));
        let many = vec![rows[0].clone(); LONG];
        assert!(table(&many).starts_with("<details><summary>40 comparisons</summary>\n\n| "));
    }

    #[test]
    fn figures_are_short() {
        for (value, unit, text) in [
            (9.1e-8, Unit::Seconds, "91.0 ns"),
            (3.85e-5, Unit::Seconds, "38.5 µs"),
            (1.22e10, Unit::BytesPerSecond, "12.2 GB/s"),
            (7.5e8, Unit::BytesPerSecond, "0.75 GB/s"),
            (1.0, Unit::BytesPerSecond, "1.00 B/s"),
            (2.5e4, Unit::PerSecond, "25.0 k/s"),
        ] {
            let (digits, unit) = figure(value, unit);
            assert_eq!(format!("{digits} {unit}"), text);
        }
    }

    #[test]
    fn rows_of_benches_have_rivals_of_several_parts() {
        for (table, name, expected) in [
            ("throughput", "pair, stream", ["32 B", "pair, stream"]),
            (
                "mpsc",
                "32 B, 2 senders, records, sleeping",
                ["32 B, 2 senders", "records, sleeping"],
            ),
            ("dataflow", "to /dev/null, splice, pipe", ["to /dev/null", "splice, pipe"]),
            ("pipeline", "to /dev/null, shmcat, cat", ["to /dev/null, shmcat", "cat"]),
            (
                "round-trip",
                "32 B, there and back, slots, rtrb",
                ["32 B, there and back, slots", "rtrb"],
            ),
        ] {
            let row = Row { table: table.into(), ..row(name, Unit::Seconds, 1.0, 1.0) };
            assert_eq!(parts(&row), (expected[0].into(), expected[1].into()));
        }
    }
}
