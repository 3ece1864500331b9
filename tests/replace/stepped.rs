//! A server is killed behind each system call of its coming back, and so between any two steps of
//! replacing the ring; the next one goes on from there.

use super::*;
use crate::{
    for_each_face, for_each_single_face,
    support::{Shared, alone, skip},
    tracing::{Came, Victim, Way, permitted},
};
use shmpipe::{End, WriteError};

/// Kills a server behind its first call, its second, and so on; returns how many
/// there are. `prepare` makes an old ring, of which there is a survivor; `check`
/// sees that one and the next server.
fn kill_behind_each_call<E: End, S>(
    name: &RingName,
    prepare: impl Fn(&RingName) -> S,
    check: impl Fn(S, E),
) -> usize {
    let said = Shared::new();
    for calls in 0.. {
        let survivor = prepare(name);
        let victim = Victim::fork(&said, |_, marks| {
            marks.begin();
            let end: E = server().open_or_create(name).unwrap();
            marks.end();
            std::mem::forget(end);
            wait_to_be_killed();
        });
        let came = victim.go(Way { calls, steps: 0 }, &mut || {});
        victim.kill();
        let end = server().open_or_create(name).unwrap();
        check(survivor, end);
        name.assert_gone();
        if came == Came::Through {
            return calls;
        }
    }
    unreachable!("it comes through")
}

#[test]
fn consumers() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let prepare = |name: &RingName| {
            kill_one::<F::In>(name, &server(), |_| {});
            let mut out: F::Out = patient().open_or_create(name).unwrap();
            F::put(&mut out, 1).unwrap();
            out
        };
        let n = kill_behind_each_call::<F::In, F::Out>(&name, prepare, |mut old, mut from| {
            assert!(matches!(F::put(&mut old, 2), Err(WriteError::Replaced)));
            drop(old);
            let mut out: F::Out = patient().open(&name).unwrap();
            assert_meet::<F>(&mut out, &mut from);
        });
        println!("{}: killed behind each of {n} calls", F::NAME);
        assert!(n > 20);
    }
    alone(|| match permitted() {
        Ok(()) => for_each_face!(check),
        Err(why) => skip(why),
    });
}

#[test]
fn producers() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let prepare = |name: &RingName| {
            kill_one::<F::Out>(name, &server(), |out| F::put(out, 1).unwrap());
            let from: F::In = patient().open(name).unwrap();
            from
        };
        let n = kill_behind_each_call::<F::Out, F::In>(&name, prepare, |mut old, mut out| {
            assert!(matches!(F::take(&mut old, DEADLINE), Ok(Some(1))));
            assert_replaced::<F>(&mut old);
            drop(old);
            let mut from: F::In = patient().open(&name).unwrap();
            assert_meet::<F>(&mut out, &mut from);
        });
        println!("{}: killed behind each of {n} calls", F::NAME);
        assert!(n > 20);
    }
    alone(|| match permitted() {
        Ok(()) => for_each_single_face!(check),
        Err(why) => skip(why),
    });
}
