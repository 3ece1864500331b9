//! A receiver is killed behind each instruction of what it does. The next one goes on at the first
//! record that was not released, and the room behind it can be used again to the last block.

use crate::{
    GO_ON,
    forms::send_batch,
    many_support::*,
    record_support::*,
    stream_support::*,
    support::{Child, Shared, alone, alone_within, progress, skip, wait_to_be_killed},
    tracing::{Came, Victim, Way, permitted, stay_on_this_processor},
};
use shmpipe::{
    Options, Wait,
    mpsc::{ReadError, Receiver},
};
use std::{
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

/// What the victim is in the midst of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Record after record: in the middle of a claim, at its end, across one that was given up.
    Recv,
    /// Three in a batch, of two claims and a half.
    Batch,
    /// In front of all that there is the claim of a producer that died.
    Repair,
    /// The end is opened.
    Join,
    /// It is dropped in the middle of a claim.
    Leave,
}

/// In the shared words: how many records the victim may have released, and how
/// many it has for sure.
const HELD: usize = 0;
const RELEASED: usize = 1;

/// Who sends which, in the order of their claims. The first two are under one claim, and
/// before the third one was given up.
const SENT: [(u64, u64); 4] = [(STEADY, 0), (STEADY, 1), (STEADY + 1, 0), (STEADY, 2)];
const LONGEST: usize = 300;

impl Form {
    pub const ALL: [Self; 5] = [Self::Recv, Self::Batch, Self::Repair, Self::Join, Self::Leave];

    /// The part of the victim.
    fn receive(self, site: &ManySite, said: &Shared, marks: &crate::tracing::Marks<'_>) {
        let options = soon().wait(Wait::Sleep);
        if self == Self::Join {
            marks.begin();
            std::mem::forget(site.receiver(&options));
            return marks.end();
        }
        let mut receiver = site.receiver(&options);
        let hold = |n: u64| said[HELD].store(n, SeqCst);
        let mut receive = |n: u64| {
            let record = receiver.recv().unwrap().unwrap();
            hold(n);
            drop(record);
            said[RELEASED].store(n, SeqCst);
        };
        match self {
            Self::Recv | Self::Repair => {
                marks.begin();
                (1..=3).for_each(receive);
            }
            Self::Batch => {
                marks.begin();
                let mut records = receiver.recv_batch().unwrap().unwrap();
                for _ in 0..3 {
                    records.next().unwrap().unwrap();
                }
                hold(3);
                drop(records);
                said[RELEASED].store(3, SeqCst);
            }
            Self::Leave => {
                receive(1);
                marks.begin();
                drop(receiver);
                return marks.end();
            }
            Self::Join => unreachable!("done above"),
        }
        marks.end();
        std::mem::forget(receiver);
    }

    /// A ring at the end of a lap, so that what is sent goes on in the next one.
    fn ring(self, named: bool) -> ManySite {
        let position = 3 * page() as u64 - 3 * BLOCK as u64;
        let site = ManySite::at(named, &Options::new().capacity(page()), position);
        if self == Self::Repair {
            let mut dead = Child::fork(|line| {
                let mut sender = site.sender(&Options::new());
                std::mem::forget(sender.reserve(100).unwrap());
                line.say("claimed");
                wait_to_be_killed();
            });
            dead.expect("claimed");
            dead.kill();
        }
        site
    }

    /// With a fresh ring, on which the victim goes so far, or to the end. What
    /// is to be measured is measured.
    fn on_a_ring(self, named: bool, said: &Shared, go: impl FnOnce(Victim<'_>)) -> Duration {
        let site = self.ring(named);
        let (mut one, mut other) = (site.sender(&Options::new()), site.sender(&Options::new()));
        let record = |n: usize| signed(SENT[n].0, SENT[n].1, LONGEST);
        send_batch(&mut one, &[record(0), record(1)]).unwrap();
        drop(other.reserve(100).unwrap());
        let (kind, bytes) = record(2);
        other.kind(kind).send(&bytes).unwrap();
        let (kind, bytes) = record(3);
        one.kind(kind).send(&bytes).unwrap();
        said[HELD].store(0, SeqCst);
        said[RELEASED].store(0, SeqCst);
        go(Victim::fork(said, |_, marks| {
            self.receive(&site, said, marks);
            wait_to_be_killed();
        }));

        let killed = Instant::now();
        let mut receiver: Receiver = site.receiver(&soon());
        let (held, released) = (said[HELD].load(SeqCst), said[RELEASED].load(SeqCst));
        let mut book = Book::new(LONGEST);
        let mut next = None;
        while next != Some(SENT.len()) {
            let record = receiver.recv_timeout(GO_ON).expect("the next one goes on").unwrap();
            let which = book.check(&record, record.kind(), record.producer());
            let found = SENT.iter().position(|sent| *sent == which).expect("somebody sent it");
            match next {
                None => assert!(
                    (released..=held).contains(&(found as u64)),
                    "it goes on at {found}; {released} were released, and {held} perhaps"
                ),
                Some(next) => assert_eq!(found, next, "the next record"),
            }
            next = Some(found + 1);
        }
        let took = killed.elapsed();
        assert!(took < GO_ON, "it went on only after {took:?}");
        assert!(matches!(receiver.try_recv(), Err(ReadError::Empty)));
        assert!(receiver.is_empty());
        // All of the room is there, and a claim can begin with each block of it.
        for len in [0, page()] {
            let fit = page() / len.max(BLOCK);
            for _ in 0..fit {
                other.try_send(&content(7, len)).unwrap();
            }
            for _ in 0..fit {
                assert_eq!(*receiver.try_recv().unwrap().unwrap(), *content(7, len));
            }
        }
        site.assert_free_seats(2);
        took
    }

    fn measure(self, named: bool, said: &Shared) -> Vec<usize> {
        let mut parts = vec![];
        self.on_a_ring(named, said, |victim| {
            parts = victim.measure(&mut || ());
            victim.kill();
        });
        parts
    }
}

/// Deaths are noticed soon, for the sake of more of them.
fn soon() -> Options {
    Options::new().liveness_interval(Duration::from_millis(1))
}

/// Kills at so many places at most between each two calls of the kernel;
/// returns how many there were.
pub fn walk(form: Form, named: bool, most: usize, first: usize) -> u64 {
    stay_on_this_processor();
    let said = Shared::new();
    let parts = form.measure(named, &said);
    let (mut kills, mut through, mut times) = (0, 0, Times::default());
    for (calls, length) in parts.iter().enumerate() {
        let stride = (length / most).max(1);
        for steps in (first % stride..=*length).step_by(stride) {
            let took = form.on_a_ring(named, &said, |victim| {
                let came = victim.go(Way { calls, steps }, &mut || ());
                through += u64::from(came == Came::Through);
                victim.kill();
            });
            times.add(took);
            kills += 1;
        }
    }
    println!(
        "receiver, {form:?}: {} instructions, {} calls, {kills} kills, {through} at the end; the next went on after: {times}",
        parts.iter().sum::<usize>(),
        parts.len() - 1,
    );
    kills
}

#[test]
fn receivers_at_instructions_of_each_form() {
    alone(|| {
        if let Err(why) = permitted() {
            return skip(why);
        }
        let first = Random::new().below(1 << 20) as usize;
        let kills: u64 = Form::ALL
            .into_iter()
            .map(|form| {
                let most = if matches!(form, Form::Recv | Form::Batch) { 30 } else { 1 };
                walk(form, first.is_multiple_of(2), most, first)
            })
            .sum();
        println!("{kills} receivers were killed");
    });
}

#[test]
#[ignore = "takes minutes"]
fn receivers_killed_at_every_instruction() {
    alone_within(Duration::from_secs(1200), || {
        if let Err(why) = permitted() {
            return skip(why);
        }
        let mut kills = 0;
        for (form, named) in Form::ALL.into_iter().zip([true, false].into_iter().cycle()) {
            kills += walk(form, named, usize::MAX, 0);
            progress(format!("receiver, {form:?} done, {kills} kills"));
        }
    });
}
