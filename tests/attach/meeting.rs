//! Both ends come at once, and go, while the object is removed and made anew all the time: a
//! writer and a reader of one name must meet.

use super::*;
use shmpipe::stream::WriteError;
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};
use support::{Shared, alone};

/// One byte through a ring that is not there before nor afterwards; both sides leave as they like.
fn pass_one(name: &RingName, round: usize, writes: bool) {
    let options = options().liveness_interval(DEADLINE);
    if writes {
        let mut writer: Writer = options.open_or_create(name).unwrap();
        writer.write_all(&[round as u8]).unwrap();
        writer.finish().unwrap();
    } else {
        let mut reader: Reader = options.open_or_create(name).unwrap();
        assert_eq!(read_stream(&mut reader), (vec![round as u8], EndReason::Finished));
    }
}

/// Waits until `parties` have come for the `round`th time.
fn meet(arrived: &AtomicU64, parties: u64, round: usize) {
    let all = parties * (round as u64 + 1);
    arrived.fetch_add(1, Ordering::AcqRel);
    while arrived.load(Ordering::Acquire) < all {
        thread::yield_now();
    }
}

#[test]
fn two_threads_open_at_the_same_moment() {
    alone(|| {
        const ROUNDS: usize = 10_000;
        let name = RingName::new("threads");
        let arrived = AtomicU64::new(0);
        let side = |writes| {
            for round in 0..ROUNDS {
                meet(&arrived, 2, 2 * round);
                pass_one(&name, round, writes);
                meet(&arrived, 2, 2 * round + 1);
                name.assert_gone();
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| side(true));
            side(false);
        });
    });
}

#[test]
fn two_processes_open_at_the_same_moment() {
    alone(|| {
        const ROUNDS: usize = 5_000;
        let name = RingName::new("processes");
        let arrived = Shared::new();
        let side = |writes| {
            for round in 0..ROUNDS {
                meet(&arrived[0], 2, 2 * round);
                pass_one(&name, round, writes);
                meet(&arrived[0], 2, 2 * round + 1);
                name.assert_gone();
            }
        };
        let child = Child::fork(|_| side(true));
        side(false);
        child.join();
    });
}

/// Any number of writers and readers at one name, nobody waiting for a turn. Each writer leaves a
/// token and waits until it was read: one that sat on an object which nobody finds any more would
/// wait in vain, and so would a reader.
#[test]
fn crowds_that_come_and_go_always_meet() {
    alone(|| {
        const TOKENS: u64 = 2_000;
        let name = RingName::new("crowd");
        // How many tokens were handed to writers, how many came out.
        let counts = Shared::new();
        let (issued, read) = (&counts[0], &counts[1]);

        let write = || {
            loop {
                let token = issued.fetch_add(1, Ordering::Relaxed);
                if token >= TOKENS {
                    break;
                }
                while !leave_token(&name, token) {}
            }
        };
        let read = || {
            let mut tokens = Vec::new();
            while read.load(Ordering::Relaxed) < TOKENS {
                let Ok(mut reader) = options().open_or_create::<Reader>(&name) else {
                    thread::yield_now();
                    continue;
                };
                // Nobody may come any more.
                while read.load(Ordering::Relaxed) < TOKENS {
                    let mut token = [0; 8];
                    match reader.read_timeout(&mut token, std::time::Duration::from_millis(20)) {
                        Ok(8) => {
                            tokens.push(u64::from_ne_bytes(token));
                            read.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(0) => break,
                        Err(ReadError::Timeout) => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
            tokens
        };
        // Two processes, each with writers and readers.
        let crowd = || {
            thread::scope(|scope| {
                let writers = [scope.spawn(write), scope.spawn(write)];
                let readers = [scope.spawn(read), scope.spawn(read)];
                for writer in writers {
                    writer.join().unwrap();
                }
                readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect::<Vec<_>>()
            })
        };
        let mut child = Child::fork(|line| {
            let tokens: Vec<_> = crowd().iter().map(u64::to_string).collect();
            line.say(tokens.join(" "));
        });
        let mut tokens = crowd();
        tokens.extend(child.hear().split_whitespace().map(|token| token.parse::<u64>().unwrap()));
        child.join();
        assert_eq!(tokens.len() as u64, TOKENS);
        assert_eq!(BTreeSet::from_iter(tokens), BTreeSet::from_iter(0..TOKENS));
        name.assert_gone();
    });
}

/// False if there was no place, or a reader that was on its way out.
fn leave_token(name: &RingName, token: u64) -> bool {
    let mut writer = match options().open_or_create::<Writer>(name) {
        Ok(writer) => writer,
        Err(error) => {
            let busy = matches!(
                error.kind(),
                OpenErrorKind::RoleTaken { .. } | OpenErrorKind::Unfinished { .. }
            );
            assert!(busy, "{error}");
            thread::yield_now();
            return false;
        }
    };
    match writer.write_timeout(&token.to_ne_bytes(), DEADLINE) {
        Ok(8) => {}
        Err(WriteError::ReaderLeft) => return false,
        other => panic!("{other:?}"),
    }
    match writer.finish_and_wait_timeout(DEADLINE) {
        Ok(()) => true,
        Err(WriteError::ReaderLeft) => false,
        other => panic!("token {token}: {other:?}"),
    }
}
