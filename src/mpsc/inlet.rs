//! The receiving side: what lies at the head, who holds it up, and when nobody is left.

use super::{
    ask_ahead,
    outlet::END,
    status::{self, ProducerEnd, ProducerId},
};
use crate::{
    Peer, ReadError, Stats, Trust, Violation,
    end::{
        attach::Attached,
        distance::Distance,
        epoch::{EndReason, State, Word},
        error::OpenErrorKind,
        held::Held,
        seat::{self, Many},
        stats::Waited,
        stop::Stop,
        waiting::{Gone, Patience, Until},
    },
    layout::control::Seat,
    record::{
        frame::Header,
        topology::sealed::{self, Found, NotAtHand, Payload},
    },
    ring::mpsc::{Consumer, Found as Claimed},
    sync::Ordering,
    sys::cache::prefetch_for_reading,
    wait::{crowd::Crowd, gate::ANYTHING, spin::eagerly},
};

/// The consumer's place at a ring of many producers.
#[derive(Debug)]
pub struct Inlet {
    end: Held,
    claims: Claims,
    waited: Waited,
    distance: Distance,
    /// Bytes that this end has released.
    bytes: u64,
    /// Whether a guard for unreleased records is out.
    lent: bool,
}

/// What is known of a record beside what is of every one: the how manieth sender it is from.
/// (A whole word: see [`Found`].)
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(u64);

impl Mark {
    #[inline]
    fn of(seat: &Seat) -> Self {
        Self(seat::producer(seat).into())
    }
}

impl sealed::Inlet for Inlet {
    type Origin = ProducerId;
    type Mark = Mark;

    fn new(attached: Attached) -> Result<Self, OpenErrorKind> {
        let Attached { end, epoch: told, .. } = attached;
        let end = Held::new(end);
        let claims = Claims::new(&end, told)?;
        let distance = Distance::new(end.geometry(), claims.ring.position());
        let waited = Waited::default();
        // A predecessor may have died before it told anybody of what it had released.
        end.notify_peer(ANYTHING);
        Ok(Self { end, claims, waited, distance, bytes: 0, lent: false })
    }

    #[inline]
    fn end(&self) -> &Held {
        &self.end
    }

    #[inline]
    fn align(&self) -> usize {
        self.claims.block as usize
    }

    #[inline(always)]
    fn at_hand(&mut self, _: Patience) -> Result<Found<Mark>, NotAtHand> {
        if !self.end.is_usable() || self.lent || self.end.trust == Trust::AnyUser {
            return Err(NotAtHand::Unusual);
        }
        match self.claims.find_alone(&self.end) {
            Some(found) => Ok(found),
            // What is wrong `first` finds, too.
            None => self.claims.find(&self.end, 0).ok().flatten().ok_or(NotAtHand::Unusual),
        }
    }

    #[inline(always)]
    fn next_at_hand(&mut self, offset: u64, rest: u64) -> Option<Found<Mark>> {
        if !self.end.is_usable() || self.end.trust == Trust::AnyUser || rest == 0 {
            return None;
        }
        let at = self.claims.position() + offset;
        if !self.claims.open.contains(at) {
            return self.claims.find(&self.end, offset).ok().flatten();
        }
        self.claims.record_at(&self.end, at, at).ok()
    }

    fn first(
        &mut self,
        _: NotAtHand,
        patience: Patience,
    ) -> Result<Option<Found<Mark>>, ReadError> {
        self.end.check()?;
        if self.lent {
            self.note_leak();
        }
        match self.claims.find(&self.end, 0) {
            Ok(Some(found)) => Ok(Some(found)),
            // What is wrong the attempt that follows finds, too.
            _ => self.first_long(patience),
        }
    }

    #[inline]
    fn batch(&mut self, patience: Patience) -> Result<Option<u64>, ReadError> {
        let Some(first) = self.first(NotAtHand::Unusual, patience)? else { return Ok(None) };
        // Those that are claimed by now, as far as they are committed when it is their turn: were
        // later ones shown as well, none might be released before the ring is full.
        let claimed = self.claims.end(&self.end).saturating_sub(self.claims.position());
        Ok(Some(claimed.max(first.frame)))
    }

    #[inline(always)]
    fn find(&mut self, offset: u64, rest: u64) -> Result<Option<Found<Mark>>, ReadError> {
        if rest == 0 {
            return Ok(None);
        }
        let found = self.claims.find(&self.end, offset);
        Ok(self.end.checked(found)?)
    }

    #[inline]
    fn origin(&self, found: &Found<Mark>) -> ProducerId {
        ProducerId(found.mark.0 as u32)
    }

    fn copy(&self) -> &[u8] {
        &[]
    }

    #[inline(always)]
    fn release(&mut self, bytes: u64, records: u64) {
        self.lent = false;
        if self.end.is_usable() && self.claims.release_alone(&self.end, bytes) {
            self.waited.moved(records);
            self.bytes += bytes;
        } else {
            self.release_long(bytes, records);
        }
    }

    #[inline]
    fn lend(&mut self) {
        self.lent = true;
    }

    fn say_failed(&self, code: i32) {
        if self.end.check().is_ok() {
            self.end.say_ended(EndReason::Failed(code));
        }
    }

    fn unread(&self) -> usize {
        if self.end.check().is_err() {
            return 0;
        }
        status::unread(&self.end).saturating_sub(self.claims.within as usize)
    }

    fn peer(&self) -> Result<Peer, ReadError> {
        Ok(status::peer(&self.end, self.claims.told, self.claims.ended)?)
    }

    fn stats(&self) -> Stats {
        Stats { repaired: self.claims.repaired, ..self.waited.stats(self.bytes) }
    }
}

impl Inlet {
    pub(super) fn ends(&self) -> &[ProducerEnd] {
        &self.claims.ends
    }

    #[cold]
    #[inline(never)]
    fn release_long(&mut self, bytes: u64, records: u64) {
        if bytes > 0 && self.end.is_usable() {
            self.waited.moved(records);
            self.bytes += bytes;
            let released = self.claims.release(&self.end, bytes);
            // What is wrong every later operation reports.
            let _ = self.end.checked(released);
        }
    }

    #[inline(never)]
    fn first_long(&mut self, patience: Patience) -> Result<Option<Found<Mark>>, ReadError> {
        self.waited.moved_bytes(self.bytes);
        let Self { end, claims, waited, distance, .. } = self;
        let at = claims.ring.position();
        if !patience.is_short() {
            let claim = &claims.ring.geometry().block(end.many().ring, at).claim;
            // Relaxed: a hint.
            let seen = claim.load(Ordering::Relaxed);
            distance.keep(end, at, waited.items());
            eagerly(waited.eager(end.wait), claim, seen);
        }
        let until = Until::there(at);
        let seen = end.wait(patience, &until, waited, |gone| {
            let seen = claims.look(end, gone)?;
            until.there.set(claims.ring.position());
            Ok::<_, ReadError>(seen)
        });
        let (rest, took) = waited.take_rest();
        distance.rested(at, rest, took);
        match seen? {
            Seen::Record(found) => Ok(Some(found)),
            Seen::End(reason) => ReadError::stream_ended(reason).map_or(Ok(None), Err),
        }
    }

    /// A guard has not come back: somebody has forgotten it. What it stood for was not
    /// released, and is handed out again.
    #[cold]
    fn note_leak(&mut self) {
        self.lent = false;
        self.waited.leaked();
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.waited.moved_bytes(self.bytes);
        // One that leaves between two streams has nothing to say to the next one's producers.
        let between = self.claims.ended.is_some() && self.claims.is_between(&self.end);
        let last = if between { State::None } else { State::Ended(EndReason::Finished) };
        self.end.leave(last, &self.waited);
    }
}

/// What a look can show.
#[derive(Debug)]
enum Seen {
    Record(Found<Mark>),
    End(EndReason),
}

/// What the consumer knows of the claims, and of those who made them.
#[derive(Debug)]
struct Claims {
    ring: Consumer,
    /// Bytes of a block.
    block: u64,
    /// Bytes of the claim at the head whose records were released.
    within: u64,
    /// The committed claim that was last looked into.
    open: Open,
    crowd: Crowd,
    /// How many producers had joined when an end was last told.
    told: u32,
    /// How that stream ended, if this consumer told it, and each of its producers.
    ended: Option<EndReason>,
    ends: Vec<ProducerEnd>,
    repaired: u64,
}

/// A committed claim, with one record or more.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    start: u64,
    end: u64,
    mark: Mark,
}

impl Open {
    #[inline]
    fn contains(&self, at: u64) -> bool {
        (self.start..self.end).contains(&at)
    }
}

impl Claims {
    fn new(end: &Held, told: u32) -> Result<Self, OpenErrorKind> {
        let many = end.many();
        let ring = Consumer::take_up(many.ring, end.ring_geometry())?;
        let block = end.geometry().block as u64;
        // Acquire: pairs with the Release in `release`, of a predecessor that died.
        let taken = many.control.consumer.0.taken.load(Ordering::Acquire);
        let within = match ring.look(many.ring, 0)? {
            Claimed::Committed { blocks, .. } => Some(taken.wrapping_sub(ring.position()))
                .filter(|n| *n < u64::from(blocks) * block && n.is_multiple_of(block)),
            _ => None,
        };
        Ok(Self {
            ring,
            block,
            within: within.unwrap_or(0),
            open: Open::default(),
            crowd: Crowd::new(),
            told,
            ended: None,
            ends: Vec::new(),
            repaired: 0,
        })
    }

    /// The first byte that is not released.
    #[inline]
    fn position(&self) -> u64 {
        self.ring.position() + self.within
    }

    /// Where the claims end.
    #[inline]
    fn end(&self, end: &Held) -> u64 {
        status::end_of_claims(end, self.ring.position())
    }

    /// The usual case of [`find`](Self::find): the first record, if it has a claim to itself, and
    /// that one is committed. What is wrong is left to that one.
    #[inline(always)]
    fn find_alone(&self, end: &Held) -> Option<Found<Mark>> {
        if self.within > 0 {
            return None;
        }
        let (many, geometry, at) = (end.many(), self.ring.geometry(), self.ring.position());
        let (owner, blocks) = self.ring.first_committed(many.ring)?;
        let mark = Mark::of(many.seat(owner).ok()?);
        // Relaxed: as in `find`.
        let header = geometry.block(many.ring, at).header.load(Ordering::Relaxed);
        let header = Header::from_word(header);
        let frame = self.frame(header);
        let payload = Some(Payload(end.at(at)));
        let is_alone = frame == u64::from(blocks) * self.block;
        is_alone.then_some(Found { header, frame, payload, mark })
    }

    /// Bytes of the ring that a record takes. (If it is more than a block, out of the
    /// way: the processor guesses which way this goes, and need not wait for this
    /// record's length to look for the next.)
    #[inline(always)]
    fn frame(&self, header: Header) -> u64 {
        let len = u64::from(header.len());
        if len <= self.block { self.block } else { self.frame_of_blocks(len) }
    }

    #[inline(never)]
    fn frame_of_blocks(&self, len: u64) -> u64 {
        (len + (self.block - 1)) & !(self.block - 1)
    }

    /// Finds the first record from `offset` past the position on, if it is committed. There begins
    /// either the record after the one that was found before, or the first that is not released.
    #[inline(never)]
    fn find(&mut self, end: &Held, offset: u64) -> Result<Option<Found<Mark>>, Violation> {
        let from = self.position() + offset;
        let mut at = from;
        if !self.open.contains(at) {
            match self.open(&end.many(), at)? {
                Some(first) => at = first,
                None => return Ok(None),
            }
        }
        self.record_at(end, at, from).map(Some)
    }

    /// The record at `at`, in the claim that is open; what is before it, from `from`
    /// on, is to be released with it.
    #[inline(always)]
    fn record_at(&self, end: &Held, at: u64, from: u64) -> Result<Found<Mark>, Violation> {
        let (many, geometry) = (end.many(), self.ring.geometry());
        let block = geometry.block(many.ring, at);
        // Relaxed, here and below: `Consumer::look` has acquired the claim. Read
        // once: who knows who writes there.
        let header = Header::from_word(block.header.load(Ordering::Relaxed));
        let (frame, rest) = (self.frame(header), self.open.end - at);
        if frame > rest {
            let len = u64::from(header.len());
            let what = "a record's length";
            return Err(Violation { what, found: len, low: 0, high: rest, exactly: false });
        }
        let mut next = at + frame;
        if frame < rest {
            let follows = geometry.block(many.ring, next).header.load(Ordering::Relaxed);
            if follows == END {
                next = self.end_of_claim();
            }
        }
        let payload = end.at(at);
        ask_ahead(payload, (block, geometry), frame, rest, prefetch_for_reading);
        let (payload, mark) = (Some(Payload(payload)), self.open.mark);
        Ok(Found { header, frame: next - from, payload, mark })
    }

    /// (Out of the way, so that nothing waits for the look whether this is the last record.)
    #[cold]
    #[inline(never)]
    fn end_of_claim(&self) -> u64 {
        self.open.end
    }

    /// Looks into the first committed claim from `at` on; returns where the first record
    /// in it is that was not released.
    #[inline(always)]
    fn open(&mut self, many: &Many<'_>, at: u64) -> Result<Option<u64>, Violation> {
        let head = self.ring.position();
        let mut start = at;
        if at == head + self.within {
            // Nothing was found since this end attached, or a guard was forgotten:
            // perhaps in the middle of a claim.
            start = head;
        }
        loop {
            let found = self.ring.look(many.ring, start - head)?;
            if start < at && !matches!(found, Claimed::Committed { .. }) {
                return Err(self.no_such_claim(at - start));
            }
            match found {
                Claimed::Committed { owner, blocks } => {
                    let end = start + u64::from(blocks) * self.block;
                    if end <= at {
                        return Err(self.no_such_claim(at - start));
                    }
                    self.open = Open { start, end, mark: Mark::of(many.seat(owner)?) };
                    return Ok(Some(start.max(at)));
                }
                Claimed::Pad { blocks } => start += u64::from(blocks) * self.block,
                Claimed::Busy { .. } | Claimed::Nothing => return Ok(None),
            }
        }
    }

    /// A claim of which a part was released is not what it was.
    #[cold]
    fn no_such_claim(&self, released: u64) -> Violation {
        let low = released / self.block + 1;
        Violation { what: "blocks of a claim", found: 0, low, high: u64::MAX, exactly: false }
    }

    /// The usual case of [`release`](Self::release): gives back the first record, which has a claim
    /// to itself. False if it has not, and nothing is given back.
    #[inline(always)]
    fn release_alone(&mut self, end: &Held, bytes: u64) -> bool {
        let is_alone = self.within == 0 && self.ring.release_first(end.many().ring, bytes);
        if is_alone {
            end.wake_crowd(&mut self.crowd, self.ring.position());
        }
        is_alone
    }

    /// Gives back so many bytes, which were found.
    fn release(&mut self, end: &Held, bytes: u64) -> Result<(), Violation> {
        let upto = self.position() + bytes;
        let whole = if upto < self.open.end { self.open.start } else { upto };
        self.release_whole(end, whole)?;
        self.within = upto - whole;
        if self.within > 0 {
            // Release: pairs with the Acquire in `new`.
            end.control().consumer.0.taken.store(upto, Ordering::Release);
        }
        Ok(())
    }

    /// Gives back the claims before `upto`.
    #[inline]
    fn release_whole(&mut self, end: &Held, upto: u64) -> Result<(), Violation> {
        if upto > self.ring.position() {
            let many = end.many();
            self.ring.release(many.ring, upto)?;
            end.wake_crowd(&mut self.crowd, upto);
        }
        Ok(())
    }

    /// Gives back what nobody will ever commit, so that nobody waits for it.
    fn release_pads(&mut self, end: &Held) -> Result<(), Violation> {
        // More than the ring holds are a scribbler's.
        let enough = self.ring.position().saturating_add(end.geometry().capacity as u64);
        while self.within == 0
            && self.ring.position() < enough
            && let Claimed::Pad { blocks } = self.ring.look(end.many().ring, 0)?
        {
            self.release_whole(end, self.ring.position() + u64::from(blocks) * self.block)?;
        }
        Ok(())
    }

    /// Looks whether there is a record or an end.
    ///
    /// The order matters. How many have joined is read first: who joins later begins another
    /// stream, or this one goes on. The seats are read before the ring is looked at once more: an
    /// end counts only if nothing was claimed before it that we have not seen.
    fn look(&mut self, end: &Held, gone: Gone) -> Result<Option<Seen>, Stop> {
        let many = end.many();
        // Acquire: pairs with the Release in `seat::take`; we see the words of all these.
        let joined = many.control.many.0.joined.load(Ordering::Acquire);
        // No more claims than there are blocks can be unfinished, unless somebody scribbles.
        for _ in 0..=many.ring.blocks.len() {
            let pads = self.release_pads(end);
            end.checked(pads)?;
            let found = self.find(end, 0);
            if let Some(found) = end.checked(found)? {
                return Ok(Some(Seen::Record(found)));
            }
            if gone == Gone::NotLooked || !self.repair(end)? {
                break;
            }
        }
        if joined <= self.told.into() {
            // Nobody has come since the end that we told of, if we did.
            return Ok(self.ended.map(Seen::End));
        }
        if !self.are_all_gone(end, gone)? {
            return Ok(None);
        }
        // What they claimed begins at the head, if there is any left, and we
        // see it: they have gone.
        let is_empty = end.checked(self.ring.look(many.ring, 0))? == Claimed::Nothing;
        // Acquire: as above.
        if !is_empty || many.control.many.0.joined.load(Ordering::Acquire) != joined {
            return Ok(None);
        }
        self.tell(end, joined as u32).map(Some)
    }

    /// If what is at the head is the unfinished claim of a dead producer, makes
    /// a pad of it. False if not.
    fn repair(&mut self, end: &Held) -> Result<bool, Stop> {
        let many = end.many();
        let found = self.ring.look(many.ring, 0);
        let Claimed::Busy { owner, blocks } = end.checked(found)? else { return Ok(false) };
        let seat = end.checked(many.seat(owner))?;
        if !seat::has_outlived(end.probe(), seat, owner, self.ring.position())? {
            return Ok(false);
        }
        if self.ring.revoke(many.ring, owner, blocks) {
            self.repaired += 1;
            // Relaxed: a number for itself, written by the consumer alone.
            let repaired = &many.control.many.0.repaired;
            repaired.store(repaired.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
        Ok(true)
    }

    /// Whether all producers have gone that came since an end was last told.
    fn are_all_gone(&self, end: &Held, gone: Gone) -> Result<bool, Stop> {
        for (number, seat) in (0..=u8::MAX).zip(end.many().seats) {
            let word = end.checked(Word::load(&seat.life.0.word))?;
            if word.state != State::Open || word.epoch <= self.told {
                continue;
            }
            if gone == Gone::NotLooked || !seat::is_dead(end.probe(), seat, number)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether nobody has come since the end that was told.
    fn is_between(&self, end: &Held) -> bool {
        let joined = end.is_mapped().then(|| &end.control().many.0.joined);
        joined.is_none_or(|joined| joined.load(Ordering::Relaxed) <= self.told.into())
    }

    /// Tells of the end of a stream, of which this is the last producer to have joined.
    fn tell(&mut self, end: &Held, joined: u32) -> Result<Seen, Stop> {
        self.ends = end.checked(status::ends(&end.many(), self.told, joined))?;
        let broken = self.ends.iter().rev().find(|end| end.reason != EndReason::Finished);
        let reason = broken.map_or(EndReason::Finished, |end| end.reason);
        self.told = joined;
        self.ended = Some(reason);
        // Release: pairs with the Acquire of the next consumer.
        end.control().life.0.acknowledged.store(joined.into(), Ordering::Release);
        end.notify_peer(ANYTHING);
        Ok(Seen::End(reason))
    }
}
