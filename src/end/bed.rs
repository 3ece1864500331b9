//! Where an end sleeps: at the semaphore in its gate, or at one of the set
//! beside a System V segment.

use crate::{
    layout::control::{Control, GateLine, Seat},
    segment::{Memory, Object},
    wait::{gate::Sleeper, sysv_sem::SysvSemaphore},
};
use std::{mem::offset_of, time::Duration};

/// The semaphores of a set at which ends sleep: for data, for space, and for each seat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beds {
    set: i32,
    first: u16,
}

const DATA: usize = offset_of!(Control, data);
const SPACE: usize = offset_of!(Control, space);

impl Beds {
    /// Those of a ring whose builder decided for them.
    pub(super) fn of(object: &Object, producers: usize) -> Option<Self> {
        let Memory::SystemV(segment) = object.memory() else { return None };
        let set = segment.locks().set();
        let first = u16::try_from(set.first_sleeper()).ok()?;
        (set.producers() >= producers).then_some(Self { set: set.id, first })
    }

    /// That of a gate, by where the gate lies: in the control block, or in one
    /// of the seats behind that.
    fn semaphore(self, control: &Control, line: &GateLine) -> SysvSemaphore {
        let begin = std::ptr::from_ref(control).addr();
        let nth = match std::ptr::from_ref(line).addr().wrapping_sub(begin) {
            DATA => 0,
            SPACE => 1,
            at => 2 + at.saturating_sub(size_of::<Control>()) / size_of::<Seat>(),
        };
        SysvSemaphore { set: self.set, number: self.first + nth as u16 }
    }
}

/// A gate's sleeper. What it needs to know is looked up only where somebody sleeps or is woken.
#[derive(Clone, Copy)]
pub(crate) struct Bed<'a> {
    pub(super) line: &'a GateLine,
    pub(super) control: &'a Control,
    pub(super) beds: &'a Option<Beds>,
}

impl Sleeper for Bed<'_> {
    fn sleep(&self, timeout: Duration) -> bool {
        match self.beds {
            Some(beds) => beds.semaphore(self.control, self.line).sleep(timeout),
            None => self.line.semaphore.sleep(timeout),
        }
    }

    fn take_token(&self) -> bool {
        match self.beds {
            Some(beds) => beds.semaphore(self.control, self.line).take_token(),
            None => self.line.semaphore.take_token(),
        }
    }

    fn post_token(&self) {
        match self.beds {
            Some(beds) => beds.semaphore(self.control, self.line).post_token(),
            None => self.line.semaphore.post_token(),
        }
    }
}
