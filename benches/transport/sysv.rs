//! The calls of System V that nix does not have, one function each.

use std::ffi::c_long;
use std::io;
use std::mem::offset_of;
use std::ptr::NonNull;

/// By what System V knows an object.
pub type Id = libc::c_int;

/// What msgsnd(2) sends as one message at most.
pub const LONGEST: usize = 8 << 10;

/// A message as msgsnd(2) wants it.
#[repr(C)]
pub struct Message {
    kind: c_long,
    /// What it is about.
    pub text: [u8; LONGEST],
}

impl Message {
    /// An empty one.
    pub fn new() -> Box<Self> {
        Box::new(Message { kind: 1, text: [0; LONGEST] })
    }
}

const _: () = assert!(offset_of!(Message, text) == size_of::<c_long>());

fn checked(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Again, if a signal came between.
fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            result => return result,
        }
    }
}

/// msgget(2), of a queue for this user alone.
pub fn new_queue() -> io::Result<Id> {
    // SAFETY: a call on integers.
    let id = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600 | libc::IPC_CREAT) };
    checked(id as isize).map(|_| id)
}

/// msgsnd(2) of the first `len` bytes.
pub fn send(id: Id, message: &Message, len: usize) -> io::Result<()> {
    assert!(len <= LONGEST, "a message is no longer than its text");
    // SAFETY: behind the kind there are `len` bytes, as was just seen.
    let sent =
        || checked(unsafe { libc::msgsnd(id, (&raw const *message).cast(), len, 0) } as isize);
    uninterrupted(sent).map(drop)
}

/// msgrcv(2); how many bytes came.
pub fn receive(id: Id, message: &mut Message) -> io::Result<usize> {
    let message = &raw mut *message;
    // SAFETY: behind the kind there is room for `LONGEST` bytes, and nobody else looks there.
    uninterrupted(|| checked(unsafe { libc::msgrcv(id, message.cast(), LONGEST, 0, 0) }))
}

/// Removes a queue.
pub fn remove_queue(id: Id) -> io::Result<()> {
    // SAFETY: IPC_RMID takes no structure.
    checked(unsafe { libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()) } as isize).map(drop)
}

/// semget(2) and semctl(2), of two semaphores for this user alone.
pub fn new_semaphores(values: [u16; 2]) -> io::Result<Id> {
    // SAFETY: a call on integers.
    let id = unsafe { libc::semget(libc::IPC_PRIVATE, 2, 0o600 | libc::IPC_CREAT) };
    checked(id as isize)?;
    for (number, value) in (0..).zip(values) {
        // SAFETY: SETVAL takes an integer.
        let set = unsafe { libc::semctl(id, number, libc::SETVAL, libc::c_int::from(value)) };
        if let Err(error) = checked(set as isize) {
            let _ = remove_semaphores(id);
            return Err(error);
        }
    }
    Ok(id)
}

/// semop(2), one operation: waits until `number` can be changed by `by`.
pub fn change(id: Id, number: u16, by: i16) -> io::Result<()> {
    let mut operation = libc::sembuf { sem_num: number, sem_op: by, sem_flg: 0 };
    // SAFETY: one operation, which lives through the call.
    uninterrupted(|| checked(unsafe { libc::semop(id, &raw mut operation, 1) } as isize)).map(drop)
}

/// Removes semaphores.
pub fn remove_semaphores(id: Id) -> io::Result<()> {
    // SAFETY: IPC_RMID takes no fourth argument.
    checked(unsafe { libc::semctl(id, 0, libc::IPC_RMID) } as isize).map(drop)
}

/// An attached segment of shared memory.
pub struct Segment {
    /// By what others attach to it.
    pub id: Id,
    at: NonNull<u8>,
}

impl Segment {
    /// shmget(2), shmat(2) and IPC_RMID: it goes when nobody is attached to it any more, and until
    /// then Linux lets others attach to it by its number.
    pub fn new(len: usize) -> io::Result<Self> {
        // SAFETY: a call on integers.
        let id = unsafe { libc::shmget(libc::IPC_PRIVATE, len, 0o600 | libc::IPC_CREAT) };
        checked(id as isize)?;
        let attached = Self::attach(id);
        // SAFETY: IPC_RMID takes no structure.
        unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
        attached
    }

    /// shmat(2).
    pub fn attach(id: Id) -> io::Result<Self> {
        // SAFETY: the kernel chooses where, so nothing of ours is replaced.
        let at = unsafe { libc::shmat(id, std::ptr::null(), 0) };
        match NonNull::new(at.cast()).filter(|_| at as isize != -1) {
            Some(at) => Ok(Segment { id, at }),
            None => Err(io::Error::last_os_error()),
        }
    }

    /// Its first byte, on a page.
    pub fn start(&self) -> *mut u8 {
        self.at.as_ptr()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: attached there by this value, of which nothing is borrowed.
        unsafe { libc::shmdt(self.at.as_ptr().cast()) };
    }
}
