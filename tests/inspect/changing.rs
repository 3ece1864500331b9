//! Removing and repairing.

use crate::{
    look,
    support::{Child, RingName, alone, wait_to_be_killed},
};
use shmpipe::{
    Options, Peer,
    inspect::{self, Condition, ErrorKind, Force, Repair},
    mpsc,
    stream::{Reader, Writer},
};
use std::{fs, os::unix::fs::chown};

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
    let name = RingName::new("no-ring");
    for content in [&b"text of another program"[..], b"shm"] {
        fs::write(name.path(), content).unwrap();
        for force in [Force::No, Force::Yes] {
            assert!(matches!(
                inspect::remove(&name, force).unwrap_err().kind(),
                ErrorKind::Ring(_)
            ));
        }
        assert!(inspect::repair(&name).is_err());
    }
    fs::write(name.path(), b"").unwrap();
    assert!(inspect::remove(&name, Force::No).is_err());
    inspect::remove(&name, Force::Yes).unwrap();
    name.assert_gone();

    if !nix::unistd::geteuid().is_root() {
        return crate::support::skip("only root can make what is another's");
    }
    let name = RingName::new("anothers");
    drop(Options::new().persistent(true).create_new::<Writer>(&name).unwrap());
    chown(name.path(), Some(65534), Some(65534)).unwrap();
    for force in [Force::No, Force::Yes] {
        let error = inspect::remove(&name, force).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotOwner { owner: 65534, own: 0 }), "{error}");
    }
    assert!(inspect::remove_orphaned(&name).unwrap().is_empty());
    name.assert_exists();
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
        fs::write(half.path(), b"shmbuild and then the builder died").unwrap();
        assert_eq!(look(&half).condition, Condition::Abandoned);

        let prefix = dead.as_str().split_inclusive('-').take(4).collect::<String>();
        let removed = inspect::remove_orphaned(&prefix).unwrap();
        let names: Vec<_> = removed.iter().map(|ring| ring.place.to_string()).collect();
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
        fs::write(name.path(), b"shmbuild").unwrap();
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
