//! Where an end sleeps: at the semaphore in its gate, or at one of the set beside a System V segment.

use super::End;
use crate::{
    layout::control::{Control, GateLine, Seat},
    segment::{Memory, Object},
    wait::{gate::Sleeper, sysv_sem::SysvSemaphore},
};
use std::time::Duration;

/// The semaphores of a set at which ends sleep: for data, for space, and for each seat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beds {
    set: i32,
    first: u16,
}

impl Beds {
    /// Those of a ring whose builder decided for them.
    pub(super) fn of(object: &Object, producers: usize) -> Option<Self> {
        let Memory::SystemV(segment) = object.memory() else { return None };
        let set = segment.locks().set();
        let first = u16::try_from(set.first_sleeper()).ok()?;
        (set.producers() >= producers).then_some(Self { set: set.id, first })
    }

    /// That of a gate, by where the gate lies.
    fn semaphore(self, end: &End, line: &GateLine) -> SysvSemaphore {
        let at = |line: &GateLine| std::ptr::from_ref(line).addr();
        let control: &Control = end.control();
        let nth = match at(line) {
            line if line == at(&control.data.0) => 0,
            line if line == at(&control.space.0) => 1,
            line => {
                let first = end.seats().first().map_or(line, |seat| at(&seat.space.0));
                2 + (line - first) / size_of::<Seat>()
            }
        };
        SysvSemaphore { set: self.set, number: self.first + nth as u16 }
    }
}

/// A gate's sleeper. What it needs to know is looked up only where somebody sleeps or is woken.
#[derive(Clone, Copy)]
pub(crate) struct Bed<'a> {
    pub(super) line: &'a GateLine,
    pub(super) end: &'a End,
}

impl Sleeper for Bed<'_> {
    fn sleep(&self, timeout: Duration) -> bool {
        match self.end.beds {
            Some(beds) => beds.semaphore(self.end, self.line).sleep(timeout),
            None => self.line.semaphore.sleep(timeout),
        }
    }

    fn take_token(&self) -> bool {
        match self.end.beds {
            Some(beds) => beds.semaphore(self.end, self.line).take_token(),
            None => self.line.semaphore.take_token(),
        }
    }

    fn post_token(&self) {
        match self.end.beds {
            Some(beds) => beds.semaphore(self.end, self.line).post_token(),
            None => self.line.semaphore.post_token(),
        }
    }
}
