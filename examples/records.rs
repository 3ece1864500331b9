//! Records of several kinds from one process to another.
//!
//! ```text
//! cargo run --example records
//! ```
//!
//! The program starts itself once more, as the sender, and tells it the ring's name. It exits with
//! 0 if all went well at both ends, and says why if not.

use bytemuck::{Pod, Zeroable};
use shmpipe::{
    Options,
    record::{Receiver, Sender},
};
use std::{
    env,
    error::Error,
    process::{Command, ExitCode},
    time::Duration,
};

/// What the two processes agree upon: the kinds of records.
const LINE: u32 = 1;
const ORDER: u32 = 2;

/// Nobody else would end the wait for a sender that never comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// An [`ORDER`], as it lies in the ring.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Order {
    id: u64,
    price: f32,
    pieces: u32,
}

fn main() -> ExitCode {
    let done = env::args().nth(1).map_or_else(receive, |ring| send(&ring));
    if let Err(error) = &done {
        eprintln!("records: {error}");
    }
    ExitCode::from(u8::from(done.is_err()))
}

fn send(ring: &str) -> Result<(), Box<dyn Error>> {
    let mut sender: Sender = Options::new().open(ring)?;
    sender.kind(LINE).send(b"the shop opens")?;
    let mut batch = sender.batch(); // A thousand records, one store and at most one wake-up.
    for id in 0..1000 {
        batch.kind(ORDER).send_pod(&Order { id, price: 0.5, pieces: 2 })?;
    }
    batch.commit()?;
    // Written where it will be read.
    let mut line = sender.kind(LINE).reserve(80)?;
    line[..15].copy_from_slice(b"the shop closes");
    line.commit_truncated(15)?;
    Ok(sender.finish_and_wait()?)
}

fn receive() -> Result<(), Box<dyn Error>> {
    let ring = format!("/shmpipe-records-{}", std::process::id());
    let mut receiver: Receiver = Options::new().create_new(&ring)?;
    let mut sender = Command::new(env::current_exe()?).arg(&ring).spawn()?;
    let mut turnover = 0.0;
    // None only if the sender said that this is all: if it is killed, that is an error.
    while let Some(record) = receiver.recv_timeout(PATIENCE)? {
        match record.kind() {
            LINE => println!("{}", String::from_utf8_lossy(&record)),
            ORDER => {
                let order: &Order = record.as_pod()?;
                turnover += order.price * order.pieces as f32;
            }
            kind => return Err(format!("a record of unknown kind {kind}").into()),
        }
    }
    println!("orders for {turnover} in all");
    if sender.wait()?.success() { Ok(()) } else { Err("the sender failed".into()) }
}
