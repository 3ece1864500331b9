//! What one end looks at or fills is its own: the other user, who may write to the memory at any
//! time, cannot change it afterwards, nor see it before it is committed.

use super::*;
use crate::{
    face_support::page,
    support::{DEADLINE, Memory, alone},
};
use shmpipe::{End, mpsc, record, slot, stream};

/// What the other user writes all over the data.
const SCRIBBLE: u8 = 0xee;

/// Bytes that the tests move.
const SENT: u64 = 0x0123_4567_89ab_cdef;

/// The data area, from outside. Its place is in the ring's first bytes.
fn data(name: &RingName) -> (Memory, u64) {
    let (memory, mut offset) = (name.memory(), [0; 8]);
    memory.read_exact_at(&mut offset, 24).unwrap();
    (memory, u64::from_ne_bytes(offset))
}

fn scribble(name: &RingName) {
    let (memory, offset) = data(name);
    memory.write_all_at(&vec![SCRIBBLE; page()], offset).unwrap();
}

/// Whether what was sent lies anywhere in the ring.
fn is_visible(name: &RingName) -> bool {
    let (memory, offset) = data(name);
    let mut bytes = vec![0; page()];
    memory.read_exact_at(&mut bytes, offset).unwrap();
    bytes.windows(8).any(|bytes| bytes == SENT.to_ne_bytes())
}

/// Bob sends; Alice looks at it, calls `scribbled` when she does, and looks again.
fn received<O: End, I: End>(
    send: impl Fn(&mut O),
    look: impl Fn(&mut I, &mut dyn FnMut()) -> [u64; 2],
    see: u64,
    options: impl Fn() -> Options,
    users: [Option<User>; 2],
) {
    let run = |user: Option<User>, body: &dyn Fn(&mut Line)| match user {
        Some(user) => user.run(|line| body(line)),
        None => Child::fork(|line| body(line)),
    };
    let name = RingName::new("received");
    let mut alice = run(users[0], &|line| {
        let mut from: I = options().create_new(&name).unwrap();
        line.say("made");
        let seen = look(&mut from, &mut || {
            line.say("looking");
            line.expect("scribbled");
        });
        assert_eq!(seen, [SENT, see]);
        line.say("looked");
        line.expect("leave");
    });
    alice.expect("made");
    let mut bob = run(users[1], &|line| {
        let mut out: O = options().open(&name).unwrap();
        send(&mut out);
        line.say("sent");
        line.expect("scribble");
        scribble(&name);
        line.say("scribbled");
    });
    bob.expect("sent");
    alice.expect("looking");
    bob.say("scribble");
    bob.expect("scribbled");
    alice.say("scribbled");
    alice.expect("looked");
    bob.join();
    alice.say("leave");
    alice.join();
}

/// Between users; and of one user, who borrows, which shows that the scribbles hit.
fn received_by_copy<O: End, I: End>(
    send: fn(&mut O),
    look: fn(&mut I, &mut dyn FnMut()) -> [u64; 2],
) {
    received(send, look, SENT, shared, [Some(ALICE), Some(BOB)]);
    received(send, look, u64::from_ne_bytes([SCRIBBLE; 8]), private, [None, None]);
}

fn word(bytes: &[u8]) -> u64 {
    // Read anew each time, as far as the compiler knows.
    u64::from_ne_bytes(*std::hint::black_box(bytes).first_chunk().unwrap())
}

#[test]
fn what_a_consumer_looks_at() {
    alone(|| {
        as_root(|| {
            received_by_copy::<stream::Writer, stream::Reader>(
                |writer| {
                    let mut span = writer.reserve(8).unwrap();
                    span.copy_from_slice(&SENT.to_ne_bytes());
                    span.commit(8).unwrap();
                },
                |reader, scribbled| {
                    let bytes = reader.fill_buf_timeout(DEADLINE).unwrap();
                    let before = word(bytes);
                    scribbled();
                    [before, word(bytes)]
                },
            );
            received_by_copy::<record::Sender, record::Receiver>(
                |sender| sender.send(&SENT.to_ne_bytes()).unwrap(),
                |receiver, scribbled| {
                    let record = receiver.recv_timeout(DEADLINE).unwrap().unwrap();
                    let before = word(&record);
                    scribbled();
                    [before, word(&record)]
                },
            );
            received_by_copy::<record::Sender, record::Receiver>(
                |sender| sender.send(&SENT.to_ne_bytes()).unwrap(),
                |receiver, scribbled| {
                    let mut records = receiver.recv_batch_timeout(DEADLINE).unwrap().unwrap();
                    let record = records.next().unwrap().unwrap();
                    let before = word(&record);
                    scribbled();
                    [before, word(&record)]
                },
            );
            received_by_copy::<mpsc::Sender, mpsc::Receiver>(
                |sender| sender.send(&SENT.to_ne_bytes()).unwrap(),
                |receiver, scribbled| {
                    let record = receiver.recv_timeout(DEADLINE).unwrap().unwrap();
                    let before = word(&record);
                    scribbled();
                    [before, word(&record)]
                },
            );
            received_by_copy::<mpsc::Sender, mpsc::Receiver>(
                |sender| sender.send(&SENT.to_ne_bytes()).unwrap(),
                |receiver, scribbled| {
                    let mut records = receiver.recv_batch_timeout(DEADLINE).unwrap().unwrap();
                    let record = records.next().unwrap().unwrap();
                    let before = word(&record);
                    scribbled();
                    [before, word(&record)]
                },
            );
            received_by_copy::<slot::Producer<u64>, slot::Consumer<u64>>(
                |producer| producer.push(SENT).unwrap(),
                |consumer, scribbled| {
                    let values = consumer.pop_batch_timeout(DEADLINE).unwrap().unwrap();
                    let before = word(bytemuck::bytes_of(&values[0]));
                    scribbled();
                    [before, word(bytemuck::bytes_of(&values[0]))]
                },
            );
        });
    });
}

/// Bob fills what he has reserved; nobody sees it, and what Alice writes there
/// meanwhile is not sent.
fn reserved_by_copy<O: End, I: End>(fill: fn(&mut O, &mut dyn FnMut()), take: fn(&mut I) -> u64) {
    for (between_users, options) in [(true, shared()), (false, private())] {
        let run = |user: User, body: &dyn Fn(&mut Line)| match between_users {
            true => user.run(|line| body(line)),
            false => Child::fork(|line| body(line)),
        };
        let name = RingName::new("reserved");
        let mut alice = run(ALICE, &|line| {
            let mut from: I = options.create_new(&name).unwrap();
            line.say("made");
            line.expect("filled");
            // Of one user it is made in place.
            assert_eq!(is_visible(&name), !between_users);
            scribble(&name);
            line.say("scribbled");
            line.expect("committed");
            let expected = if between_users { SENT } else { u64::from_ne_bytes([SCRIBBLE; 8]) };
            assert_eq!(take(&mut from), expected);
        });
        alice.expect("made");
        let mut bob = run(BOB, &|line| {
            let mut out: O = options.open(&name).unwrap();
            fill(&mut out, &mut || {
                line.say("filled");
                line.expect("scribbled");
            });
            line.say("committed");
            line.expect("leave");
        });
        bob.expect("filled");
        alice.say("filled");
        alice.expect("scribbled");
        bob.say("scribbled");
        bob.expect("committed");
        alice.say("committed");
        alice.join();
        bob.say("leave");
        bob.join();
        // Bob, who was the last one out, may not remove it; and what Alice left there nobody needs.
        let _ = name.remove();
    }
}

#[test]
fn what_a_producer_fills() {
    alone(|| {
        as_root(|| {
            reserved_by_copy::<stream::Writer, stream::Reader>(
                |writer, filled| {
                    let mut span = writer.reserve(8).unwrap();
                    span.copy_from_slice(&SENT.to_ne_bytes());
                    filled();
                    span.commit(8).unwrap();
                },
                |reader| word(reader.fill_buf_timeout(DEADLINE).unwrap()),
            );
            reserved_by_copy::<record::Sender, record::Receiver>(
                |sender, filled| {
                    let mut place = sender.reserve(8).unwrap();
                    place.copy_from_slice(&SENT.to_ne_bytes());
                    filled();
                    place.commit().unwrap();
                },
                |receiver| word(&receiver.recv_timeout(DEADLINE).unwrap().unwrap()),
            );
            reserved_by_copy::<mpsc::Sender, mpsc::Receiver>(
                |sender, filled| {
                    let mut place = sender.reserve(8).unwrap();
                    place.copy_from_slice(&SENT.to_ne_bytes());
                    filled();
                    place.commit().unwrap();
                },
                |receiver| word(&receiver.recv_timeout(DEADLINE).unwrap().unwrap()),
            );
            reserved_by_copy::<slot::Producer<u64>, slot::Consumer<u64>>(
                |producer, filled| {
                    let mut slots = producer.reserve(1).unwrap();
                    slots[0] = SENT;
                    filled();
                    slots.commit().unwrap();
                },
                |consumer| consumer.pop_timeout(DEADLINE).unwrap().unwrap(),
            );
        });
    });
}
