//! membarrier(2).

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes two integers more and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Registers this process for the barriers of others. Lasts until exec. False where refused.
pub(crate) fn register() -> bool {
    membarrier(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
}

/// A full barrier on every processor that runs a registered process. False where refused.
pub(crate) fn barrier() -> bool {
    membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}
