//! Servers that are killed at random moments, also while they replace what the last one has left,
//! and always come back: their client always comes to hear of the last one, and nothing is left.

use super::*;
use crate::{for_each_face, for_each_single_face, support::alone};
use shmpipe::WriteError;
use std::thread;

const ROUNDS: u32 = 100;

/// Said by the last server.
const LAST: u64 = u64::MAX;

#[test]
fn producers() {
    fn check<F: Face>() {
        let (mut random, name) = (Random::new(), RingName::new(F::NAME));
        let mut client = Child::fork(|line| {
            let mut rings = 0;
            'rings: loop {
                // Looks for deaths itself: it may come to the last ring of all.
                let options = face_support::options();
                let mut from: F::In = options.open_or_create(&name).unwrap();
                rings += 1;
                let mut next = 0;
                loop {
                    match F::take(&mut from, DEADLINE) {
                        Ok(Some(LAST)) => break 'rings,
                        Ok(Some(number)) => {
                            assert_eq!(number, next, "each ring begins at its beginning");
                            next += 1;
                        }
                        Err(ReadError::Replaced) => break,
                        // Told before the next one came, and perhaps again.
                        Err(ReadError::Died) => thread::yield_now(),
                        told => panic!("{told:?}"),
                    }
                }
            }
            line.show(rings);
        });
        for _ in 0..ROUNDS {
            let server = Child::fork(|_| {
                let mut out: F::Out = server().open_or_create(&name).unwrap();
                (0..).try_for_each(|number| F::put(&mut out, number)).unwrap();
            });
            spin_for(random.micros_below(1500));
            server.kill();
        }
        let mut out: F::Out = server().open_or_create(&name).unwrap();
        F::put(&mut out, LAST).unwrap();
        println!("{}: a client of {} rings", F::NAME, client.hear());
        client.join();
        drop(out);
        name.assert_gone();
    }
    alone(|| for_each_single_face!(check));
}

#[test]
fn consumers() {
    fn check<F: Face>() {
        let (mut random, name) = (Random::new(), RingName::new(F::NAME));
        let mut client = Child::fork(|line| {
            let mut rings = 0;
            'rings: loop {
                let options = face_support::options();
                let mut out: F::Out = match options.clone().resume().open_or_create(&name) {
                    Ok(out) => out,
                    Err(error) => panic!("{error:?}"),
                };
                rings += 1;
                for number in 0.. {
                    match F::put(&mut out, number) {
                        Ok(()) => {}
                        Err(WriteError::Replaced) => break,
                        Err(WriteError::ReaderLeft) => break 'rings,
                        Err(WriteError::ReaderDied) => thread::yield_now(),
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
            line.show(rings);
        });
        let serve = |most: u64| {
            let mut from: F::In = server().open_or_create(&name).unwrap();
            let mut next = None;
            for _ in 0..most {
                let number = F::take(&mut from, DEADLINE).unwrap().unwrap();
                assert!(next.is_none_or(|next| next <= number), "{next:?}: {number}");
                next = Some(number + 1);
            }
        };
        for _ in 0..ROUNDS {
            let server = Child::fork(|_| serve(u64::MAX));
            spin_for(random.micros_below(1500));
            server.kill();
        }
        serve(1000);
        println!("{}: a client of {} rings", F::NAME, client.hear());
        client.join();
        name.assert_gone();
    }
    alone(|| for_each_face!(check));
}
