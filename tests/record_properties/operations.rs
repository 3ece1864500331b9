//! What a case of the model test consists of.

use proptest::{collection::vec, prelude::*};

/// How long a record is: a number, or one relative to something of the ring.
#[derive(Clone, Copy, Debug)]
pub enum Len {
    Bytes(usize),
    /// That much more or less than the longest.
    Longest(isize),
    /// That much more or less than there is room for.
    Room(isize),
}

pub fn lens() -> impl Strategy<Value = Len> {
    prop_oneof![
        2 => Just(Len::Bytes(0)),
        6 => (0..200_usize).prop_map(Len::Bytes),
        2 => (0..5000_usize).prop_map(Len::Bytes),
        1 => (-9..=9_isize).prop_map(Len::Longest),
        3 => (-9..=9_isize).prop_map(Len::Room),
    ]
}

/// A way to send one record, alone or in a batch.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Plain,
    /// In three parts, cut at these shares in percent.
    Vectored(usize, usize),
    Reserved,
    /// Reserved, and cut to that share in percent.
    Truncated(usize),
    /// Reserved and dropped.
    Dropped,
    /// Reserved, and more than that is committed.
    TooMuch(usize),
}

pub fn ways() -> impl Strategy<Value = Way> {
    prop_oneof![
        4 => Just(Way::Plain),
        2 => (0..=100_usize, 0..=100_usize).prop_map(|(a, b)| Way::Vectored(a.min(b), a.max(b))),
        2 => Just(Way::Reserved),
        2 => (0..=100_usize).prop_map(Way::Truncated),
        1 => Just(Way::Dropped),
        1 => (1..10_usize).prop_map(Way::TooMuch),
    ]
}

#[derive(Clone, Debug)]
pub enum Operation {
    /// With a kind or without, by the form that never waits or by one whose time is up.
    Send(Option<u32>, Len, Way, bool),
    SendOrDrop(Option<u32>, Len),
    Forget(Len),
    Batch(Vec<(Option<u32>, Len, Way)>, Fate),
    Recv(bool),
    RecvAndForget,
    Peek(bool),
    /// Shows so many, and drops the batch.
    RecvBatch(usize),
    RecvBatchAndForget(usize),
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Commit,
    Drop,
    Forget,
}

pub fn operations() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let kind = || prop_oneof![1 => Just(None), 2 => any::<u32>().prop_map(Some)];
    let fate = prop_oneof![5 => Just(Fate::Commit), 1 => Just(Fate::Drop), 1 => Just(Fate::Forget)];
    let batched = vec((kind(), lens(), ways()), 0..12);
    prop_oneof![
        6 => (kind(), lens(), ways(), any::<bool>()).prop_map(|(k, l, w, t)| Send(k, l, w, t)),
        2 => (kind(), lens()).prop_map(|(k, l)| SendOrDrop(k, l)),
        1 => lens().prop_map(Forget),
        3 => (batched, fate).prop_map(|(records, fate)| Batch(records, fate)),
        6 => any::<bool>().prop_map(Recv),
        1 => Just(RecvAndForget),
        2 => any::<bool>().prop_map(Peek),
        4 => (0..20_usize).prop_map(RecvBatch),
        1 => (0..5_usize).prop_map(RecvBatchAndForget),
    ]
}
