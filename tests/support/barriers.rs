//! A hole in membarrier(2) that no test is about.
//!
//! Where a process registers while another thread of it sleeps, Linux may go on to leave that
//! thread out of the barriers (`shmpipe::wait::fence` says when), and a wake-up in a million or
//! more can be lost. A test whose sleeps have no end would hang then. So test programs register
//! before they have a second thread, and their children are born registered.

/// Whether this is the program whose tests are about ends that do not register.
const MAY_NOT: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"fence_fallback");

/// Registers this process; its children inherit that.
pub fn register_for_barriers() {
    // SAFETY: integers only. Where it fails, an end does without as well.
    unsafe {
        libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
    }
}

extern "C" fn before_main() {
    if !MAY_NOT {
        register_for_barriers();
    }
}

// SAFETY: what the C library expects there is a function, which it calls before
// main; it may ignore the arguments.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;
