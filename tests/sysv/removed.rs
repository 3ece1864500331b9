//! Removed under an end that waits (ipcrm -m, ipcrm -s, both, or [`inspect::remove`] with force):
//! an error that says so, and never a hang; and what ipcrm left goes with the last end.

use crate::{
    Place, options, raw,
    support::{DEADLINE, alone, eventually},
};
use shmpipe::{
    OpenErrorKind, Options, Peer, Wait,
    inspect::{self, Force, Role},
    mpsc, record, slot,
    stream::{Reader, Writer},
};
use std::{any::Any, fmt::Debug, io::Write, thread};

#[derive(Clone, Copy, Debug)]
pub enum How {
    Segment,
    Set,
    Both,
    SetFirst,
    Forced,
}

impl How {
    const ALL: [Self; 5] = [Self::Segment, Self::Set, Self::Both, Self::SetFirst, Self::Forced];

    pub fn remove(self, key: i32, name: &str) {
        let segment = raw::segment(key).unwrap();
        let set = raw::set(segment).unwrap();
        match self {
            Self::Segment => raw::shm_remove(segment).unwrap(),
            Self::Set => raw::sem_remove(set).unwrap(),
            Self::Both => {
                raw::shm_remove(segment).unwrap();
                raw::sem_remove(set).unwrap();
            }
            Self::SetFirst => {
                raw::sem_remove(set).unwrap();
                raw::shm_remove(segment).unwrap();
            }
            Self::Forced => inspect::remove(name, Force::Yes).unwrap(),
        }
    }
}

/// What an end that waits does in vain: what it was told.
type Waits = Box<dyn FnOnce() -> String + Send>;

fn told<T, E: Debug>(result: Result<T, E>) -> String {
    format!("{:?}", result.map(drop).unwrap_err())
}

/// Takes an end that has nothing to do, of either role and each face; with
/// another at the other side, or nobody.
type Form = fn(&Options, &str, bool) -> (Waits, Box<dyn Any>);

fn peer<E: shmpipe::End + 'static>(options: &Options, name: &str, is_there: bool) -> Box<dyn Any> {
    Box::new(is_there.then(|| options.open::<E>(name).unwrap()))
}

const FORMS: [(Role, Form); 10] = [
    (Role::Consumer, |options, name, with| {
        let mut end: Reader = options.create_new(name).unwrap();
        let peer = peer::<Writer>(options, name, with);
        (Box::new(move || told(end.fill_buf())), peer)
    }),
    (Role::Consumer, |options, name, with| {
        let mut end: Reader = options.create_new(name).unwrap();
        let peer = peer::<Writer>(options, name, with);
        (Box::new(move || told(end.fill_buf_timeout(DEADLINE))), peer)
    }),
    (Role::Producer, |options, name, with| {
        let mut end: Writer = options.create_new(name).unwrap();
        let peer = peer::<Reader>(options, name, with);
        end.write_all(&vec![1; end.capacity()]).unwrap();
        (Box::new(move || told(end.write_timeout(b"x", DEADLINE))), peer)
    }),
    (Role::Producer, |options, name, with| {
        let mut end: Writer = options.create_new(name).unwrap();
        let peer = peer::<Reader>(options, name, with);
        end.write_all(&vec![1; end.capacity()]).unwrap();
        (Box::new(move || told(end.reserve(1))), peer)
    }),
    (Role::Consumer, |options, name, with| {
        let mut end: record::Receiver = options.create_new(name).unwrap();
        let peer = peer::<record::Sender>(options, name, with);
        (Box::new(move || told(end.recv())), peer)
    }),
    (Role::Producer, |options, name, with| {
        let mut end: record::Sender = options.create_new(name).unwrap();
        let peer = peer::<record::Receiver>(options, name, with);
        while end.try_send(&[0; 100]).is_ok() {}
        (Box::new(move || told(end.send(&[0; 100]))), peer)
    }),
    (Role::Consumer, |options, name, with| {
        let mut end: slot::Consumer<u64> = options.create_new(name).unwrap();
        let peer = peer::<slot::Producer<u64>>(options, name, with);
        (Box::new(move || told(end.pop())), peer)
    }),
    (Role::Producer, |options, name, with| {
        let mut end: slot::Producer<u64> = options.create_new(name).unwrap();
        let peer = peer::<slot::Consumer<u64>>(options, name, with);
        while end.try_push(1).is_ok() {}
        (Box::new(move || told(end.push_timeout(1, DEADLINE))), peer)
    }),
    (Role::Consumer, |options, name, with| {
        let mut end: mpsc::Receiver = options.create_new(name).unwrap();
        let peer = peer::<mpsc::Sender>(options, name, with);
        (Box::new(move || told(end.recv())), peer)
    }),
    (Role::Producer, |options, name, with| {
        let mut end: mpsc::Sender = options.create_new(name).unwrap();
        let peer = peer::<mpsc::Receiver>(options, name, with);
        while end.try_send(&[0; 100]).is_ok() {}
        (Box::new(move || told(end.send(&[0; 100]))), peer)
    }),
];

fn each_is_told(wait: Wait) {
    let place = Place::new();
    for (n, (role, form)) in FORMS.iter().enumerate() {
        for how in How::ALL {
            for with_peer in [true, false] {
                let what =
                    format!("form {n}, {how:?}, {}", if with_peer { "two" } else { "alone" });
                let (key, name) = place.key();
                let (waits, peer) = form(&options().producers(3).wait(wait), &name, with_peer);
                let waiting = thread::spawn(waits);
                eventually("the end to wait", || {
                    let ring = inspect::status(&name).unwrap();
                    let is_asleep = ring.ends_of(*role).any(|end| end.state == Peer::Waiting);
                    is_asleep.then_some(())
                });
                how.remove(key, &name);
                eventually(&what, || waiting.is_finished().then_some(()));
                let told = waiting.join().unwrap();
                assert!(told.contains("Removed"), "{what}: {told}");
                drop(peer);
                place.assert_empty();
            }
        }
    }
}

#[test]
fn an_end_that_waits_is_told() {
    alone(|| each_is_told(Wait::Adaptive));
}

#[test]
fn an_end_that_sleeps_at_once_is_told() {
    alone(|| each_is_told(Wait::Sleep));
}

/// Who never waits learns of it, too.
#[test]
fn an_end_that_only_tries_is_told() {
    alone(|| {
        let place = Place::new();
        for how in How::ALL {
            let (key, name) = place.key();
            let mut receiver: record::Receiver = options().create_new(&name).unwrap();
            how.remove(key, &name);
            eventually("a try to say so", || {
                let told = receiver.try_recv().map(drop).unwrap_err();
                matches!(told, record::ReadError::Removed).then_some(())
            });
            drop(receiver);

            let (key, name) = place.key();
            let mut sender: mpsc::Sender = options().create_new(&name).unwrap();
            while sender.try_send(&[0; 100]).is_ok() {}
            how.remove(key, &name);
            eventually("a try to say so", || {
                let told = sender.try_send(&[0; 100]).unwrap_err();
                matches!(told, mpsc::WriteError::Removed).then_some(())
            });
            drop(sender);
            place.assert_empty();
        }
    });
}

/// What was committed before is still received.
#[test]
fn what_is_in_it_comes_before_that() {
    alone(|| {
        let place = Place::new();
        for how in How::ALL {
            let (key, name) = place.key();
            let mut reader: Reader = options().create_new(&name).unwrap();
            let mut writer: Writer = options().open(&name).unwrap();
            writer.write_all(b"before").unwrap();
            how.remove(key, &name);
            writer.write_all(b", after").unwrap();
            assert_eq!(reader.fill_buf().unwrap(), b"before, after");
            reader.consume(13);
            let told = reader.fill_buf_timeout(DEADLINE).unwrap_err();
            assert!(matches!(told, shmpipe::stream::ReadError::Removed), "{told:?}");
            drop((reader, writer));
            place.assert_empty();
        }
    });
}

/// A ring is wanted as long as something is in it, and a persistent one always;
/// but not what is left of it.
#[test]
fn nothing_stays_of_a_ring_that_was_removed() {
    alone(|| {
        let place = Place::new();
        for how in How::ALL {
            let (key, name) = place.key();
            let mut writer: Writer = options().create_new(&name).unwrap();
            writer.write_all(b"never read").unwrap();
            how.remove(key, &name);
            // Another may have the key from now on.
            if !matches!(how, How::Set) {
                drop(options().create_new::<Reader>(&name).unwrap());
            }
            drop(writer);
            place.assert_empty();

            let (key, name) = place.key();
            let writer: Writer = options().persistent(true).create_new(&name).unwrap();
            how.remove(key, &name);
            drop(writer);
            if matches!(how, How::Set) {
                // Its user has to say that he does not want it any more.
                inspect::remove(&name, Force::Yes).unwrap();
            }
            place.assert_empty();
        }
    });
}

#[test]
fn a_ring_without_its_locks_is_refused_and_can_be_removed() {
    alone(|| {
        let place = Place::new();
        let (key, name) = place.key();
        let kept: Writer = options().create_new(&name).unwrap();
        How::Set.remove(key, &name);
        for error in [
            options().open::<Reader>(&name).map(drop).unwrap_err(),
            options().open_or_create::<Reader>(&name).map(drop).unwrap_err(),
        ] {
            assert!(matches!(error.kind(), OpenErrorKind::NoLocks), "{error:?}");
        }
        let error = inspect::remove(&name, Force::No).unwrap_err();
        assert!(error.to_string().contains("semaphores"), "{error}");
        inspect::remove(&name, Force::Yes).unwrap();
        drop(options().create_new::<Reader>(&name).unwrap());
        drop(kept);
        place.assert_empty();
    });
}
