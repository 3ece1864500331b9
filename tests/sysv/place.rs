//! Where a test's objects are, and their names.

use crate::{raw, support::skip};
use nix::sched::{CloneFlags, unshare};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicI32, Ordering},
    thread,
};

/// The IPC namespace of a test that runs alone. When dropped, all in it must be gone.
///
/// Its own, so that whatever becomes of the test nothing is left; where that is not permitted,
/// everybody's, and then what came into being there meanwhile with a key of this test is removed.
#[derive(Debug)]
pub struct Place {
    is_own: bool,
    process: u32,
    before: HashSet<raw::Listed>,
}

impl Place {
    pub fn new() -> Self {
        let is_own = unshare(CloneFlags::CLONE_NEWIPC).is_ok();
        let before = raw::segments().into_iter().chain(raw::sets()).collect();
        Self { is_own, process: std::process::id(), before }
    }

    /// Of a test that would do something to what is others'; says why it cannot.
    pub fn own() -> Option<Self> {
        let place = Self::new();
        if place.is_own {
            return Some(place);
        }
        skip("a new IPC namespace is not permitted");
        None
    }

    /// A key that no other test uses, and how a ring is called that has it.
    pub fn key(&self) -> (i32, String) {
        static COUNTER: AtomicI32 = AtomicI32::new(0);
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        // 22 bits of a pid and 6 of its own.
        let key = 0x4000_0000 | (self.process as i32 & 0x3f_ffff) << 6 | n & 0x3f;
        (key, format!("sysv:{key:#x}"))
    }

    /// What has come into being.
    fn left(&self) -> [Vec<raw::Listed>; 2] {
        let all = [raw::segments(), raw::sets()];
        let mut left: [Vec<raw::Listed>; 2] =
            all.map(|all| all.into_iter().filter(|it| !self.before.contains(it)).collect());
        if !self.is_own {
            let is_ours = |key: i32| key & !0x3f == self.key().0 & !0x3f;
            left[0].retain(|segment: &raw::Listed| is_ours(segment.key));
            let keys: Vec<_> = left[0].iter().map(|segment| raw::set_key(segment.id)).collect();
            left[1].retain(|set: &raw::Listed| is_ours(set.key) || keys.contains(&set.key));
        }
        left
    }

    /// Nothing must be left by now.
    #[track_caller]
    pub fn assert_empty(&self) {
        let [segments, sets] = self.left();
        assert!(segments.is_empty() && sets.is_empty(), "left over: {segments:x?}, {sets:x?}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        let left = self.left();
        for segment in &left[0] {
            let _ = raw::shm_remove(segment.id);
        }
        for set in &left[1] {
            let _ = raw::sem_remove(set.id);
        }
        if !thread::panicking() {
            assert!(left.iter().all(Vec::is_empty), "left over: {left:x?}");
        }
    }
}
