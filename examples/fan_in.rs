//! Lines of several processes in one ring, and one process that writes them down as they arrive.
//!
//! ```text
//! cargo run --example fan_in
//! ```
//!
//! The program starts itself three times more, as the producers, and tells them the ring's name. It
//! exits with 0 if all went well at all ends, and says why if not.

use shmpipe::{
    Options,
    mpsc::{Receiver, Sender},
};
use std::{
    env,
    error::Error,
    io::{self, Write},
    process::{Child, Command, ExitCode},
    thread,
    time::Duration,
};

const PRODUCERS: [&str; 3] = ["anna", "ben", "carla"];

/// Nobody else would end the wait for a producer that hangs.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match &arguments[..] {
        [ring, name] => produce(ring, name),
        _ => collect(),
    };
    if let Err(error) = &done {
        eprintln!("fan_in: {error}");
    }
    ExitCode::from(u8::from(done.is_err()))
}

fn produce(ring: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let mut sender: Sender = Options::new().open(ring)?;
    for n in 1..=1000 {
        sender.send(format!("{name} {n}\n").as_bytes())?;
    }
    Ok(sender.finish()?)
}

fn collect() -> Result<(), Box<dyn Error>> {
    let ring = format!("/shmpipe-fan_in-{}", std::process::id());
    let mut receiver: Receiver = Options::new().create_new(&ring)?;
    // As in a FIFO, the stream ends when nobody is left who writes: so that it does not before all
    // have come, we are one of its senders ourselves.
    let keeper: Sender = Options::new().open(&ring)?;
    let program = env::current_exe()?;
    let start = |name| Command::new(&program).args([&*ring, name]).spawn();
    let children: Vec<Child> = PRODUCERS.into_iter().map(start).collect::<Result<_, _>>()?;
    let ended = thread::spawn(move || {
        let ended: Vec<_> = children.into_iter().map(|mut child| child.wait()).collect();
        keeper.finish().map(|()| ended)
    });

    let mut output = io::stdout().lock();
    let mut lines = 0;
    // What one sends arrives in its order. If one is killed, what the others send arrives all the
    // same, and the end is an error.
    while let Some(line) = receiver.recv_timeout(PATIENCE)? {
        output.write_all(&line)?;
        lines += 1;
    }
    writeln!(output, "{lines} lines in all")?;
    let ended = ended.join().map_err(|_| "waiting for the producers failed")??;
    let well = ended.into_iter().all(|status| status.is_ok_and(|status| status.success()));
    if well { Ok(()) } else { Err("a producer failed".into()) }
}
