//! What System V rings are beyond others: known to the kernel by an id, and attached so and so
//! often. (Whatever backend the tests run over.)

use crate::{
    look,
    support::{Child, Holdings, RingName, alone, eventually, skip, system_v, wait_to_be_killed},
};
use shmpipe::{
    Backend, Options, Peer,
    inspect::{self, Condition, Face, Force, RingInfo, Role},
    mpsc,
    stream::{Reader, Writer},
};
use std::{
    io::{Read, Write},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, SystemTime},
};

fn options() -> Options {
    Options::new().capacity(4096)
}

/// Whether there is System V IPC; says so if there is none.
fn is_possible() -> bool {
    if !system_v::is_available() {
        skip("no System V IPC here");
    }
    system_v::is_available()
}

/// The ring when it is attached so many times: other observers attach it, too, for a moment.
#[track_caller]
fn attached(name: &RingName, times: u64) -> RingInfo {
    eventually("it is attached as its ends attach it", || {
        Some(look(name)).filter(|ring| ring.sysv.as_ref().unwrap().attached == times)
    })
}

#[test]
fn what_the_kernel_tells() {
    alone(|| {
        if !is_possible() {
            return;
        }
        let name = RingName::system_v();
        let _writer: Writer = options().mode(0o640).create_new(&name).unwrap();
        let ring = attached(&name, 2);
        let found = ring.sysv.as_ref().unwrap();
        let stat = system_v::stat(name.id()).unwrap();
        assert_eq!((ring.backend, ring.mode), (Backend::SystemV, 0o640));
        assert_eq!((ring.owner, ring.group), (stat.shm_perm.uid, stat.shm_perm.gid));
        assert_eq!((found.key, found.id), (name.key(), name.id()));
        assert_eq!(found.set, system_v::find_set(system_v::set_key(name.id())));
        assert_eq!(found.creator, stat.shm_perm.cuid);
        assert_eq!(found.creator_pid, std::process::id() as i32);
        let changed = found.changed.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(changed.as_secs() as i64, stat.shm_ctime);
        // By its id it is the same.
        let by_id = inspect::status(format!("sysv:id={}", name.id())).unwrap();
        assert_eq!((by_id.sysv.unwrap().key, by_id.owner), (name.key(), ring.owner));
        let other = RingName::posix("other");
        let _writer: Writer = options().create_new(&other).unwrap();
        assert_eq!(look(&other).sysv, None);
    });
}

/// Its own attaching is nobody's: as soon as it has looked it is not there any more, and a ring
/// that goes away meanwhile goes.
#[test]
fn an_observer_does_not_hold_a_ring() {
    alone(|| {
        if !is_possible() {
            return;
        }
        let name = RingName::system_v();
        let mut writer: Writer = options().create_new(&name).unwrap();
        writer.write_all(b"abc").unwrap();
        let (id, held) = (name.id(), Holdings::now());
        for _ in 0..100 {
            look(&name);
            inspect::list().unwrap();
        }
        assert_eq!(Holdings::now(), held);
        attached(&name, 2);
        let looks = AtomicU64::new(0);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let observers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        while !done.load(Ordering::Relaxed) {
                            let _ = inspect::status(&name);
                            let _ = inspect::status(format!("sysv:id={id}"));
                            looks.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            eventually("they look", || (looks.load(Ordering::Relaxed) > 10).then_some(()));
            let mut reader: Reader = options().open(&name).unwrap();
            writer.finish().unwrap();
            reader.read_to_end(&mut Vec::new()).unwrap();
            drop(reader);
            name.assert_gone();
            // It can be had again at once, whoever is still looking at the one before.
            drop(options().create_new::<Writer>(&name).unwrap());
            done.store(true, Ordering::Relaxed);
            observers.into_iter().for_each(|observer| observer.join().unwrap());
        });
        name.assert_gone();
        assert!(system_v::stat(id).is_err(), "its memory is gone, too");
        assert_eq!(system_v::find_set(system_v::set_key(id)), None);
    });
}

#[test]
fn a_list_while_rings_come_and_go() {
    alone(|| {
        if !is_possible() {
            return;
        }
        let (name, keyless) = (RingName::system_v(), Options::new().capacity(4096));
        let children = [
            Child::fork(|_| {
                loop {
                    drop(options().open_or_create::<Writer>(&name));
                }
            }),
            Child::fork(|_| {
                loop {
                    drop(options().open_or_create::<Reader>(&name));
                }
            }),
        ];
        let mut seen = 0;
        let until = std::time::Instant::now() + Duration::from_millis(500);
        while std::time::Instant::now() < until {
            let kept: Writer = keyless.create_new("sysv:private").unwrap();
            let rings = inspect::list().unwrap();
            assert!(rings.iter().any(|ring| ring.place.name() == kept.name()), "{rings:?}");
            for ring in rings.iter().filter(|ring| ring.place.name() == Some(name.as_ref())) {
                assert!(!matches!(ring.condition, Condition::Damaged(_)), "{ring:?}");
                seen += 1;
            }
        }
        println!("seen {seen} times");
        children.into_iter().for_each(Child::kill);
    });
}

#[test]
fn many_senders() {
    alone(|| {
        if !is_possible() {
            return;
        }
        let name = RingName::system_v();
        let _receiver: mpsc::Receiver = options().producers(3).create_new(&name).unwrap();
        let mut child = Child::fork(|line| {
            let mut sender: mpsc::Sender = options().open(&name).unwrap();
            let _claim = sender.reserve(10).unwrap();
            line.say("claimed");
            wait_to_be_killed();
        });
        child.expect("claimed");
        let mut other: mpsc::Sender = options().open(&name).unwrap();
        other.send(b"behind it").unwrap();
        let ring = look(&name);
        assert_eq!((ring.face, &ring.condition), (Some(Face::Many), &Condition::Live));
        let many = ring.many.as_ref().unwrap();
        assert_eq!((many.seats, many.joined, many.held_up_by), (3, 2, Some(1)));
        attached(&name, 6);
        let states = |ring: &RingInfo| {
            ring.ends_of(Role::Producer).map(|end| (end.pid, end.state)).collect::<Vec<_>>()
        };
        let own = std::process::id();
        assert_eq!(states(&ring), [(child.pid(), Peer::Alive), (own, Peer::Alive)]);
        let error = inspect::remove(&name, Force::No).unwrap_err();
        assert!(matches!(error.kind(), inspect::ErrorKind::InUse { .. }), "{error}");
        let pid = child.pid();
        child.kill();
        assert_eq!(states(&look(&name)), [(pid, Peer::Died), (own, Peer::Alive)]);
        assert_eq!(inspect::repair(&name).unwrap(), [inspect::Repair::SeatFreed { pid }]);
    });
}
