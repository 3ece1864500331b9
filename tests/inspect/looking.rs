//! What is told of rings.

use crate::{
    assert_states, end, look,
    support::{Child, Holdings, RingName, alone, eventually, is_system_v, wait_to_be_killed},
};
use shmpipe::{
    Backend, Options, Peer,
    inspect::{self, Condition, Damage, Face, Role},
    mpsc, record, slot,
    stream::{Reader, Writer},
};
use std::{
    fs::File,
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

fn options() -> Options {
    Options::new().capacity(4096)
}

#[test]
fn every_state_of_the_ends_of_a_stream() {
    alone(|| {
        let name = RingName::new("states");
        let mut writer = Child::fork(|line| {
            let mut writer: Writer = options().create_new(&name).unwrap();
            writer.write_all(b"hello").unwrap();
            line.say("there");
            wait_to_be_killed();
        });
        writer.expect("there");
        let ring = look(&name);
        assert_eq!((&ring.condition, ring.unread), (&Condition::Waiting, 5));
        let backend = if is_system_v() { Backend::SystemV } else { Backend::Posix };
        assert_eq!((ring.backend, ring.face), (backend, Some(Face::Stream)));
        assert_eq!((ring.capacity, ring.mode, ring.persistent), (4096, 0o600, false));
        assert_states(&ring, Peer::Alive, Peer::NoneYet);
        assert_eq!(end(&ring, Role::Producer).pid, writer.pid());

        let mut reader = Child::fork(|line| {
            let mut reader: Reader = options().open(&name).unwrap();
            reader.read_exact(&mut [0; 5]).unwrap();
            line.say("read");
            let _ = reader.read(&mut [0]);
            wait_to_be_killed();
        });
        reader.expect("read");
        let ring = eventually("the reader to sleep", || {
            let ring = look(&name);
            (end(&ring, Role::Consumer).state == Peer::Waiting).then_some(ring)
        });
        assert_eq!((&ring.condition, ring.unread, ring.released), (&Condition::Live, 0, 5));
        let since = end(&ring, Role::Consumer).last_progress.expect("it waits");
        assert!(since < Duration::from_secs(60), "{since:?}");

        // Who is stopped is alive.
        writer.stop();
        let ring = look(&name);
        assert_eq!(end(&ring, Role::Producer).state, Peer::Alive);
        assert_eq!(ring.condition, Condition::Live);
        reader.kill();
        let ring = look(&name);
        assert_states(&ring, Peer::Alive, Peer::Died);
        assert_eq!(ring.condition, Condition::Waiting);
        writer.kill();
        let ring = look(&name);
        assert_states(&ring, Peer::Died, Peer::Died);
        assert_eq!(ring.condition, Condition::Orphaned);
        assert!(!ring.is_in_use());
    });
}

#[test]
fn ends_that_have_left() {
    alone(|| {
        let name = RingName::new("left");
        let reader: Reader = options().persistent(true).create_new(&name).unwrap();
        for (leave, state) in [
            ((|writer| drop(writer.finish())) as fn(Writer), Peer::Finished),
            (|writer| writer.fail(-7), Peer::Failed(-7)),
            (drop, Peer::Dropped),
        ] {
            let other = RingName::new("end");
            let keep: Reader = options().create_new(&other).unwrap();
            leave(options().open(&other).unwrap());
            assert_states(&look(&other), state, Peer::Alive);
            drop(keep);
        }
        drop(reader);
        let ring = look(&name);
        assert_states(&ring, Peer::NoneYet, Peer::Finished);
        assert!(ring.persistent && ring.condition == Condition::Orphaned);
    });
}

#[test]
fn each_face_and_anonymous_rings_of_another_process() {
    alone(|| {
        let mut child = Child::fork(|line| {
            let stream = options().anonymous::<Writer>().unwrap();
            let records = options().anonymous::<record::Sender>().unwrap();
            let slots = options().anonymous::<slot::Producer<u32>>().unwrap();
            let many = options().producers(3).anonymous::<mpsc::Sender>().unwrap();
            let ends = (stream.0.claim().unwrap(), records.1.claim().unwrap());
            let mut slot = slots.0.claim().unwrap();
            slot.push(7).unwrap();
            let mut sender = many.0.claim().unwrap();
            let claim = sender.reserve(10).unwrap();
            line.say("there");
            line.hear();
            drop((claim, ends, slot));
        });
        child.expect("there");
        let rings = inspect::list().unwrap();
        let pid = child.pid();
        let of_child = |ring: &&inspect::RingInfo| {
            ring.place.descriptor().is_some_and(|(holder, _)| holder == pid)
        };
        let mut faces: Vec<_> = rings.iter().filter(of_child).collect();
        faces.sort_by_key(|ring| ring.face.map(|face| face as u32));
        assert_eq!(faces.len(), 4, "{faces:?}");
        for ring in &faces {
            assert_eq!((&ring.condition, ring.backend), (&Condition::Waiting, Backend::Memfd));
            let again = inspect::status(ring.place.to_string()).unwrap();
            assert_eq!((again.face, &again.place), (ring.face, &ring.place));
        }
        assert_eq!(faces[1].face, Some(Face::Record));
        assert_eq!(faces[2].element.as_ref().unwrap().size, 4);
        assert_eq!(faces[2].unread, 4);
        let many = faces[3].many.as_ref().unwrap();
        assert_eq!((many.seats, many.joined, many.held_up_by), (3, 1, Some(1)));
        assert_eq!(end(faces[3], Role::Producer).number, Some(1));
        child.say("go");
        child.join();
        let left = inspect::list().unwrap();
        assert_eq!(left.iter().filter(of_child).count(), 0);
    });
}

#[test]
fn an_observer_leaves_no_trace() {
    alone(|| {
        let name = RingName::new("trace");
        let mut writer: Writer = options().create_new(&name).unwrap();
        writer.write_all(b"abc").unwrap();
        let before = (name.memory().content(), Holdings::now());
        for _ in 0..100 {
            look(&name);
            inspect::list().unwrap();
        }
        assert_eq!((name.memory().content(), Holdings::now()), before);
        // Roles are free and the last end takes the name away while it is looked at.
        thread::scope(|scope| {
            let observer = scope.spawn(|| while inspect::status(&name).is_ok() {});
            let mut reader: Reader = options().open(&name).unwrap();
            writer.finish().unwrap();
            reader.read_to_end(&mut Vec::new()).unwrap();
            drop(reader);
            observer.join().unwrap();
        });
        name.assert_gone();
    });
}

#[test]
fn a_list_while_rings_come_and_go() {
    alone(|| {
        let name = RingName::new("busy");
        let children: Vec<_> = (0..2)
            .map(|_| {
                Child::fork(|_| {
                    loop {
                        drop(options().open_or_create::<Writer>(&name));
                    }
                })
            })
            .collect();
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until {
            for ring in inspect::list().unwrap() {
                if ring.place.name() == Some(name.as_ref()) {
                    assert!(!matches!(ring.condition, Condition::Damaged(_)), "{ring:?}");
                }
            }
        }
        drop(children);
    });
}

#[test]
fn what_is_damaged_cut_short_or_not_ours() {
    let listed = |name: &RingName| {
        let rings = inspect::list().unwrap();
        rings.into_iter().find(|ring| ring.place.name() == Some(name.as_ref()))
    };
    let name = RingName::new("foreign");
    for content in [&b""[..], b"shm", b"something else altogether"] {
        if is_system_v() && content.is_empty() {
            continue; // There is no such segment.
        }
        name.make(content);
        assert!(listed(&name).is_none());
        assert!(inspect::status(&name).is_err());
        name.remove().unwrap();
    }
    // A segment as large as a ring's may be another's, too.
    name.make(&[b'x'; 4096]);
    assert!(listed(&name).is_none());
    for (length, whole) in [(8, false), (100, false), (256, false), (1000, false), (5000, false)] {
        // Nobody can cut a segment short.
        let name = RingName::posix("short");
        drop(options().persistent(true).create_new::<Writer>(&name).unwrap());
        let file = File::options().write(true).open(name.path()).unwrap();
        file.set_len(length).unwrap();
        let ring = listed(&name).expect("it says that it is ours");
        let damaged = matches!(ring.condition, Condition::Damaged(Damage::Layout(_)));
        assert!(damaged != whole, "{length}: {ring:?}");
    }
    // Any word may be anything: it is told as a number, or as damage.
    let name = RingName::new("scribbled");
    drop(options().producers(2).persistent(true).create_new::<mpsc::Sender>(&name).unwrap());
    let memory = name.memory();
    let whole = memory.content();
    for at in (8..1408 + 2 * 384).step_by(8) {
        for value in [u64::MAX, 1 << 63, 0x0102_0304_0506_0708, 1] {
            memory.write_all_at(&value.to_ne_bytes(), at).unwrap();
            listed(&name).expect("it says that it is ours");
        }
        memory.write_all_at(&whole[at as usize..][..8], at).unwrap();
    }
    assert_eq!(look(&name).condition, Condition::Orphaned);
}

#[test]
fn how_fast_a_ring_is() {
    let name = RingName::new("rates");
    let mut producer: slot::Producer<u64> = options().create_new(&name).unwrap();
    let before = look(&name);
    producer.push_slice(&[1, 2, 3]).unwrap();
    let rates = look(&name).rates_since(&before).unwrap();
    let seconds = rates.over.as_secs_f64();
    assert!((rates.bytes_in * seconds - 24.0).abs() < 1e-6, "{rates:?}");
    assert!((rates.items_in.unwrap() * seconds - 3.0).abs() < 1e-6, "{rates:?}");
    assert_eq!(rates.bytes_out, 0.0);
}

#[test]
fn five_hundred_rings_are_listed_at_once() {
    alone(|| {
        let names: Vec<_> = (0..500).map(|_| RingName::new("one-of-500")).collect();
        for name in &names {
            drop(options().persistent(true).create_new::<Writer>(name).unwrap());
        }
        let mut times: Vec<_> = (0..11)
            .map(|_| {
                let started = Instant::now();
                assert!(inspect::list().unwrap().len() >= 500);
                started.elapsed()
            })
            .collect();
        times.sort();
        println!("500 rings are listed in {:?} (median of 11)", times[5]);
        assert!(times[0] < Duration::from_millis(100), "{times:?}");
    });
}
