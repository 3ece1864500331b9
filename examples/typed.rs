//! Frames of a sensor from one process to another, as values of one type.
//!
//! ```text
//! cargo run --example typed
//! ```
//!
//! The program starts itself once more, as the sensor, which inherits the ring as its standard
//! input: the ring has no name. It exits with 0 if all went well at both ends, and says why if not.

use bytemuck::{Pod, Zeroable};
use shmpipe::{Options, Unclaimed, slot::Producer};
use std::{
    env,
    error::Error,
    io,
    os::fd::{AsFd, OwnedFd},
    process::{Command, ExitCode},
    time::Duration,
};

/// Nobody else would end the wait for a sensor that never comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the ring holds. Another size, alignment or name at the other end would be an error at once.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Frame {
    nanos: u64,
    axes: [f32; 3],
    celsius: f32,
}

fn main() -> ExitCode {
    let done =
        if env::args().nth(1).is_some_and(|role| role == "sensor") { sense() } else { watch() };
    if let Err(error) = &done {
        eprintln!("typed: {error}");
    }
    ExitCode::from(u8::from(done.is_err()))
}

fn sense() -> Result<(), Box<dyn Error>> {
    let ring = Unclaimed::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut producer: Producer<Frame> = ring.claim()?;
    for burst in 0..100 {
        // A burst is made in the ring's own memory and published at once.
        let mut slots = producer.reserve(100)?;
        for (frame, n) in slots.iter_mut().zip(burst * 100..) {
            *frame = Frame { nanos: n * 1000, axes: [0.0, 0.0, 9.81], celsius: 20.0 };
        }
        slots.commit()?;
    }
    Ok(producer.finish_and_wait()?)
}

fn watch() -> Result<(), Box<dyn Error>> {
    let (producer, consumer) = Options::new().anonymous::<Producer<Frame>>()?;
    let mut consumer = consumer.claim()?;
    let ring: OwnedFd = producer.into();
    let mut sensor = Command::new(env::current_exe()?).arg("sensor").stdin(ring).spawn()?;
    let (mut frames, mut last, mut sum) = (0, 0, 0.0);
    // All that are there at a time, in place. None only if the sensor said that this is all.
    while let Some(batch) = consumer.pop_batch_timeout(PATIENCE)? {
        frames += batch.len();
        last = batch[batch.len() - 1].nanos;
        sum += batch.iter().map(|frame| f64::from(frame.axes[2])).sum::<f64>();
    }
    println!("{frames} frames in {last} ns, {:.2} m/s² downwards", sum / frames as f64);
    if sensor.wait()?.success() { Ok(()) } else { Err("the sensor failed".into()) }
}
