//! One builder opens everything.

use crate::{
    Trust, Wait,
    end::{
        DEFAULT_CAPACITY, Settings,
        attach::{self, Existence},
        epoch::Unfinished,
        error::{OpenError, OpenErrorKind},
    },
    segment::{Backend, name::Name},
    unclaimed::{self, Unclaimed},
};
use std::{ffi::OsStr, time::Duration};

/// How a ring is made, opened and waited for.
///
/// What an end is to be, a writer or a reader, is said by the type that is asked for.
///
/// # Examples
/// ```
/// use shmpipe::{Options, stream::{Reader, Writer}};
/// use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = format!("/shmpipe-doc-options-{}", std::process::id());
/// // Usually two processes; either may be first.
/// let options = Options::new().capacity(1 << 20);
/// let mut writer: Writer = options.open_or_create(&name)?;
/// let mut reader: Reader = options.open_or_create(&name)?;
///
/// writer.write_all(b"hello")?;
/// writer.finish()?;
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until something is opened with them"]
pub struct Options {
    settings: Settings,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The capacity of a ring that is made without a wish for one, in bytes.
    pub const DEFAULT_CAPACITY: usize = DEFAULT_CAPACITY;

    /// A ring of [`Options::DEFAULT_CAPACITY`], mode 0600, gone with its last end.
    pub fn new() -> Self {
        Self { settings: Settings::default() }
    }

    /// How many bytes the ring holds: a power of two of at least one page. A ring that exists must
    /// have it, unless [`adopt`](Self::adopt)ed.
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.settings.capacity = Some(bytes);
        self
    }

    /// Takes an existing ring of another capacity as it is, instead of failing.
    pub fn adopt(mut self, yes: bool) -> Self {
        self.settings.adopt = yes;
        self
    }

    /// The permission bits of a ring that is made, exactly (the umask takes nothing away), and the
    /// most that one that exists may have. Default 0600.
    pub fn mode(mut self, mode: u32) -> Self {
        self.settings.mode = mode;
        self
    }

    /// To which user a ring is given that is made, by number. One that exists may be anybody's, as
    /// far as [`trust`](Self::trust) says. Only root can give a ring to another, and anybody one of
    /// [`Backend::SystemV`]: whoever does must [trust any user](Trust::AnyUser) to use it then.
    ///
    /// # Errors
    /// When the ring is made: [`OpenErrorKind::Give`], or
    /// [`OpenErrorKind::Owner`] without that trust.
    pub fn owner(mut self, uid: u32) -> Self {
        self.settings.owner = Some(uid);
        self
    }

    /// To which group a ring is given that is made, by number: of this user's, unless by root or of
    /// [`Backend::SystemV`]. With [`mode`](Self::mode) 0660 its members can come to it, if they
    /// [trust any user](Trust::AnyUser).
    ///
    /// # Errors
    /// When the ring is made: [`OpenErrorKind::Give`].
    pub fn group(mut self, gid: u32) -> Self {
        self.settings.group = Some(gid);
        self
    }

    /// What the payloads of records are aligned to, in bytes: a power of two
    /// from 8 (the default) to
    /// 4096. A record ring that exists must have at least that.
    pub fn payload_align(mut self, bytes: usize) -> Self {
        self.settings.payload_align = Some(bytes);
        self
    }

    /// How many senders a ring of [`mpsc`](crate::mpsc) can have at once, 1 to 255; 64 if nothing
    /// is said. A ring that exists must have at least that.
    pub fn producers(mut self, n: usize) -> Self {
        self.settings.producers = Some(n);
        self
    }

    /// By what name the type in the slots of a ring is known, of which 64 bytes count. Both ends
    /// must give the same. The default is the type's own name without the modules it lives in.
    pub fn type_tag(mut self, name: &str) -> Self {
        self.settings.type_tag = Some(name.to_owned());
        self
    }

    /// Where the memory comes from. A ring's name says that, too: with
    /// [`Backend::SystemV`] it need not begin with `sysv:`. [`Options::anonymous`] uses
    /// [`Backend::Memfd`] whatever is said here.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.settings.backend = backend;
        self
    }

    /// A ring that is made now keeps its name, and what is in it, when its last end has gone.
    pub fn persistent(mut self, yes: bool) -> Self {
        self.settings.persistent = yes;
        self
    }

    /// All memory of an anonymous ring is got when it is made, as that of any other ring: if there
    /// is not enough, that is when one is told, and no later write needs a system call to get
    /// some. It takes 0.2 ms per MiB.
    pub fn preallocate(mut self, yes: bool) -> Self {
        self.settings.preallocate = yes;
        self
    }

    /// How the end waits for the other.
    pub fn wait(mut self, wait: Wait) -> Self {
        self.settings.wait = wait;
        self
    }

    /// Whom the ring may be shared with.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.settings.trust = trust;
        self
    }

    /// A writer that finds a broken stream (its writer failed, was dropped or died, and no reader
    /// was told of it yet) goes on after its last byte. The reader is told how the stream before
    /// ended when it gets there.
    ///
    /// Without this or [`discard`](Self::discard), such a ring is refused
    /// ([`OpenErrorKind::Unfinished`]). A stream that was finished needs neither: the next one
    /// follows it.
    pub fn resume(mut self) -> Self {
        self.settings.unfinished = Unfinished::Resume;
        self
    }

    /// A writer that finds a stream that was not read to its end, finished or not, throws the rest
    /// of it away. Only while no reader is attached.
    pub fn discard(mut self) -> Self {
        self.settings.unfinished = Unfinished::Discard;
        self
    }

    /// A ring that exists makes way for a new one: a server that comes back builds afresh, whatever
    /// the last one has left. Where [`open`](Self::open), [`open_or_create`](Self::open_or_create)
    /// find a ring, they take its name away, make a new one, and open that; everybody who is still
    /// at the old one is told (`Replaced`): writers at their next operation, or at once if they
    /// sleep; readers when they have read all that was written. Told so, an end is dropped and
    /// opened again. What was in the old ring and not read is lost.
    /// [`create_new`](Self::create_new) refuses a ring that exists, as ever, and what
    /// [`resume`](Self::resume) and [`discard`](Self::discard) say has no meaning then.
    ///
    /// Any ring of this user is replaced that says of itself that it is one, also one that carries
    /// something else, has another capacity, or is damaged or of another version of the layout. Not
    /// replaced is one that *nobody has used yet*: to which no end like this one has ever come,
    /// into which nothing was written, and which is what was asked for. It is as good as new, and
    /// those who wait there for a server that starts later are spared the news.
    ///
    /// This is for the one end of a ring that is the server. Of several that do it each
    /// would replace what the other has made; of senders to one receiver those that come
    /// while that one is there are refused.
    ///
    /// # Errors
    /// When the ring is opened: [`OpenErrorKind::RoleTaken`] if the end to be is there already, and
    /// in a ring of [`mpsc`](crate::mpsc) if a receiver is there, also for senders;
    /// [`OpenErrorKind::NotOwner`] if the ring is another's; [`OpenErrorKind::InUse`] if it is
    /// damaged or of another layout, and somebody is at it.
    ///
    /// # Examples
    /// ```
    /// use shmpipe::{Options, stream::{ReadError, Reader, Writer}};
    /// use std::io::{BufRead, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let name = format!("/shmpipe-doc-replace-{}", std::process::id());
    /// let server = Options::new().replace();
    /// let mut writer: Writer = server.open_or_create(&name)?;
    /// writer.write_all(b"old")?;
    /// let mut reader: Reader = Options::new().open_or_create(&name)?;
    /// drop(writer); // as if it had crashed
    ///
    /// let mut writer: Writer = server.open_or_create(&name)?;
    /// assert_eq!(reader.fill_buf()?, b"old");
    /// reader.consume(3);
    /// assert!(matches!(reader.try_fill_buf(), Err(ReadError::Dropped)));
    /// assert!(matches!(reader.try_fill_buf(), Err(ReadError::Replaced)));
    ///
    /// let mut reader: Reader = Options::new().open_or_create(&name)?;
    /// writer.write_all(b"new")?;
    /// assert_eq!(reader.fill_buf()?, b"new");
    /// # reader.consume(3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn replace(mut self) -> Self {
        self.settings.replace = true;
        self
    }

    /// How long a waiting end sleeps before it looks whether the other is still alive; by default
    /// 50 ms, growing to 150 ms while nothing happens. A death is noticed that late at most. At
    /// least a millisecond.
    ///
    /// After a fifth of the first such interval of a wait it looks once more into the ring, should
    /// its wake-up have been lost ([`Stats::late_wakeups`](crate::Stats::late_wakeups)).
    pub fn liveness_interval(mut self, interval: Duration) -> Self {
        self.settings.liveness_interval = Some(interval.max(Duration::from_millis(1)));
        self
    }

    /// Opens a ring that exists.
    ///
    /// # Errors
    /// [`OpenErrorKind::NotFound`] if there is none of that name; and all of
    /// [`open_or_create`](Self::open_or_create)'s.
    pub fn open<E: End>(&self, name: impl AsRef<OsStr>) -> Result<E, OpenError> {
        self.named(name.as_ref(), Existence::Required)
    }

    /// Makes a ring that does not exist yet.
    ///
    /// # Errors
    /// [`OpenErrorKind::AlreadyExists`] if there is one; and all of
    /// [`open_or_create`](Self::open_or_create)'s.
    pub fn create_new<E: End>(&self, name: impl AsRef<OsStr>) -> Result<E, OpenError> {
        self.named(name.as_ref(), Existence::Refused)
    }

    /// Opens a ring, or makes it if it is not there: either side may come first. Names are written
    /// `/NAME`, or as [`Backend::SystemV`] has them.
    ///
    /// This does not wait for the other end. It waits, for five seconds at most, for a process that
    /// is attaching to the same ring at this moment.
    ///
    /// # Errors
    /// [`OpenError`], whose [`kind`](OpenError::kind) says why: the name or a wish cannot be met,
    /// the object is not ours, is no ring or a damaged one, has such an end already, or there is no
    /// memory. What this call has made is removed again if it fails.
    pub fn open_or_create<E: End>(&self, name: impl AsRef<OsStr>) -> Result<E, OpenError> {
        self.named(name.as_ref(), Existence::Either)
    }

    /// Makes a ring without a name and hands out its two ends, not yet claimed: each becomes a
    /// writer or a reader in whichever process [`claim`](Unclaimed::claim)s it.
    ///
    /// The producer gets the ring's memory, piece by piece ahead of what it writes, until it has
    /// gone round once: a large ring is at hand as fast as a small one, and takes hardly more
    /// memory than was ever written to it at a time. If there is none left by then, the producer is
    /// told [`WriteError::NoMemory`](crate::WriteError::NoMemory). See
    /// [`preallocate`](Self::preallocate). (A ring of [`mpsc`](crate::mpsc) gets all of it here.)
    ///
    /// # Errors
    /// As [`open_or_create`](Self::open_or_create), as far as it applies.
    pub fn anonymous<E: End>(&self) -> Result<(Unclaimed<E>, Unclaimed<E::Peer>), OpenError> {
        unclaimed::pair(&self.settings).map_err(|kind| OpenError { ring: None, kind })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    fn named<E: End>(&self, name: &OsStr, existence: Existence) -> Result<E, OpenError> {
        let open = || {
            let name = match self.settings.backend {
                Backend::SystemV => Name::of_sysv(name),
                _ => Name::new(name),
            };
            let name = name.map_err(OpenErrorKind::Name)?;
            let attached = attach::named(
                &name,
                existence,
                E::ROLE,
                &E::content(&self.settings),
                &self.settings,
            )?;
            E::from_attached(attached)
        };
        open().map_err(|kind| OpenError { ring: Some(name.to_owned()), kind })
    }
}

/// One end of a ring: what [`Options`] can open. Not to be implemented elsewhere.
pub trait End: sealed::End {
    /// The end at the other side.
    type Peer: End;
}

/// Its types are public to be named here, and unreachable from outside.
pub(crate) mod sealed {
    use crate::{
        end::{Role, Settings, attach::Attached, error::OpenErrorKind},
        layout::identity::Content,
    };

    pub trait End: Sized {
        const ROLE: Role;
        fn content(settings: &Settings) -> Content;
        fn from_attached(attached: Attached) -> Result<Self, OpenErrorKind>;
    }
}
