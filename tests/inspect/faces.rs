//! The states of the ends of each face.

use crate::{
    assert_states, end, look,
    support::{Child, RingName, alone, eventually, wait_to_be_killed},
};
use shmpipe::{
    End, Options, Peer,
    inspect::{Condition, Face, Role},
    mpsc, record, slot,
};

/// What ends of a face do, as far as it differs.
struct Acts<P, C> {
    face: Face,
    finish: fn(P),
    fail: fn(P, i32),
    /// Sends one thing.
    send: fn(&mut P),
    give_up: fn(C, i32),
    /// Receives one thing, or waits until there is one.
    receive: fn(&mut C),
}

fn options() -> Options {
    Options::new().capacity(4096).producers(2)
}

fn every_state<P: End, C: End>(acts: &Acts<P, C>) {
    let leavings: [(&dyn Fn(P), Peer); 3] = [
        (&|end| (acts.finish)(end), Peer::Finished),
        (&|end| (acts.fail)(end, -7), Peer::Failed(-7)),
        (&drop, Peer::Dropped),
    ];
    for (leave, state) in leavings {
        let name = RingName::new("producer-left");
        let consumer: C = options().create_new(&name).unwrap();
        assert_eq!(look(&name).face, Some(acts.face));
        let mut producer: P = options().open(&name).unwrap();
        (acts.send)(&mut producer);
        assert_states(&look(&name), Peer::Alive, Peer::Alive);
        leave(producer);
        let ring = look(&name);
        assert_states(&ring, state, Peer::Alive);
        assert_eq!(ring.condition, Condition::Waiting);
        assert!(ring.unread > 0, "{ring:?}");
        drop(consumer);
        name.assert_gone();
    }
    let leavings: [(&dyn Fn(C), Peer); 2] =
        [(&|end| (acts.give_up)(end, 9), Peer::Failed(9)), (&drop, Peer::Finished)];
    for (leave, state) in leavings {
        let name = RingName::new("consumer-left");
        let producer: P = options().create_new(&name).unwrap();
        leave(options().open(&name).unwrap());
        assert_states(&look(&name), Peer::Alive, state);
        drop(producer);
        name.assert_gone();
    }
    both_die(acts);
}

fn both_die<P: End, C: End>(acts: &Acts<P, C>) {
    let name = RingName::new("both-die");
    let mut producer = Child::fork(|line| {
        let mut producer: P = options().create_new(&name).unwrap();
        (acts.send)(&mut producer);
        line.say("there");
        wait_to_be_killed();
    });
    producer.expect("there");
    assert_states(&look(&name), Peer::Alive, Peer::NoneYet);
    let consumer = Child::fork(|_| {
        let mut consumer: C = options().open(&name).unwrap();
        (acts.receive)(&mut consumer);
        (acts.receive)(&mut consumer);
    });
    let ring = eventually("the consumer to sleep", || {
        let ring = look(&name);
        (end(&ring, Role::Consumer).state == Peer::Waiting).then_some(ring)
    });
    assert_eq!((&ring.condition, ring.unread), (&Condition::Live, 0));
    assert_eq!(end(&ring, Role::Consumer).pid, consumer.pid());
    consumer.kill();
    let ring = look(&name);
    assert_states(&ring, Peer::Alive, Peer::Died);
    assert_eq!(ring.condition, Condition::Waiting);
    producer.kill();
    let ring = look(&name);
    assert_states(&ring, Peer::Died, Peer::Died);
    assert_eq!(ring.condition, Condition::Orphaned);
}

#[test]
fn of_records() {
    alone(|| {
        every_state(&Acts::<record::Sender, record::Receiver> {
            face: Face::Record,
            finish: |sender| sender.finish().unwrap(),
            fail: |sender, code| sender.fail(code),
            send: |sender| sender.send(b"a record").unwrap(),
            give_up: |receiver, code| receiver.fail(code),
            receive: |receiver| drop(receiver.recv()),
        });
    });
}

#[test]
fn of_slots() {
    alone(|| {
        every_state(&Acts::<slot::Producer<u64>, slot::Consumer<u64>> {
            face: Face::Slot,
            finish: |producer| producer.finish().unwrap(),
            fail: |producer, code| producer.fail(code),
            send: |producer| producer.push(7).unwrap(),
            give_up: |consumer, code| consumer.fail(code),
            receive: |consumer| drop(consumer.pop()),
        });
    });
}

#[test]
fn of_records_of_many_senders() {
    alone(|| {
        every_state(&Acts::<mpsc::Sender, mpsc::Receiver> {
            face: Face::Many,
            finish: |sender| sender.finish().unwrap(),
            fail: |sender, code| sender.fail(code),
            send: |sender| sender.send(b"a record").unwrap(),
            give_up: |receiver, code| receiver.fail(code),
            receive: |receiver| drop(receiver.recv()),
        });
    });
}
