//! `head N`: the first N bytes of standard input, and not one more: what follows is left to the
//! next process that reads the same pipe.
//!
//! Any program gets the upgrade of its pipes by using `shmpipe::stdio` in place of `std::io`:
//!
//! ```text
//! cargo build --release --examples
//! shmcat big | (head 5000000 > first; shmcat > rest)
//! ```

use std::{
    env,
    io::{self, Read, Write},
    process::ExitCode,
};

fn main() -> ExitCode {
    let Some(wanted) = env::args().nth(1).and_then(|n| n.parse::<u64>().ok()) else {
        eprintln!("usage: head BYTES");
        return ExitCode::FAILURE;
    };
    match copy(wanted) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("head: {error}");
            ExitCode::FAILURE
        }
    }
}

fn copy(wanted: u64) -> io::Result<()> {
    let mut output = shmpipe::stdio::stdout().lock();
    // As `Read`, it takes no more than it is asked for.
    io::copy(&mut shmpipe::stdio::stdin().take(wanted), &mut output)?;
    output.flush()
}
