//! A victim is killed behind each instruction of what it does.
//!
//! The controller has the receiver and a survivor. The survivor sends in front of the
//! victim, behind it while it stands where it is to die, and after its death; so each kill
//! also shows that nobody is held up.

use crate::{
    GO_ON,
    forms::{Form, LONGEST, said_by},
    many_support::*,
    stream_support::*,
    support::{Shared, alone, skip},
    tracing::{Came, Way, permitted, stay_on_this_processor},
};
use shmpipe::{
    Options,
    mpsc::{ReadError, Receiver, Sender, WriteError},
};
use std::time::{Duration, Instant};

/// The survivor, as an author.
const SURVIVOR: u64 = BRIEF;

/// A ring of two seats with a receiver and a survivor, to which one victim after the other comes.
struct Scene<'a> {
    site: &'a ManySite,
    said: &'a Shared,
    receiver: Receiver,
    survivor: Sender,
    book: Book,
    sent_by_survivor: u64,
    victims: u64,
    totals: Totals,
}

#[derive(Debug, Default)]
pub struct Totals {
    pub kills: u64,
    /// Claims that had to be passed over.
    pub repaired: u64,
    /// From a death to the survivor's next record.
    pub went_on: Times,
    /// The same where a claim was left open.
    pub went_on_repaired: Times,
}

impl Totals {
    pub fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.repaired += other.repaired;
        self.went_on.append(other.went_on);
        self.went_on_repaired.append(other.went_on_repaired);
    }

    pub fn print(&self, what: &str) {
        println!(
            "{what}: {} kills, {} open claims passed over; the others went on after: {}; where a claim was open: {}",
            self.kills, self.repaired, self.went_on, self.went_on_repaired
        );
    }
}

/// What came of one kill.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    came: Came,
    /// How many records of the form itself have come.
    records: u64,
    repaired: bool,
}

impl<'a> Scene<'a> {
    fn new(site: &'a ManySite, said: &'a Shared, options: &Options) -> Self {
        stay_on_this_processor();
        Self {
            receiver: site.receiver(options),
            survivor: site.sender(options),
            site,
            said,
            book: Book::new(LONGEST),
            sent_by_survivor: 0,
            victims: 0,
            totals: Totals::default(),
        }
    }

    fn try_survivor(&mut self) -> bool {
        let (kind, bytes) = signed(SURVIVOR, self.sent_by_survivor, LONGEST);
        match self.survivor.kind(kind).try_send(&bytes) {
            Ok(()) => self.sent_by_survivor += 1,
            Err(WriteError::Full) => return false,
            Err(error) => panic!("the survivor: {error}"),
        }
        true
    }

    #[track_caller]
    fn receive(&mut self) {
        let received = receive_signed(&mut self.receiver, &mut self.book, GO_ON);
        received.expect("the others go on").expect("the survivor has not finished");
    }

    /// Receives a record if there is one: makes room for a victim that sleeps.
    fn make_room(&mut self) {
        match self.receiver.try_recv() {
            Ok(record) => {
                let record = record.expect("the survivor has not finished");
                self.book.note(&record, record.kind(), record.producer());
            }
            Err(ReadError::Empty) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Receives until all that the survivor sent has come.
    #[track_caller]
    fn drain(&mut self) {
        while self.book.of(SURVIVOR) < self.sent_by_survivor {
            self.receive();
        }
    }

    /// The survivor sends, if need be as soon as there is room.
    #[track_caller]
    fn survivor_sends(&mut self) {
        let began = Instant::now();
        while !self.try_survivor() {
            assert!(began.elapsed() < GO_ON, "no room");
            self.receive();
        }
    }

    /// How many records a victim sends before: the first claim finds other
    /// things than those after it.
    fn before(&self, form: Form) -> u64 {
        u64::from(self.site.is_named() && form != Form::Join)
    }

    /// A victim does this form and is killed on its way.
    fn kill(&mut self, form: Form, way: Way) -> Outcome {
        self.victims += 1;
        let (author, before) = (STEADY + self.victims, self.before(form));
        let victim = form.victim(self.site, self.said, author, before);
        self.survivor_sends();
        if form == Form::Full {
            while self.try_survivor() {}
        }
        let came = victim.go(way, &mut || self.make_room());
        if form != Form::Full {
            self.survivor_sends();
        }
        let repaired_before = self.receiver.stats().repaired;
        victim.kill();
        let killed = Instant::now();
        self.survivor_sends();
        self.drain();
        let took = killed.elapsed();
        assert!(took < GO_ON, "the others went on only after {took:?}");

        let (sent, begun) = said_by(self.said);
        let of_victim = self.book.of(author);
        assert!(of_victim >= sent, "{of_victim} records came of {sent} that were sent");
        assert!(of_victim <= begun, "{of_victim} records came of {begun} that were begun");
        let records = of_victim.checked_sub(before).expect("what was sent before has come");
        assert!(records == 0 || records == form.records(), "{records} of a claim's records came");
        let repaired = self.receiver.stats().repaired - repaired_before;
        assert!(repaired <= 1, "{repaired} claims of one victim were passed over");
        assert!(repaired == 0 || records == 0, "it came, though it was passed over");
        self.totals.kills += 1;
        self.totals.repaired += repaired;
        self.totals.went_on.add(took);
        if repaired == 1 {
            self.totals.went_on_repaired.add(took);
        }
        // Of the other half the next victim takes the seat.
        if author.is_multiple_of(2) {
            self.site.assert_free_seats(1);
        }
        Outcome { came, records, repaired: repaired == 1 }
    }

    /// How many instructions there are up to each call of the kernel.
    fn measure(&mut self, form: Form) -> Vec<usize> {
        self.victims += 1;
        let (author, before) = (STEADY + self.victims, self.before(form));
        let victim = form.victim(self.site, self.said, author, before);
        if form == Form::Full {
            while self.try_survivor() {}
        }
        let parts = victim.measure(&mut || self.make_room());
        victim.kill();
        self.survivor_sends();
        self.drain();
        assert_eq!(self.book.of(author), before + form.records());
        parts
    }
}

/// Deaths are noticed soon, for the sake of more of them.
fn soon() -> Options {
    Options::new().liveness_interval(Duration::from_millis(2))
}

/// Walks through a short form: killed behind every `stride`th instruction of it, the last included.
fn walk(scene: &mut Scene<'_>, form: Form, stride: impl Fn(usize) -> usize, first: usize) {
    let length = scene.measure(form).iter().sum::<usize>();
    let stride = stride(length);
    let (mut steps, mut committed, mut open) = (first % stride, None, None);
    let began = scene.totals.kills;
    loop {
        let outcome = scene.kill(form, Way { calls: 0, steps });
        // There is one moment at which it is committed, and none after it at which it is not.
        if outcome.records > 0 {
            committed.get_or_insert(steps);
        } else if let Some(earlier) = committed {
            assert!(
                form == Form::Full,
                "{form:?}: there after {earlier} instructions, not after {steps}"
            );
        }
        if outcome.repaired {
            open.get_or_insert(steps);
        }
        if outcome.came == Came::Through {
            break;
        }
        steps += stride;
        assert!(steps < 10 * length + 10_000, "{form:?} comes to no end");
    }
    println!(
        "{form:?}: {length} instructions, {} kills; first open claim after {open:?}, first committed after {committed:?}",
        scene.totals.kills - began
    );
}

/// Walks through a long form: all calls of the kernel, and `most` places at most between each two.
fn walk_by_calls(scene: &mut Scene<'_>, form: Form, most: usize, first: usize) {
    let parts = scene.measure(form);
    let began = scene.totals.kills;
    for (calls, length) in parts.iter().enumerate() {
        let stride = (length / most).max(1);
        for steps in (first % stride..=*length).step_by(stride) {
            scene.kill(form, Way { calls, steps });
        }
    }
    println!(
        "{form:?}: {} instructions, {} calls, {} kills",
        parts.iter().sum::<usize>(),
        parts.len() - 1,
        scene.totals.kills - began
    );
}

/// So many kills of each short form, and of each long one, spread over all of it.
fn some(site: &ManySite, options: &Options, kills: usize, most: usize) -> Totals {
    let said = Shared::new();
    let mut scene = Scene::new(site, &said, options);
    let first = Random::new().below(1 << 20) as usize;
    for form in Form::ALL {
        if form.calls_the_kernel() {
            walk_by_calls(&mut scene, form, most, first);
        } else {
            walk(&mut scene, form, |length| (length / kills).max(1), first);
        }
    }
    scene.totals
}

#[test]
fn at_instructions_of_each_form() {
    alone(|| match permitted() {
        Ok(()) => some(&ManySite::new(true, 2, page()), &soon(), 8, 1).print("stepped"),
        Err(why) => skip(why),
    });
}

#[test]
fn at_instructions_of_each_form_in_a_ring_without_a_name() {
    alone(|| match permitted() {
        Ok(()) => some(&ManySite::new(false, 2, page()), &soon(), 8, 1).print("stepped"),
        Err(why) => skip(why),
    });
}

/// With the caps on sleeping that there are without a wish: how soon the others go on.
#[test]
fn the_others_go_on_soon() {
    alone(|| {
        if let Err(why) = permitted() {
            return skip(why);
        }
        let (site, said) = (ManySite::new(true, 2, page()), Shared::new());
        let mut scene = Scene::new(&site, &said, &Options::new());
        walk(&mut scene, Form::Send, |length| (length / 12).max(1), 1);
        scene.totals.print("stepped, usual caps");
        assert!(scene.totals.repaired > 0, "no claim was ever open");
    });
}

/// Every instruction of every form once.
pub fn every_instruction(tell: &dyn Fn(&str)) -> Totals {
    let mut totals = Totals::default();
    for site in ManySite::each(2) {
        let said = Shared::new();
        let mut scene = Scene::new(&site, &said, &soon());
        for form in Form::ALL {
            if form.calls_the_kernel() {
                walk_by_calls(&mut scene, form, usize::MAX, 0);
            } else {
                walk(&mut scene, form, |_| 1, 0);
            }
            tell(&format!("{form:?} done, {} kills", scene.totals.kills));
        }
        totals.add(scene.totals);
    }
    totals
}
