//! Who comes takes a seat of its own, if there is one.

use crate::{
    assert_fails,
    many_support::*,
    stream_support::*,
    support::{Child, RingName, alone, wait_to_be_killed},
};
use shmpipe::{
    LayoutError, OpenError, OpenErrorKind, Options, Peer, Trust,
    mpsc::{ReadError, Receiver, Sender, WriteError},
    record, slot, stream,
};
use std::collections::HashSet;

#[track_caller]
fn is_full<T>(opened: Result<T, OpenError>, limit: usize) -> Vec<u32> {
    match opened.map(drop).map_err(|error| (error.to_string(), error)) {
        Err((text, error)) => match error.kind() {
            OpenErrorKind::TableFull { limit: found, pids } => {
                assert_eq!(*found, limit);
                assert!(text.contains(&limit.to_string()), "{text}");
                pids.clone()
            }
            other => panic!("{other:?}"),
        },
        Ok(()) => panic!("there is a seat past the {limit}th"),
    }
}

/// As many as nothing was said of, and the one too many, which is told who has the seats.
#[test]
fn the_sixty_fifth() {
    alone(|| {
        for named in [true, false] {
            let name = RingName::new("many");
            let options = Options::new().capacity(page());
            let (unclaimed, _receiver) = options.anonymous::<Sender>().unwrap();
            let _maker: Option<Receiver> = named.then(|| options.create_new(&name).unwrap());
            let open = || match named {
                true => options.open::<Sender>(&name),
                false => unclaimed.try_clone().unwrap().claim(),
            };
            let mut children: Vec<_> = (0..4)
                .map(|_| {
                    Child::fork(|line| {
                        let senders: Vec<_> = (0..8).map(|_| open().unwrap()).collect();
                        line.say("seated");
                        line.expect("leave");
                        drop(senders);
                        line.say("left");
                        wait_to_be_killed();
                    })
                })
                .collect();
            children.iter_mut().for_each(|child| child.expect("seated"));
            let mut own: Vec<_> = (0..32).map(|_| open().unwrap()).collect();
            for _ in 0..3 {
                let mut pids = is_full(open(), 64);
                let mut expected = vec![std::process::id(); 32];
                expected.extend(children.iter().flat_map(|child| [child.pid(); 8]));
                pids.sort_unstable();
                expected.sort_unstable();
                assert_eq!(pids, expected);
                is_full(own[0].try_clone(), 64);
            }
            // One leaves, one comes; nothing of it is in the ring.
            drop(own.pop());
            own.push(open().unwrap());
            is_full(open(), 64);
            // Eight die, eight leave.
            children.pop().unwrap().kill();
            let mut left = children.pop().unwrap();
            left.say("leave");
            left.expect("left");
            own.extend((0..16).map(|_| open().unwrap()));
            assert_eq!(is_full(open(), 64).len(), 64);
            let ids: HashSet<_> = own.iter().map(|sender| sender.id()).collect();
            assert_eq!(ids.len(), own.len(), "each is somebody else");
        }
    });
}

#[test]
fn as_many_seats_as_were_asked_for() {
    for n in [1, 2, 3, 63, 64, 65, 254, 255] {
        for site in ManySite::each(n) {
            site.assert_free_seats(n);
            let _one = site.sender(&Options::new());
            site.assert_free_seats(n - 1);
        }
    }
    for n in [0, 256, 257, 1 << 16, usize::MAX] {
        let options = Options::new().producers(n);
        let name = RingName::new("many");
        assert!(options.open_or_create::<Sender>(&name).is_err(), "{n} producers");
        assert!(options.anonymous::<Sender>().is_err());
        name.assert_gone();
    }
}

/// Of a ring that exists no more can be asked than it has.
#[test]
fn the_number_of_seats_of_a_ring_that_exists() {
    let name = RingName::new("many");
    let _receiver: Receiver = Options::new().producers(5).create_new(&name).unwrap();
    let open = |n| Options::new().producers(n).open::<Sender>(&name);
    for n in [6, 64, 255] {
        let error = open(n).map(drop).unwrap_err();
        assert!(
            matches!(error.kind(), OpenErrorKind::ProducersDiffer { asked, found: 5 } if *asked == n),
            "{error}"
        );
    }
    let _senders = [open(5).unwrap(), open(1).unwrap(), Options::new().open(&name).unwrap()];
}

/// Numbers go up, in the order of coming, and none is had twice.
#[test]
fn who_is_the_how_manieth() {
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let site = ManySite::with(kind.named, 3, &options);
        let mut receiver = site.receiver(&options);
        let mut expected = 1;
        for round in 0..20_u64 {
            let mut senders = vec![site.sender(&options), site.sender(&options)];
            senders.push(senders[0].try_clone().unwrap());
            for sender in &mut senders {
                assert_eq!(sender.id().number(), expected);
                assert_eq!(sender.id().to_string(), expected.to_string());
                expected += 1;
                sender.send(&round.to_ne_bytes()).unwrap();
            }
            if round % 2 == 0 {
                drop(senders.pop());
            }
            let first = senders[0].id().number();
            for offset in 0..3 {
                let seen = receiver.try_peek().unwrap().unwrap().producer();
                assert_eq!(seen.number(), first + offset, "of those that have left, too");
                let record = receiver.try_recv().unwrap().unwrap();
                assert_eq!(record.producer(), seen);
                assert_eq!(*record, round.to_ne_bytes());
            }
        }
    }
}

/// A seat is not had again as long as anything of its last owner is in the ring.
#[test]
fn the_seat_of_one_who_has_left_records_behind() {
    alone(|| {
        for dies in [false, true] {
            for site in ManySite::each(2) {
                let options = Options::new().liveness_interval(std::time::Duration::from_millis(1));
                let mut receiver = site.receiver(&options);
                let mut survivor = site.sender(&options);
                for round in 0..10 {
                    let send = |sender: &mut Sender| {
                        send_signed(sender, round + 1, 0, 90).unwrap();
                        send_signed(sender, round + 1, 1, 90).unwrap();
                    };
                    if dies {
                        let mut child = Child::fork(|line| {
                            let mut sender = site.sender(&options);
                            send(&mut sender);
                            std::mem::forget(sender.reserve(100).unwrap());
                            line.say("sent");
                            wait_to_be_killed();
                        });
                        child.expect("sent");
                        child.kill();
                    } else {
                        send(&mut site.sender(&options));
                    }
                    send_signed(&mut survivor, 0, round, 90).unwrap();
                    let mut book = Book::new(90);
                    for received in 0..2 {
                        let pids = is_full(site.open::<Sender>(&options), 2);
                        assert_eq!(pids, [std::process::id()], "the other is no more");
                        let record = receiver.recv().unwrap().unwrap();
                        let noted = book.note(&record, record.kind(), record.producer());
                        assert_eq!(noted, (round + 1, received));
                        // Also not while the last of it is being looked at.
                        is_full(site.open::<Sender>(&options), 2);
                    }
                    if round % 2 == 0 {
                        // Taken before the claim of the dead has been passed
                        // over, or it is not had yet.
                        match site.open::<Sender>(&options) {
                            Ok(_) => assert!(!dies, "its claim is still open"),
                            Err(error) => drop(is_full::<()>(Err(error), 2)),
                        }
                    }
                    let record = receiver.recv().unwrap().unwrap();
                    assert_eq!(record.producer(), survivor.id());
                    drop(record);
                    site.assert_free_seats(1);
                    assert_eq!(receiver.stats().repaired, if dies { round + 1 } else { 0 });
                }
            }
        }
    });
}

#[test]
fn one_receiver_only() {
    for site in ManySite::each(4) {
        let options = Options::new();
        let receiver = site.receiver(&options);
        for _ in 0..3 {
            let error = site.open::<Receiver>(&options).map(drop).unwrap_err();
            assert!(matches!(error.kind(), OpenErrorKind::RoleTaken { .. }), "{error}");
        }
        drop(receiver);
        drop(site.receiver(&options));
    }
}

/// A ring is of one kind. (And an end is refused before anything of the ring is changed.)
#[test]
fn a_ring_of_something_else() {
    #[track_caller]
    fn refused<E: shmpipe::End>(name: &RingName) {
        for options in [Options::new(), Options::new().adopt(true).resume()] {
            for opened in [
                options.open::<E>(name).map(drop),
                options.open_or_create(name).map(|e: E| drop(e)),
            ] {
                let error = opened.unwrap_err();
                let layout =
                    matches!(error.kind(), OpenErrorKind::Layout(LayoutError::Face { .. }));
                assert!(layout, "{error}");
            }
        }
    }
    let name = RingName::new("many");
    let mut receiver: Receiver = Options::new().create_new(&name).unwrap();
    refused::<record::Sender>(&name);
    refused::<record::Receiver>(&name);
    refused::<stream::Writer>(&name);
    refused::<stream::Reader>(&name);
    refused::<slot::Producer<u64>>(&name);
    refused::<slot::Consumer<u64>>(&name);
    let mut sender: Sender = Options::new().open(&name).unwrap();
    sender.send(b"unharmed").unwrap();
    assert_eq!(*receiver.recv().unwrap().unwrap(), *b"unharmed");

    let name = RingName::new("one");
    let _one: record::Sender = Options::new().create_new(&name).unwrap();
    refused::<Sender>(&name);
    refused::<Receiver>(&name);
    let name = RingName::new("stream");
    let _one: stream::Writer = Options::new().create_new(&name).unwrap();
    refused::<Sender>(&name);
    refused::<Receiver>(&name);
}

/// The last one out removes the name, whoever it is; but not what a receiver is still to get.
#[test]
fn the_last_one_out() {
    alone(|| {
        let options = Options::new().capacity(page());
        // Nothing was sent: senders leave in any order, then the receiver; or the other way round.
        for receiver_first in [true, false] {
            let name = RingName::new("many");
            let mut senders: Vec<Sender> =
                (0..5).map(|_| options.open_or_create(&name).unwrap()).collect();
            let receiver: Receiver = options.open_or_create(&name).unwrap();
            let mut receiver = Some(receiver);
            if receiver_first {
                receiver = None;
            }
            while let Some(sender) = senders.pop() {
                name.assert_exists();
                drop(sender);
            }
            drop(receiver);
            name.assert_gone();
        }
        // All dead but one.
        let name = RingName::new("many");
        let _receiver: Receiver = options.create_new(&name).unwrap();
        let mut children: Vec<_> = (0..3)
            .map(|_| {
                Child::fork(|line| {
                    let _sender: Sender = options.open(&name).unwrap();
                    line.say("seated");
                    wait_to_be_killed();
                })
            })
            .collect();
        children.iter_mut().for_each(|child| child.expect("seated"));
        children.into_iter().for_each(Child::kill);
        name.assert_exists();
        drop(_receiver);
        name.assert_gone();

        // Records without a receiver are kept for one.
        let name = RingName::new("many");
        for number in 0..3 {
            let mut sender: Sender = options.open_or_create(&name).unwrap();
            send_signed(&mut sender, 7 + number, 0, 90).unwrap();
            sender.finish().unwrap();
            name.assert_exists();
        }
        let mut receiver: Receiver = options.open(&name).unwrap();
        let mut book = Book::new(90);
        for number in 0..3 {
            let received = receive_signed(&mut receiver, &mut book, FOR_EVER).unwrap();
            assert_eq!(received, Some((7 + number, 0)));
        }
        assert!(receiver.recv().unwrap().is_none());
        drop(receiver);
        name.assert_gone();
    });
}

/// What was claimed and given up is nothing that anybody is to get.
#[test]
fn the_last_one_out_having_sent_nothing() {
    alone(|| {
        for dies in [false, true] {
            let name = RingName::new("many");
            let options = Options::new().capacity(page());
            let mut sender: Sender = options.create_new(&name).unwrap();
            if dies {
                let mut child = Child::fork(|line| {
                    let mut sender: Sender = options.open(&name).unwrap();
                    std::mem::forget(sender.reserve(100).unwrap());
                    line.say("claimed");
                    wait_to_be_killed();
                });
                child.expect("claimed");
                child.kill();
            } else {
                drop(sender.reserve(100).unwrap());
                let mut batch = sender.batch_of(300);
                batch.send(b"never").unwrap();
                drop(batch);
            }
            drop(sender);
            name.assert_gone();
        }
    });
}

/// One that is aborted takes nothing of the others with it.
#[test]
fn an_aborted_one_leaves_what_others_sent() {
    let name = RingName::new("many");
    let options = Options::new().capacity(page());
    let mut whole: Sender = options.create_new(&name).unwrap();
    whole.send(b"whole").unwrap();
    whole.finish().unwrap();
    let other: Sender = options.open(&name).unwrap();
    other.aborter().abort();
    drop(other);
    name.assert_exists();
    let mut receiver: Receiver = options.open(&name).unwrap();
    assert_eq!(*receiver.recv().unwrap().unwrap(), *b"whole");
    assert_fails!(receiver.recv(), ReadError::Dropped);
}

/// Who takes a seat begins to count anew.
#[test]
fn counters_of_a_seat_that_was_had_before() {
    for site in ManySite::each(1) {
        let mut receiver = site.receiver(&Options::new());
        for n in [7, 3, 0] {
            let mut sender = site.sender(&Options::new());
            let fresh = &sender.status().unwrap().producers[0];
            let numbers =
                (fresh.operations, fresh.bytes, fresh.aborted, fresh.leaked, fresh.sleeps);
            assert_eq!((fresh.id, numbers), (sender.id(), (0, 0, 0, 0, 0)));
            for _ in 0..n {
                drop(sender.reserve(1).unwrap());
                sender.send(b"x").unwrap();
                receiver.recv().unwrap().unwrap();
            }
            let id = sender.id();
            sender.finish().unwrap();
            let left = &receiver.status().unwrap().producers[0];
            assert_eq!((left.id, left.operations, left.aborted), (id, n, n));
            assert_eq!((left.pid, left.state), (std::process::id(), Peer::Finished));
        }
    }
}

/// Opened, closed and opened again while others are there: the ring stays the same one.
#[test]
fn meeting_in_any_order() {
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let site = ManySite::with(kind.named, 8, &options);
        let mut first = site.sender(&options);
        first.send(b"before anybody listens").unwrap();
        assert_eq!(first.peer().unwrap(), Peer::NoneYet);
        let mut receiver = site.receiver(&options);
        assert_eq!(*receiver.recv().unwrap().unwrap(), *b"before anybody listens");
        let mut second = site.sender(&options);
        second.send(b"second").unwrap();
        drop(second);
        first.send(b"first").unwrap();
        drop(receiver);
        assert_fails!(first.try_send(b"x"), WriteError::ReaderLeft);
        let mut receiver = site.receiver(&options);
        for expected in ["second", "first"] {
            assert_eq!(*receiver.try_recv().unwrap().unwrap(), *expected.as_bytes());
        }
        assert_fails!(receiver.try_recv(), ReadError::Empty);
        first.send(b"again").unwrap();
        assert_eq!(*receiver.try_recv().unwrap().unwrap(), *b"again");
    }
}

/// Who makes the ring is of no account, and how.
#[test]
fn wishes() {
    let name = RingName::new("many");
    let sender: Sender =
        Options::new().capacity(1 << 14).payload_align(256).open_or_create(&name).unwrap();
    assert_eq!((sender.capacity(), sender.max_len()), (1 << 14, 1 << 14));
    let open =
        |options: Options| options.open::<Sender>(&name).map(drop).map_err(|e| e.to_string());
    open(Options::new().capacity(1 << 14)).unwrap();
    open(Options::new().payload_align(8)).unwrap();
    assert!(open(Options::new().capacity(1 << 13)).is_err());
    assert!(open(Options::new().payload_align(512)).is_err());
    open(Options::new().capacity(1 << 13).adopt(true)).unwrap();
    let receiver: Receiver = Options::new().trust(Trust::AnyUser).open(&name).unwrap();
    assert_eq!(receiver.capacity(), 1 << 14);
}
