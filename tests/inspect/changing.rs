//! Removing and repairing.

use crate::{
    look,
    support::{Child, RingName, alone, is_system_v, page_size, posix_only, wait_to_be_killed},
};
use shmpipe::{
    Options, Peer,
    inspect::{self, Condition, ErrorKind, Force, Repair},
    mpsc,
    stream::{Reader, Writer},
};

/// nobody.
const OTHER: u32 = 65534;

/// A System V segment that was not is not taken for one that is to be a ring's.
fn as_large_as_a_ring(content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    if is_system_v() {
        content.resize(2 * page_size(), 0);
    }
    content
}

#[test]
fn a_ring_in_use_is_removed_by_force_only() {
    let name = RingName::new("used");
    let writer: Writer = Options::new().create_new(&name).unwrap();
    let error = inspect::remove(&name, Force::No).unwrap_err();
    let own = std::process::id();
    assert!(matches!(error.kind(), ErrorKind::InUse { pids } if *pids == [own]), "{error}");
    name.assert_exists();
    inspect::remove(&name, Force::Yes).unwrap();
    name.assert_gone();
    let error = inspect::remove(&name, Force::Yes).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotFound), "{error}");
    // A namesake is not what the old end takes away.
    let _other: Reader = Options::new().create_new(&name).unwrap();
    drop(writer);
    name.assert_exists();
}

#[test]
fn what_is_no_ring_or_anothers_is_not_removed() {
    alone(|| {
        let name = RingName::new("no-ring");
        for content in [&b"text of another program"[..], b"shm"] {
            name.make(&as_large_as_a_ring(content));
            for force in [Force::No, Force::Yes] {
                assert!(matches!(
                    inspect::remove(&name, force).unwrap_err().kind(),
                    ErrorKind::Ring(_)
                ));
            }
            assert!(inspect::repair(&name).is_err());
            name.remove().unwrap();
        }
        if posix_only("emptiness") {
            name.make(b"");
            assert!(inspect::remove(&name, Force::No).is_err());
            inspect::remove(&name, Force::Yes).unwrap();
            name.assert_gone();
        }

        if !nix::unistd::geteuid().is_root() {
            return crate::support::skip("only root can make what is another's");
        }
        let name = RingName::new("anothers");
        // Who made a System V object is not a stranger to it, whoever owns it.
        let child = Child::fork(|_| {
            nix::unistd::setuid(OTHER.into()).unwrap();
            drop(Options::new().persistent(true).create_new::<Writer>(&name).unwrap());
        });
        child.join();
        for force in [Force::No, Force::Yes] {
            let error = inspect::remove(&name, force).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::NotOwner { owner: OTHER, own: 0 }),
                "{error}"
            );
        }
        assert!(inspect::remove_orphaned(&name).unwrap().is_empty());
        name.assert_exists();
    });
}

/// What the names begin with of two rings and of no other test's: of a key, all of it.
fn prefixes(one: &RingName, other: &RingName) -> Vec<String> {
    match is_system_v() {
        true => [one, other].map(|name| name.as_str().to_owned()).into(),
        false => vec![one.as_str().split_inclusive('-').take(4).collect()],
    }
}

#[test]
fn orphans_are_removed_and_nothing_else() {
    alone(|| {
        let [dead, live, kept, half] = ["dead", "live", "kept", "half"].map(RingName::new);
        let make = |name: &RingName| -> Writer { Options::new().create_new(name).unwrap() };
        let mut child = Child::fork(|line| {
            let _writer = make(&dead);
            line.say("there");
            wait_to_be_killed();
        });
        child.expect("there");
        child.kill();
        let _live = make(&live);
        drop(Options::new().persistent(true).create_new::<Writer>(&kept).unwrap());
        half.make(&as_large_as_a_ring(b"shmbuild and then the builder died"));
        assert_eq!(look(&half).condition, Condition::Abandoned);

        let mut names = Vec::new();
        for prefix in prefixes(&dead, &half) {
            let removed = inspect::remove_orphaned(prefix).unwrap();
            names.extend(removed.iter().map(|ring| ring.place.to_string()));
        }
        assert_eq!(names, [dead.as_str(), half.as_str()]);
        dead.assert_gone();
        half.assert_gone();
        live.assert_exists();
        kept.assert_exists();
    });
}

#[test]
fn remains_and_seats_of_the_dead() {
    alone(|| {
        let name = RingName::new("remains");
        name.make(&as_large_as_a_ring(b"shmbuild"));
        assert_eq!(inspect::repair(&name).unwrap(), [Repair::RemainsRemoved]);
        name.assert_gone();

        let mut receiver: mpsc::Receiver = Options::new().producers(2).create_new(&name).unwrap();
        let mut child = Child::fork(|line| {
            let mut sender: mpsc::Sender = Options::new().open(&name).unwrap();
            sender.send(b"sent").unwrap();
            let _claim = sender.reserve(100).unwrap();
            line.say("there");
            wait_to_be_killed();
        });
        child.expect("there");
        assert_eq!(inspect::repair(&name).unwrap(), [], "it is alive");
        let pid = child.pid();
        child.kill();
        assert_eq!(inspect::repair(&name).unwrap(), [Repair::SeatFreed { pid }]);
        assert_eq!(inspect::repair(&name).unwrap(), []);
        let ring = look(&name);
        assert_eq!((ring.condition.clone(), ring.ends[0].state), (Condition::Waiting, Peer::Died));
        assert_eq!(&*receiver.recv().unwrap().unwrap(), b"sent");
        // And the ring goes on.
        let mut sender: mpsc::Sender = Options::new().open(&name).unwrap();
        sender.send(b"more").unwrap();
        assert_eq!(&*receiver.recv().unwrap().unwrap(), b"more");
    });
}
