//! The parts, and the pipelines of each.

use std::error::Error;

use clap::ValueEnum;

use crate::commands::{Content, Shmcat, plain, program};
use crate::duel::{Duel, Referee};
use crate::transport::size;
use crate::transport::stage::Stage;
use crate::{reliability, table};

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Part {
    /// An empty file: `shmcat empty | shmcat` against `cat empty | cat`
    Empty,
    /// A program that knows nothing of this at one end, and shmcat or cat at the other
    Others,
    /// How many of 100 runs upgrade, and how much goes by the pipe before
    Reliability,
    /// Streams of 64 KiB to 8 MiB, with the upgrade and without
    Sizes,
}

/// The file for programs that know nothing of the upgrade; a short run's is a 16th.
const OTHERS: u64 = 256 << 20;

const SIZES: std::ops::RangeInclusive<u32> = 16..=23;

impl Part {
    /// All of them, in order.
    pub const ALL: [Part; 4] = [Part::Empty, Part::Others, Part::Reliability, Part::Sizes];

    /// As many as its question needs.
    pub fn pairs(self) -> usize {
        match self {
            Part::Empty => 500,
            Part::Others => 31,
            Part::Reliability => 100,
            Part::Sizes => 101,
        }
    }

    /// Runs it and prints a table. Whether all that ran did its work.
    pub fn run(
        self,
        shmcat: &Shmcat,
        pairs: usize,
        short: bool,
        referee: &Referee,
    ) -> Result<bool, Box<dyn Error>> {
        let decide = |title: &str, duels: &[Duel<'_>]| {
            let outcomes = referee.decide(title, duels, pairs);
            table::print(title, duels, &outcomes);
            outcomes.iter().all(Result::is_ok)
        };
        match self {
            Part::Empty => {
                let empty = Content::make(0)?;
                Ok(decide("An empty file", &[of_an_empty_file(shmcat, &empty)]))
            }
            Part::Others => {
                let content = Content::make(if short { OTHERS / 16 } else { OTHERS })?;
                let title = format!("{}, one end not upgrading", size::show(content.len));
                Ok(decide(&title, &with_others(shmcat, &content)))
            }
            Part::Reliability => reliability::run(shmcat, pairs, short, referee),
            Part::Sizes => {
                let contents = SIZES
                    .map(|bits| Content::make(1 << bits))
                    .collect::<Result<Vec<_>, std::io::Error>>()?;
                let duels: Vec<_> = contents.iter().map(|one| of_a_size(shmcat, one)).collect();
                Ok(decide("shmcat | shmcat with the upgrade, and without", &duels))
            }
        }
    }
}

fn of_an_empty_file<'a>(shmcat: &'a Shmcat, empty: &'a Content) -> Duel<'a> {
    let path = empty.path();
    Duel::new(
        "shmcat empty | shmcat : cat empty | cat",
        move || empty.through(shmcat.stage(&[path]), shmcat.stage(&[])),
        move || empty.through(program("cat", &[path]), program("cat", &[])),
    )
    .asked(1.5)
}

fn of_a_size<'a>(shmcat: &'a Shmcat, content: &'a Content) -> Duel<'a> {
    const OFF: &str = "--no-upgrade";
    let path = content.path();
    Duel::new(
        size::show(content.len),
        move || content.through(shmcat.stage(&[path]), shmcat.stage(&[])),
        move || content.through(shmcat.stage(&[OFF, path]), shmcat.stage(&[OFF])),
    )
    .asked(1.0)
}

/// In each, `cat` takes the place of shmcat and the other program stays. The first shows what
/// ratios there are between a pipeline and itself.
fn with_others<'a>(shmcat: &'a Shmcat, content: &'a Content) -> Vec<Duel<'a>> {
    const ASKED: f64 = 1.03;
    const READERS: [&[&str]; 3] = [&[], &["wc", "-c"], &["cat"]];
    const WRITERS: [&[&str]; 3] = [&[], &["cat"], &["dd", "bs=128K", "status=none"]];
    let path = content.path();
    let before = move || content.through(program("cat", &[path]), plain());
    let mut duels = vec![Duel::new("cat f | plain : itself", before, before)];
    for reader in READERS {
        let name = name(reader);
        duels.push(
            Duel::new(
                format!("shmcat f | {name} : cat f | {name}"),
                move || content.through(shmcat.stage(&[path]), stage(reader)),
                move || content.through(program("cat", &[path]), stage(reader)),
            )
            .asked(ASKED),
        );
    }
    for writer in WRITERS {
        let name = name(writer);
        duels.push(
            Duel::new(
                format!("{name} | shmcat : {name} | cat"),
                move || content.through(stage(writer), shmcat.stage(&[])),
                move || content.through(stage(writer), program("cat", &[])),
            )
            .asked(ASKED),
        );
    }
    duels
}

/// A program and its arguments; nothing is the copier of this program.
fn stage(call: &[&str]) -> Stage {
    call.split_first().map_or_else(plain, |(name, arguments)| program(name, arguments))
}

fn name(call: &[&str]) -> String {
    if call.is_empty() { "plain".into() } else { call.join(" ") }
}
