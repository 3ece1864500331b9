//! How many runs upgrade, and how much goes by the pipe before, by what each shmcat says of itself.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek};

use serde_json::Value;

use crate::commands::{Content, Shmcat};
use crate::duel::Referee;
use crate::harness::bar;
use crate::harness::paired::median;
use crate::transport::stage::Stage;

/// As the issue tracker asks: 100 MB. A short run's is enough to upgrade too.
const LEN: [u64; 2] = [100_000_000, 16_000_000];

/// Of 100 runs so many have to upgrade, and none may send more by the pipe than this.
const ASKED: (usize, u64) = (99, 2 << 20);

/// What a run brought.
struct Run {
    ms: f64,
    shm: u64,
    pipe: u64,
}

/// Runs `shmcat f | shmcat > /dev/null` so many times. Whether every byte of
/// every run was accounted for.
pub fn run(
    shmcat: &Shmcat,
    runs: usize,
    short: bool,
    referee: &Referee,
) -> Result<bool, Box<dyn Error>> {
    let content = Content::make(LEN[usize::from(short)])?;
    let bar = bar::of_runs(runs as u64);
    bar.set_message("reliability");
    let mut all = Vec::with_capacity(runs);
    for index in 0..runs {
        let run = once(shmcat, &content, referee)?;
        if referee.each {
            let line =
                format!("{:3}  {:.2} ms  shm {}  pipe {}", index + 1, run.ms, run.shm, run.pipe);
            bar.suspend(|| println!("{line}"));
        }
        all.push(run);
        bar.inc(1);
    }
    bar.finish_and_clear();
    print(&all, content.len);
    Ok(all.iter().all(|run| run.shm + run.pipe == content.len))
}

fn once(shmcat: &Shmcat, content: &Content, referee: &Referee) -> Result<Run, Box<dyn Error>> {
    let stats = |mut stage: Stage| -> Result<(Stage, File), std::io::Error> {
        let said = tempfile::tempfile()?;
        stage.stderr(said.try_clone()?);
        Ok((stage, said))
    };
    let (left, _) = stats(shmcat.stage(&["--stats=json", content.path()]))?;
    let (right, said) = stats(shmcat.stage(&["--stats=json"]))?;
    let cost = referee.once(content.through(left, right))?;
    let came = came(said)?;
    let by = |transport: &str| came[transport].as_u64().unwrap_or(0);
    Ok(Run { ms: cost.time.as_secs_f64() * 1e3, shm: by("shm"), pipe: by("pipe") })
}

/// How the bytes came to the reader, of what it said.
fn came(mut said: File) -> Result<Value, Box<dyn Error>> {
    let mut text = String::new();
    said.rewind()?;
    said.read_to_string(&mut text)?;
    let stats: Value = serde_json::from_str(&text).map_err(|e| {
        format!("instead of its statistics the reader said “{}” ({e})", text.trim())
    })?;
    match &stats["in"] {
        Value::Null => Err("this shmcat does not say how its bytes came".into()),
        came => Ok(came.clone()),
    }
}

fn print(runs: &[Run], len: u64) {
    let upgraded: Vec<&Run> = runs.iter().filter(|run| run.shm > 0).collect();
    let pipes: Vec<f64> = upgraded.iter().map(|run| run.pipe as f64).collect();
    let most = upgraded.iter().map(|run| run.pipe).max().unwrap_or(0);
    let (share, limit) = ASKED;
    let reached = upgraded.len() * 100 >= share * runs.len() && most <= limit;
    println!(
        "\n{} runs of shmcat f | shmcat > /dev/null, f of {} MB\n",
        runs.len(),
        len / 1_000_000
    );
    println!(" upgraded: {}", upgraded.len());
    println!(" bytes by the pipe before: median {:.0}, most {most}", median(&pipes));
    println!(" median {:.1} ms", median(&runs.iter().map(|run| run.ms).collect::<Vec<_>>()));
    println!(
        " asked: {share} of 100, at most {limit} bytes: {}",
        if reached { "reached" } else { "missed" }
    );
    let wrong = runs.iter().filter(|run| run.shm + run.pipe != len).count();
    if wrong > 0 {
        println!(" FAILED: in {wrong} runs not every byte was accounted for");
    }
}
