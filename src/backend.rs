//! System V or POSIX?
//!
//! A ring lives in shared memory of one of three kinds. What is done with it is the same with all
//! of them: every face, every way to wait, death and take-over, `shmcat`'s options. They differ in
//! how a ring is found and who takes it away.
//!
//! | | POSIX ([`Backend::Posix`]) | System V ([`Backend::SystemV`]) | anonymous ([`Backend::Memfd`]) |
//! |---|---|---|---|
//! | named | `/name`, a file in /dev/shm | `sysv:0x2A01`, a key that programs agreed on; `sysv:FILE:N`, a key made of a file (ftok(3)); `sysv:id=N`, the kernel's number | not at all: a descriptor, inherited or passed |
//! | found in | the same mount namespace (container), with the same /dev/shm | the same IPC namespace | whoever has the descriptor |
//! | lives | until its last end takes it away, or it is removed, or the machine is rebooted | the same | as long as a descriptor or an end |
//! | survives the death of all ends | yes | yes, unless sysctl kernel.shm_rmid_forced is 1 | no |
//! | limits | the size of /dev/shm: `df /dev/shm`; descriptors: `ulimit -n` | SHMMNI segments, SHMMAX bytes each, SHMALL pages in all, SEMMNI sets of semaphores: `ipcs -l`, sysctl kernel.shmmni, .shmmax, .shmall, .sem | memory; descriptors |
//! | permission | of a file: mode, owner, group. The owner of the file removes it | read permission to look, read and write to attach. Owner, creator, or a privileged process removes | none: the descriptor is the permission |
//! | seen by | `shmcat --list`; `ls /dev/shm` | `shmcat --list`; `ipcs -m -s` | `shmcat --list`; /proc/PID/fd |
//! | removed by | `shmcat --remove /name`; `rm /dev/shm/name` | `shmcat --remove sysv:0x2A01`; `ipcrm -m` and `-s` | - |
//! | when removed under its ends | they go on, and nobody else comes to them | they are told so: [`ReadError::Removed`](crate::ReadError::Removed), [`WriteError::Removed`](crate::WriteError::Removed) | - |
//! | can be cut short under its ends | yes, by who may write to it | no | no |
//! | who is alive is known by | file locks | semaphores with SEM_UNDO, in a set beside the segment | file locks |
//! | descriptors of each end | one | none | one |
//! | between users ([`Trust::AnyUser`](crate::Trust::AnyUser)), a hostile peer can end this process | by cutting the memory short, by its semaphores | no | by its semaphores |
//!
//! Awake, they are equally fast: the memory is the same kind of memory (tmpfs),
//! mapped the same way. So:
//!
//! - **POSIX**, unless there is a reason: names are easier to choose and to tell apart than keys.
//! - **System V** where there is no /dev/shm, or a tiny one (some containers); where other
//!   programs already share keys; where processes have no descriptors to spare; and between
//!   users who do not trust each other.
//! - **Anonymous** wherever one process starts the other: nothing can be left behind.
//!
//! A process leaves its ends of System V rings before it changes its IPC namespace, or gives
//! up its System V undo list (unshare(2) with `CLONE_NEWIPC` or `CLONE_SYSVSEM`, setns(2)):
//! the kernel then takes its semaphores back as if it had died, and the others go on without
//! it, while it could still write.
//!
//! # POSIX, worked
//! ```
//! use shmpipe::{Options, stream::{Reader, Writer}};
//! use std::io::{Read, Write};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("/shmpipe-doc-posix-{}", std::process::id());
//! // One program ...
//! let mut writer: Writer = Options::new().open_or_create(&name)?;
//! writer.write_all(b"by its name")?;
//! writer.finish()?;
//!
//! // ... and another, now or later: what was written waits in /dev/shm.
//! let mut reader: Reader = Options::new().open_or_create(&name)?;
//! let mut text = String::new();
//! reader.read_to_string(&mut text)?;
//! assert_eq!(text, "by its name");
//! # Ok(())
//! # }
//! ```
//!
//! # System V, worked
//! ```
//! use shmpipe::{Key, Options, OpenErrorKind, stream::{Reader, Writer}};
//! use std::io::{Read, Write};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // IPC_CREAT without IPC_EXCL is open_or_create(), with it is create_new(), neither is open(); IPC_PRIVATE
//! // is a key of its own, and the ring's name then says what the kernel has called it.
//! let mut writer: Writer = Options::new().create_new(Key::private())?;
//! let name = writer.name().unwrap().to_owned(); // sysv:id=N, which others need to be told
//! writer.write_all(b"by its id")?;
//! writer.finish()?;
//!
//! let mut reader: Reader = Options::new().open(&name)?;
//! let mut text = String::new();
//! reader.read_to_string(&mut text)?;
//! assert_eq!(text, "by its id");
//! drop(reader); // the last one out removes segment and semaphores
//!
//! let gone = Options::new().open::<Reader>(&name).unwrap_err();
//! assert!(matches!(gone.kind(), OpenErrorKind::NotFound));
//! # Ok(())
//! # }
//! ```
//!
//! A key of a file, as programs of old make one, is written `sysv:/var/lib/app:1` or got from
//! [`Key::from_path`], which also tells what becomes of it when the file is replaced.

pub use crate::segment::{Backend, sysv::Key};
