//! Somebody wrote into the shared words: every byte of them in turn. Each must come to an error or
//! to a ring that works.

use super::*;
use shmpipe::{
    Wait,
    stream::{ReadError, WriteError},
};
use std::{
    fs::File,
    io::Write,
    ops::Range,
    os::unix::fs::FileExt,
    time::Instant,
};
use support::{Child, DEADLINE, Shared, alone};

/// Identity and control block.
const WORDS: Range<usize> = 0..1152;

/// How a byte is changed.
const CHANGES: [fn(u8) -> u8; 4] =
    [|byte| byte ^ 0xff, |byte| byte ^ 0x01, |byte| byte ^ 0x80, |byte| byte.wrapping_add(2)];

/// Runs `case` for every byte and every change, each 64 bytes in a process of their own, and names
/// those that it died of.
fn each(case: impl Fn(&mut dyn FnMut(&File, &RingName), usize, usize)) {
    let now = Shared::new();
    let mut deaths = Vec::new();
    for first in WORDS.step_by(64) {
        let mut start = (first, 0);
        while start.0 < first + 64 {
            let child = Child::fork(|_| {
                for at in start.0..first + 64 {
                    let from = if at == start.0 { start.1 } else { 0 };
                    for (i, change) in CHANGES.iter().enumerate().skip(from) {
                        now[0].store(at as u64, std::sync::atomic::Ordering::Relaxed);
                        now[1].store(i as u64, std::sync::atomic::Ordering::Relaxed);
                        let started = Instant::now();
                        let mut scribble = |file: &File, _: &RingName| {
                            let mut byte = [0];
                            file.read_exact_at(&mut byte, at as u64).unwrap();
                            file.write_all_at(&[change(byte[0])], at as u64).unwrap();
                        };
                        case(&mut scribble, at, i);
                        assert!(started.elapsed() < DEADLINE, "byte {at}, change {i}: took long");
                    }
                }
            });
            match child.status() {
                0 => break,
                status => {
                    let at = now[0].load(std::sync::atomic::Ordering::Relaxed) as usize;
                    let i = now[1].load(std::sync::atomic::Ordering::Relaxed) as usize;
                    deaths.push(format!("byte {at}, change {i}: wait status {status:#x}"));
                    start = if i + 1 < CHANGES.len() { (at, i + 1) } else { (at + 1, 0) };
                }
            }
        }
    }
    assert!(deaths.is_empty(), "{deaths:#?}");
}
