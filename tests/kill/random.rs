//! Several producers at work are killed at random moments, one or more at a time, and replaced.

use crate::{
    GO_ON,
    forms::{LONGEST, WORDS_OF_A_WORKER, said_by_worker, work},
    many_support::*,
    stepped::{self, Totals},
    stream_support::*,
    support::{Child, Shared, alone, alone_within, eventually, progress, skip},
    tracing::permitted,
};
use shmpipe::{
    Options, Wait,
    mpsc::{ReadError, Receiver, Sender, WriteError},
};
use std::time::{Duration, Instant};

/// The controller, as an author.
const CONTROLLER: u64 = 0;

/// How many work at once.
const WORKERS: usize = 4;

struct Worker {
    child: Child,
    author: u64,
}

struct Scene<'a> {
    site: &'a ManySite,
    said: &'a Shared,
    options: &'a Options,
    receiver: Receiver,
    sender: Sender,
    book: Book,
    sent: u64,
    authors: u64,
    workers: [Option<Worker>; WORKERS],
    totals: Totals,
}

impl<'a> Scene<'a> {
    fn new(site: &'a ManySite, said: &'a Shared, options: &'a Options) -> Self {
        Self {
            receiver: site.receiver(options),
            sender: site.sender(options),
            site,
            said,
            options,
            book: Book::new(LONGEST),
            sent: 0,
            authors: 0,
            workers: [const { None }; WORKERS],
            totals: Totals::default(),
        }
    }

    /// Sees to it that all places are taken.
    fn replace(&mut self) {
        for (place, worker) in self.workers.iter_mut().enumerate() {
            if worker.is_none() {
                self.authors += 1;
                let author = self.authors;
                let at = place * WORDS_OF_A_WORKER;
                for word in &self.said[at..at + WORDS_OF_A_WORKER] {
                    word.store(0, std::sync::atomic::Ordering::SeqCst);
                }
                let child = Child::fork(|_| {
                    // What was sent before the one that had the seat was found
                    // dead must be received first.
                    let mut sender = eventually("a seat", || self.site.open(self.options).ok());
                    work(&mut sender, self.said, at, author).unwrap();
                });
                *worker = Some(Worker { child, author });
            }
        }
    }

    /// Receives for a while.
    fn receive_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match receive_signed(&mut self.receiver, &mut self.book, left) {
                Ok(record) => assert!(record.is_some(), "nobody has finished"),
                Err(ReadError::Timeout) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Kills these, and waits until what the controller sends after that has come.
    fn kill(&mut self, places: impl Iterator<Item = usize>) {
        let victims: Vec<_> =
            places.filter_map(|place| Some((place, self.workers[place].take()?))).collect();
        for (_, victim) in &victims {
            victim.child.signal(libc::SIGKILL);
        }
        let mut dead = vec![];
        for (place, Worker { child, author }) in victims {
            assert_eq!(child.status(), libc::SIGKILL, "it had come to an end by itself");
            dead.push((place, author));
        }
        let killed = Instant::now();
        let repaired = self.receiver.stats().repaired;
        let (kind, bytes) = signed(CONTROLLER, self.sent, LONGEST);
        loop {
            match self.sender.kind(kind).try_send(&bytes) {
                Ok(()) => break,
                Err(WriteError::Full) => self.receive_one(killed),
                Err(error) => panic!("{error}"),
            }
        }
        self.sent += 1;
        while self.book.of(CONTROLLER) < self.sent {
            self.receive_one(killed);
        }
        let took = killed.elapsed();
        let repaired = self.receiver.stats().repaired - repaired;
        assert!(repaired <= dead.len() as u64, "{repaired} claims of {} dead", dead.len());
        for (place, author) in &dead {
            let (sent, begun) = said_by_worker(self.said, place * WORDS_OF_A_WORKER);
            let come = self.book.of(*author);
            assert!(
                sent <= come && come <= begun,
                "{sent} were sent, {come} came, {begun} were begun"
            );
        }
        self.totals.kills += dead.len() as u64;
        self.totals.repaired += repaired;
        self.totals.went_on.add(took);
        if repaired > 0 {
            self.totals.went_on_repaired.add(took);
        }
    }

    fn receive_one(&mut self, killed: Instant) {
        let received = receive_signed(&mut self.receiver, &mut self.book, GO_ON);
        received.expect("the others go on").expect("nobody has finished");
        // The others keep the ring full, and what comes is nothing of the dead:
        // each record is in its turn.
        assert!(killed.elapsed() < 5 * GO_ON, "what was sent after a death does not come");
    }

    fn until_over(&mut self, is_over: impl Fn(&Totals) -> bool) {
        let mut random = Random::new();
        while !is_over(&self.totals) {
            self.replace();
            self.receive_for(random.delay());
            match random.below(8) {
                // All at once: claims of several dead behind one another.
                0 => self.kill(0..WORKERS),
                1 => self.kill([0, 2].into_iter()),
                _ => self.kill(std::iter::once(random.below(WORKERS as u64) as usize)),
            }
        }
        self.kill(0..WORKERS);
        // Nothing of anybody is left.
        assert!(matches!(self.receiver.try_recv(), Err(ReadError::Empty)));
        self.site.assert_free_seats(self.site.producers - 1);
        assert!(self.book.total() > self.sent, "nobody sent anything");
        println!("{} records of {} producers came", self.book.total(), self.authors);
    }
}

/// Deaths are noticed soon, for the sake of more of them.
fn soon(policy: Wait) -> Options {
    Options::new().liveness_interval(Duration::from_millis(2)).wait(policy)
}

/// Rings of a page, on which all are full all the time, and larger ones; no
/// seat more than is needed.
fn rings(kills: u64, time: Duration, tell: &dyn Fn(&str)) -> Totals {
    let mut totals = Totals::default();
    let policies = [Wait::Adaptive, Wait::Sleep];
    let all = [(true, page()), (false, page()), (true, 1 << 16), (false, 1 << 16)];
    for (turn, (named, capacity)) in all.into_iter().enumerate() {
        let site = ManySite::new(named, WORKERS + 1, capacity);
        let said = Shared::new();
        let options = soon(policies[turn % 2]);
        let mut scene = Scene::new(&site, &said, &options);
        let end = Instant::now() + time;
        scene.until_over(|so_far| so_far.kills >= kills || Instant::now() > end);
        tell(&format!("{} random kills", scene.totals.kills));
        totals.add(scene.totals);
    }
    totals
}

#[test]
fn producers_killed_at_random() {
    alone(|| {
        let totals = rings(40, Duration::from_secs(5), &|_| {});
        totals.print("at random");
    });
}

/// The long form.
#[test]
#[ignore = "takes minutes"]
fn every_instruction_and_ten_thousand_kills() {
    alone_within(Duration::from_secs(1200), || {
        let mut totals = Totals::default();
        match permitted() {
            Ok(()) => totals.add(stepped::every_instruction(&|text| progress(text))),
            Err(why) => skip(why),
        }
        totals.print("every instruction");
        let left = 10_000_u64.saturating_sub(totals.kills).max(4000);
        totals.add(rings(left.div_ceil(4), Duration::from_secs(150), &|text| progress(text)));
        totals.print("in all");
        assert!(totals.kills >= 10_000, "too slow: only {} kills", totals.kills);
    });
}
