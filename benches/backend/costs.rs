//! What it takes to attach to a ring that exists, to list many, and to be
//! looked at a hundred times a second.

use std::cell::RefCell;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use shmpipe::inspect::{self, Force};
use shmpipe::record::Sender;
use shmpipe::slot::{Consumer, Producer};
use shmpipe::{Key, Options};

use crate::harness::cpu;
use crate::harness::paired::{in_turns, median, overall};
use crate::transport::size;

/// How many rings are listed.
const MANY: usize = 500;

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(10);

/// Names that are removed again.
struct Names(Vec<OsString>);

impl Drop for Names {
    fn drop(&mut self) {
        for name in &self.0 {
            let _ = inspect::remove(name, Force::Yes);
        }
    }
}

/// So many names of one backend.
fn names(sysv: bool, count: usize) -> Names {
    let pid = std::process::id();
    Names(match sysv {
        // From 1 << 30 on, where the other half of this bench has none.
        true => (0..count as u32)
            .map(|n| Key::raw((1 << 30 | (pid & 0xf_ffff) << 10 | n) as i32))
            .map(|key| AsRef::<OsStr>::as_ref(&key).to_owned())
            .collect(),
        false => (0..count).map(|n| format!("/shmpipe-bench-cost-{pid}-{n}").into()).collect(),
    })
}

#[derive(Parser)]
struct Args {
    /// So many samples, or pairs
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "21")]
    costs: usize,

    /// How long a sample should take
    #[arg(long, value_name = "MS", default_value_t = 100)]
    sample_ms: u64,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// Measures and exits, if the command line asks for that.
pub fn run_if_asked() {
    if std::env::args().any(|argument| argument.starts_with("--costs")) {
        let args = Args::parse();
        let done = run(args.costs, Duration::from_millis(args.sample_ms));
        if let Err(why) = &done {
            eprintln!("backend: {why}");
        }
        std::process::exit(i32::from(done.is_err()));
    }
}

/// Measures, and prints a line for each.
fn run(pairs: usize, sample: Duration) -> Result<(), String> {
    first_record(pairs).map_err(|error| error.to_string())?;
    for (backend, sysv) in [("posix", false), ("sysv", true)] {
        let failed = |error: shmpipe::OpenError| error.to_string();
        let all = names(sysv, MANY);
        let options = Options::new();
        {
            let name = &all.0[0];
            let _producer: Producer<u64> = options.create_new(name).map_err(failed)?;
            let mut times = Vec::new();
            for _ in 0..pairs * 10 {
                let started = Instant::now();
                let consumer: Consumer<u64> = options.open(name).map_err(failed)?;
                times.push(started.elapsed().as_secs_f64() * 1e6);
                drop(consumer);
            }
            println!("attaching to a ring that exists, {backend}: {:.0} us", median(&times));
        }
        let small = Options::new().capacity(1 << 16);
        let rings: Result<Vec<Producer<u64>>, _> =
            all.0.iter().map(|name| small.create_new(name)).collect();
        let rings = rings.map_err(failed)?;
        let mut times = Vec::new();
        for _ in 0..pairs {
            let started = Instant::now();
            let listed = inspect::list().map_err(|error| error.to_string())?.len();
            times.push(started.elapsed().as_secs_f64() * 1e3);
            assert!(listed >= MANY, "{listed} rings listed");
        }
        println!("listing {MANY} rings, {backend}: {:.1} ms", median(&times));
        drop(rings);
        observed(backend, &all.0[0], pairs, sample)?;
    }
    Ok(())
}

/// From nothing to a first record, with a ring of the default capacity and with smaller ones.
fn first_record(times: usize) -> Result<(), Box<dyn Error>> {
    for capacity in [Options::DEFAULT_CAPACITY, 1 << 20, 512 << 10, 64 << 10] {
        let mut micros = Vec::new();
        for _ in 0..times * 10 {
            let started = Instant::now();
            let options = Options::new().capacity(capacity);
            let (sender, receiver) = options.anonymous::<Sender>()?;
            let (mut sender, mut receiver) = (sender.claim()?, receiver.claim()?);
            sender.send(b"first")?;
            assert_eq!(receiver.recv()?.as_deref(), Some(&b"first"[..]));
            micros.push(started.elapsed().as_secs_f64() * 1e6);
        }
        let size = size::show(capacity as u64);
        println!("first record through a new anonymous ring of {size}: {:.0} us", median(&micros));
    }
    Ok(())
}

/// A ring between two threads, with and without somebody who looks at it.
fn observed(backend: &str, name: &OsStr, pairs: usize, sample: Duration) -> Result<(), String> {
    let stop = AtomicBool::new(false);
    let looking = AtomicBool::new(false);
    thread::scope(|scope| {
        let options = Options::new();
        let mut producer: Producer<u64> = options.create_new(name).map_err(|e| e.to_string())?;
        let mut consumer: Consumer<u64> = options.open(name).map_err(|e| e.to_string())?;
        let cpus = cpu::two();
        let pin = move |nth: usize| {
            if let Some(cpus) = cpus {
                let _ = cpu::pin(cpus[nth]);
            }
        };
        scope.spawn(move || {
            pin(0);
            // The consumer's leaving ends it.
            while producer.push(1).is_ok() {}
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if looking.load(Ordering::Relaxed) {
                    let _ = inspect::status(name);
                }
                thread::sleep(LOOK);
            }
        });
        let mut consume = || {
            pin(1);
            let (started, mut count) = (Instant::now(), 0u64);
            while started.elapsed() < sample {
                for _ in 0..10_000 {
                    consumer.pop().map_err(|error| error.to_string())?;
                }
                count += 10_000;
            }
            Ok::<f64, String>(count as f64 / started.elapsed().as_secs_f64())
        };
        let run = RefCell::new(|look: bool| {
            looking.store(look, Ordering::Relaxed);
            let joined = thread::scope(|scope| scope.spawn(&mut consume).join());
            joined.unwrap_or_else(|_| Err("the consumer panicked".into()))
        });
        let sample_with = |look| (run.borrow_mut())(look);
        let all = in_turns(pairs, || sample_with(true), || sample_with(false), |_, _| ());
        stop.store(true, Ordering::Relaxed);
        drop(consumer);
        let summary = overall(&all?, |rate| *rate);
        let [low, ratio, high] = summary.ratio;
        println!(
            "looked at 100 times a second, {backend}: {ratio:.3} ({low:.3} to {high:.3}) of its speed"
        );
        Ok(())
    })
}
