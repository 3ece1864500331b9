//! SIGINT, SIGTERM and SIGHUP in every state: death by that signal, and nothing left behind.

use nix::sys::signal::Signal;

use crate::{
    process::{Waits, is_held_up, until_waiting},
    support::{Place, Running, is_system_v, until},
};

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// For each signal: brings a `shmcat` into a state, sends it the signal and sees it die of that.
#[track_caller]
fn dies_of_each_signal(start: impl Fn(&Place) -> (Running, Waits)) {
    for signal in SIGNALS {
        let place = Place::new();
        let (child, state) = start(&place);
        until_waiting(child.pid(), state);
        child.signal(signal);
        child.finish().dies_of(signal).silent();
        assert!(place.left_in_shm().is_empty(), "{:?} after {signal}", place.left_in_shm());
    }
}

/// The same for one end of a ring, of which the other end then has to end in its own way.
#[track_caller]
fn dies_of_each_signal_beside(
    start: impl Fn(&Place) -> (Running, Waits, Running),
    peer_ends: impl Fn(&Place, Running),
) {
    for signal in SIGNALS {
        let place = Place::new();
        let (child, state, peer) = start(&place);
        until_waiting(child.pid(), state);
        child.signal(signal);
        child.finish().dies_of(signal).silent();
        peer_ends(&place, peer);
    }
}

#[test]
fn writer_that_waits_for_room_before_any_reader_came() {
    dies_of_each_signal(|place| {
        (place.start_shmcat("--to $R --capacity 64K /dev/zero"), Waits::ForPeer)
    });
}

#[test]
fn writer_that_waits_for_its_input() {
    dies_of_each_signal(|place| (place.start_shmcat("--to $R < <(sleep 1000)"), Waits::ToRead));
}

#[test]
fn writer_that_waits_for_its_input_with_bytes_in_the_ring() {
    dies_of_each_signal(|place| (place.start_writer_of("hello"), Waits::ToRead));
}

#[test]
fn writer_that_waits_for_the_drain() {
    dies_of_each_signal(|place| (place.start_shmcat("--to $R <<< hello"), Waits::ForPeer));
}

#[test]
fn writer_of_nothing_that_waits_for_a_reader() {
    dies_of_each_signal(|place| (place.start_shmcat("--to $R < /dev/null"), Waits::ForPeer));
}

#[test]
fn reader_that_waits_for_a_writer() {
    dies_of_each_signal(|place| (place.start_shmcat("--from $R"), Waits::ForPeer));
}

#[test]
fn writer_that_waits_for_a_reader_that_is_held_up() {
    let start = |place: &Place| {
        let writer = place.start_shmcat("--to $R --capacity 64K /dev/zero");
        // Nobody reads its standard output yet, so it fills a pipe and then the ring fills up.
        let reader = place.start_shmcat("--from $R");
        until_waiting(reader.pid(), Waits::ToWrite);
        (writer, Waits::ForPeer, reader)
    };
    dies_of_each_signal_beside(start, |_, reader| {
        let ran = reader.finish().exits(1).says("in mid-stream");
        assert!(ran.stdout.len() >= 64 << 10, "what came is delivered, not {}", ran.stdout.len());
        assert!(ran.stdout.iter().all(|&byte| byte == 0));
    });
}

#[test]
fn writer_that_waits_for_its_input_beside_a_reader() {
    let start = |place: &Place| {
        let writer = place.start_writer_of("hello");
        let reader = place.start_shmcat("--from $R");
        until_waiting(reader.pid(), Waits::ForPeer);
        (writer, Waits::ToRead, reader)
    };
    dies_of_each_signal_beside(start, |_, reader| {
        reader.finish().exits(1).says("in mid-stream").prints("hello\n");
    });
}

#[test]
fn reader_that_waits_for_room_in_a_pipe() {
    let start = |place: &Place| {
        let writer = place.start_shmcat("--to $R --capacity 64K /dev/zero");
        let reader = place.start_shmcat("--from $R");
        (reader, Waits::ToWrite, writer)
    };
    // Its reader left: the writer dies as if of a pipe.
    dies_of_each_signal_beside(start, |_, writer| {
        writer.finish().dies_of(Signal::SIGPIPE).silent();
    });
}

#[test]
fn reader_that_waits_for_more() {
    let start = |place: &Place| {
        let writer = place.start_writer_of("hello");
        let reader = place.start_shmcat("--from $R > out");
        until("the first line is there", || place.holds("out", b"hello\n"));
        (reader, Waits::ForPeer, writer)
    };
    // It notices as it would with a pipe: when it has something to write again.
    dies_of_each_signal_beside(start, |place, writer| {
        place.bash("echo more > p").exits(0);
        writer.finish().dies_of(Signal::SIGPIPE).silent();
    });
}

#[test]
fn ends_that_are_about_to_leave() {
    let place = Place::new();
    if !place.can_trace() {
        return;
    }
    // An end that leaves writes its pid beside the lock under which it removes the name. There both
    // are held up, as they can be by the scheduler; one of them has the lock, the other waits for
    // it. (Of System V rings the lock is all that has a call of its own.)
    let call = if is_system_v() { "semtimedop" } else { "pwrite64" };
    let held_up = format!(
        "strace -D -f -o /dev/null -e trace={call} -e inject={call}:delay_exit=300000 shmcat"
    );
    for signal in SIGNALS {
        let writer = place.start_bash(&format!("exec {held_up} --to $R <<< hello"));
        until_waiting(writer.pid(), Waits::ForPeer);
        let reader = place.start_bash(&format!("exec {held_up} --from $R > out"));
        until("the line is there", || place.holds("out", b"hello\n"));
        until("one is held up", || is_held_up(writer.pid()) || is_held_up(reader.pid()));
        writer.signal(signal);
        reader.signal(signal);
        let ends = [writer.finish(), reader.finish()];
        assert!(place.left_in_shm().is_empty(), "after {signal}: {ends:?}");
        place.bash("rm out").exits(0);
    }
}

#[test]
fn a_plain_copy() {
    dies_of_each_signal(|place| (place.start_shmcat("< <(sleep 1000)"), Waits::ToRead));
    dies_of_each_signal(|place| (place.start_shmcat("/dev/zero"), Waits::ToWrite));
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let place = Place::new();
    let writer = place.start_bash("trap '' HUP INT; exec shmcat --to $R <<< hello");
    until_waiting(writer.pid(), Waits::ForPeer);
    for ignored in [Signal::SIGHUP, Signal::SIGINT] {
        writer.signal(ignored);
    }
    place.bash("shmcat --from $R").exits(0).prints("hello\n").silent();
    writer.finish().exits(0).silent();
}
