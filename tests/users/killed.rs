//! An end of one user is killed: that of the other is told as soon as any.

use super::*;
use crate::{
    face_support::Face,
    for_each_face,
    support::{DEADLINE, alone, wait_to_be_killed},
};
use shmpipe::{Peer, ReadError, WriteError};

fn soon() -> Options {
    shared().persistent(true)
}

#[test]
fn the_producer() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let mut alice = ALICE.run(|line| {
            let mut from: F::In = soon().create_new(&name).unwrap();
            line.say("made");
            assert_eq!(F::take(&mut from, DEADLINE).unwrap(), Some(1));
            line.say("taken");
            let told = F::take(&mut from, DEADLINE);
            assert!(matches!(told, Err(ReadError::Died)), "{}: {told:?}", F::NAME);
            assert_eq!(F::peer_of_in(&from), Peer::Died);
        });
        alice.expect("made");
        let bob = BOB.run(|_| {
            let mut out: F::Out = soon().open(&name).unwrap();
            F::put(&mut out, 1).unwrap();
            wait_to_be_killed();
        });
        alice.expect("taken");
        bob.kill();
        alice.join();
    }
    alone(|| as_root(|| for_each_face!(check)));
}

#[test]
fn the_consumer() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let mut alice = ALICE.run(|line| {
            let mut out: F::Out = soon().create_new(&name).unwrap();
            line.say("made");
            line.expect("go");
            let told = (0..).find_map(|number| F::put(&mut out, number).err()).unwrap();
            assert!(matches!(told, WriteError::ReaderDied), "{}: {told:?}", F::NAME);
            assert_eq!(F::peer_of_out(&out), Peer::Died);
        });
        alice.expect("made");
        let mut bob = BOB.run(|line| {
            let _from: F::In = soon().open(&name).unwrap();
            line.say("here");
            wait_to_be_killed();
        });
        bob.expect("here");
        alice.say("go");
        bob.kill();
        alice.join();
    }
    alone(|| as_root(|| for_each_face!(check)));
}
