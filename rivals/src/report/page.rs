//! The parts of BENCHMARKS.md that are made.

use std::time::Duration;

use serde_json::Value;

use super::progress::shown;
use super::run::{Figures, Outcome, Run};
use super::{markdown, step};

/// Where, when and of what was measured.
pub fn machine(run: &Run) -> String {
    let machine = &run.machine;
    let lines = [
        ("CPU", &machine.cpu),
        ("CPUs", &machine.cpus),
        ("caches", &machine.caches),
        ("memory", &machine.memory),
        ("Linux", &machine.kernel),
        ("glibc", &machine.glibc),
        ("Rust", &machine.rustc),
        ("date", &machine.date),
        ("commit", &machine.sources()),
    ];
    let lines = lines.map(|(name, value)| format!("| {name} | {} |", value.replace('|', "\\|")));
    format!("| | |\n|---|---|\n{}", lines.join("\n"))
}

/// What was run, in which order, and for how long.
pub fn commands(run: &Run) -> String {
    let all = step::ALL.iter().filter_map(|step| run.steps.get(step.name));
    let lines = all.clone().map(|outcome| {
        let time = shown(Duration::from_secs_f64(outcome.seconds));
        format!("    {}    # {time}", outcome.command)
    });
    let lines: Vec<String> = lines.collect();
    let total = shown(Duration::from_secs_f64(all.map(|outcome| outcome.seconds).sum()));
    format!("    {}    # {total}, which ran\n\n{}", run.command, lines.join("\n"))
}

/// A step's picture and table, or why there are none, and of which run they are.
pub fn part(
    run: &Run,
    outcome: &Outcome,
    figures: Result<&Figures, &String>,
    picture: Option<&str>,
) -> String {
    let machine = &run.machine;
    let of = format!(
        "*{}, {}, commit {}: `{}`*",
        machine.date,
        machine.cpu,
        machine.sources(),
        outcome.command
    );
    let table = match figures {
        Ok(Figures::Rows(rows)) => markdown::table(rows),
        Ok(Figures::Other(values)) => markdown::table_of_values(values),
        Err(reason) => format!("Not measured: {}.", one_line(reason).trim_end_matches('.')),
    };
    let failure = outcome.failure.as_ref().filter(|_| figures.is_ok());
    let failure =
        failure.map(|reason| format!("**Failed**: {}", one_line(reason))).unwrap_or_default();
    let left_out: Vec<String> =
        outcome.left_out.iter().map(|line| format!("- {}", one_line(line))).collect();
    let left_out = if left_out.is_empty() {
        String::new()
    } else {
        format!("Left out:\n\n{}", left_out.join("\n"))
    };
    let parts = [picture.unwrap_or_default(), &table, &failure, &left_out, &of];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n\n")
}

/// Nothing in it that ends a paragraph or begins a mark of ours.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace("<!--", "")
}

/// A cell of a table whose columns are not known beforehand.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace('|', "\\|"),
        Value::Number(number) => match number.as_f64() {
            Some(value) if number.as_u64().is_none() => markdown::digits(value),
            _ => number.to_string(),
        },
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key} {}", cell(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
