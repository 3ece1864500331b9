//! How the program ends.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;
use nix::errno::Errno;
use shmpipe::OpenError;

use crate::inherited;
use crate::quote::quoted_ring;
use crate::report::{reason, say};

/// What ended a transfer before its time.
#[derive(Debug)]
pub enum Failure {
    /// Nobody reads the output any more, and nobody needs to be told.
    BrokenPipe,
    /// Everything else, in words.
    Said(String),
}

impl Failure {
    pub fn said(message: impl fmt::Display) -> Self {
        Self::Said(message.to_string())
    }

    /// A ring cannot be opened.
    pub fn open(ring: &OsStr, error: &OpenError) -> Self {
        Self::said(format_args!("{}: {}", quoted_ring(ring), error.kind()))
    }

    /// Standard output takes no more.
    pub fn write(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::said(format_args!("write error: {}", reason(error))),
        }
    }
}

/// Ends as `cat` would: `Ok(true)` is success, `Ok(false)` a failure that has been reported.
pub fn with(outcome: Result<bool, Failure>) -> ExitCode {
    match outcome {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(Failure::Said(message)) => say(message),
        Err(Failure::BrokenPipe) => {
            if inherited::dies_of_broken_pipe() {
                // It does not return: the default action of SIGPIPE ends the process.
                let _ = signal_hook::low_level::emulate_default_handler(libc::SIGPIPE);
            }
            say(format_args!("write error: {}", Errno::EPIPE.desc()));
        }
    }
    ExitCode::FAILURE
}

/// Ends after a command line that asks for help or makes no sense.
pub fn with_usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => with(print(&text)),
        _ => {
            say(text.trim_start_matches("error: ").trim_end());
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> Result<bool, Failure> {
    let write = |mut rest: &[u8]| -> io::Result<()> {
        let stdout = inherited::stdout()?;
        while !rest.is_empty() {
            let written = nix::unistd::write(stdout, rest)?;
            rest = &rest[written..];
        }
        Ok(())
    };
    write(text.as_bytes()).map_err(|error| Failure::write(&error))?;
    Ok(true)
}
