//! Several who want the ring at the same time.

use super::*;
use crate::{
    for_each_face, for_each_single_face,
    support::{Shared, alone},
};
use std::{sync::atomic::Ordering, thread};

/// Waits until the other is here, too.
fn meet(arrived: &Shared, time: u64) {
    arrived[0].fetch_add(1, Ordering::AcqRel);
    while arrived[0].load(Ordering::Acquire) < 2 * time {
        thread::yield_now();
    }
}

/// One of them gets it; the other finds that out, and replaces nobody.
#[test]
fn two_that_replace_at_once() {
    fn check<F: Face>() {
        let arrived = Shared::new();
        let rounds = 1..=30;
        let name = RingName::new(F::NAME);
        let compete = |round: u64| {
            meet(&arrived, 3 * round - 2);
            let opened = server().open_or_create::<F::In>(&name);
            meet(&arrived, 3 * round - 1);
            let won = match &opened {
                Ok(_) => true,
                Err(error) => {
                    let is_taken = matches!(error.kind(), OpenErrorKind::RoleTaken { .. });
                    assert!(is_taken, "{error:?}");
                    false
                }
            };
            arrived[1].fetch_add(won.into(), Ordering::AcqRel);
            drop(opened);
            meet(&arrived, 3 * round);
        };
        // Something to be replaced.
        let leave = |keep: &Options| {
            let mut out: F::Out = keep.open_or_create(&name).unwrap();
            F::put(&mut out, 1).unwrap();
        };
        let keep = patient().persistent(true);
        let child = Child::fork(|line| {
            for round in rounds.clone() {
                line.expect("go");
                compete(round);
            }
        });
        let mut child = child;
        for round in rounds {
            leave(&keep);
            child.say("go");
            compete(round);
            assert_eq!(arrived[1].load(Ordering::Acquire), round, "{}: one wins", F::NAME);
            name.assert_gone();
        }
        child.join();
    }
    alone(|| for_each_face!(check));
}

/// A reader that leaves the old ring while a new one gets its name does not take that away.
#[test]
fn a_reader_that_leaves_meanwhile() {
    fn check<F: Face>() {
        let arrived = Shared::new();
        let name = RingName::new(F::NAME);
        let rounds = 1..=60;
        let mut child = Child::fork(|line| {
            for round in rounds.clone() {
                line.expect("come");
                let from: F::In = patient().open(&name).unwrap();
                line.say("here");
                meet(&arrived, round);
                drop(from);
                line.say("left");
            }
        });
        for round in rounds {
            // It stays when its writer has gone, for the reader has not read it.
            let mut out: F::Out = patient().create_new(&name).unwrap();
            F::put(&mut out, 1).unwrap();
            child.say("come");
            child.expect("here");
            drop(out);
            meet(&arrived, round);
            let mut out: F::Out = server().open_or_create(&name).unwrap();
            child.expect("left");
            name.assert_exists();
            let mut from: F::In = patient().open(&name).unwrap();
            assert_meet::<F>(&mut out, &mut from);
            drop((out, from));
            name.assert_gone();
        }
        child.join();
    }
    alone(|| for_each_single_face!(check));
}

/// Whoever comes while the ring is replaced comes to the old one and is told, or to the new one.
#[test]
fn a_reader_that_comes_meanwhile() {
    fn check<F: Face>() {
        let arrived = Shared::new();
        let name = RingName::new(F::NAME);
        let rounds = 1..=60;
        let mut child = Child::fork(|line| {
            let mut old = 0;
            for round in rounds.clone() {
                line.expect("come");
                meet(&arrived, round);
                loop {
                    let mut from: F::In = patient().open_or_create(&name).unwrap();
                    match F::take(&mut from, DEADLINE) {
                        Ok(Some(number)) if number == round => break,
                        Ok(Some(1_000_000)) => {
                            old += 1;
                            assert_replaced::<F>(&mut from);
                        }
                        Err(ReadError::Replaced) => {}
                        told => panic!("round {round}: {told:?}"),
                    }
                }
                line.say("met");
            }
            line.show(old);
        });
        for round in rounds {
            kill_one::<F::Out>(&name, &patient(), |out| F::put(out, 1_000_000).unwrap());
            child.say("come");
            meet(&arrived, round);
            let mut out: F::Out = server().open_or_create(&name).unwrap();
            F::put(&mut out, round).unwrap();
            child.expect("met");
            drop(out);
            // Its reader may be on its way out.
            eventually("it is gone", || (!name.exists()).then_some(()));
        }
        println!("{}: {} came to the old one", F::NAME, child.hear());
        child.join();
    }
    alone(|| for_each_single_face!(check));
}
