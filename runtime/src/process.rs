//! Processes: the system calls about them that `rustix` leaves to a C library.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char};
use core::ptr;

use rustix::io::Errno;

use crate::arch::{number, syscall};

/// `SIGCHLD`, which a parent gets when a child made by [`fork`] ends.
const SIGCHLD: usize = 17;

/// An answer of the kernel as Rust has it.
fn checked(answer: isize) -> Result<usize, Errno> {
    usize::try_from(answer)
        .map_err(|_| Errno::from_raw_os_error(i32::try_from(-answer).unwrap_or(i32::MAX)))
}

/// Ends the whole process with `status`, of which others see the low eight bits.
#[allow(clippy::cast_sign_loss)]
pub fn exit_group(status: i32) -> ! {
    loop {
        // SAFETY: the call touches no memory of ours and does not return.
        unsafe { syscall(number::EXIT_GROUP, [status as usize, 0, 0, 0, 0]) };
    }
}

/// Ends the calling thread and no other.
pub(crate) fn exit_thread() -> ! {
    loop {
        // SAFETY: the call touches no memory of ours and does not return.
        unsafe { syscall(number::EXIT, [0; 5]) };
    }
}

/// Which side of a [`fork`] one is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// The new process.
    Child,
    /// The old one, with the number of the new.
    Parent(rustix::process::Pid),
}

/// A copy of this process that goes on from here.
///
/// # Safety
/// Only the calling thread lives on in the copy: no other thread may hold a lock or be amid a change then. This
/// program forks while it has one thread.
pub unsafe fn fork() -> Result<Forked, Errno> {
    // SAFETY: with neither CLONE_VM nor a stack the child runs on a copy of this memory.
    let pid = checked(unsafe { syscall(number::CLONE, [SIGCHLD, 0, 0, 0, 0]) })?;
    Ok(i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .map_or(Forked::Child, Forked::Parent))
}

/// Becomes the program `path`; comes back only with the reason why not.
pub fn execve(path: &CStr, arguments: &[&CStr], environment: &[&CStr]) -> Errno {
    let pointers = |strings: &[&CStr]| -> Vec<*const c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: all three are live for the call, and the lists end with a null.
    let answer = unsafe {
        syscall(
            number::EXECVE,
            [
                path.as_ptr() as usize,
                arguments.as_ptr() as usize,
                environment.as_ptr() as usize,
                0,
                0,
            ],
        )
    };
    checked(answer).err().unwrap_or(Errno::INVAL)
}

/// Has the process ignore a signal from now on, its children too until they say otherwise.
pub fn ignore(signal: rustix::process::Signal) -> Result<(), Errno> {
    /// `SIG_IGN`.
    const IGNORE: usize = 1;
    act(signal, IGNORE)
}

/// Gives a signal its usual effect again.
pub fn restore(signal: rustix::process::Signal) -> Result<(), Errno> {
    /// `SIG_DFL`.
    const DEFAULT: usize = 0;
    act(signal, DEFAULT)
}

fn act(signal: rustix::process::Signal, handler: usize) -> Result<(), Errno> {
    /// `struct sigaction` as the kernel has it: handler, flags, restorer, mask.
    #[repr(C)]
    struct Action([usize; 4]);
    let action = Action([handler, 0, 0, 0]);
    #[allow(clippy::cast_sign_loss)] // signals have positive numbers
    let signal = signal.as_raw() as usize;
    // SAFETY: the action is live for the call, says that no code is to run, and its mask has the eight bytes that
    // the last argument says.
    let answer =
        unsafe { syscall(number::RT_SIGACTION, [signal, &raw const action as usize, 0, 8, 0]) };
    checked(answer).map(drop)
}

/// Closes all descriptors from `first` on.
///
/// # Safety
/// Nobody may use those descriptors afterwards.
pub unsafe fn close_from(first: u32) {
    // SAFETY: the caller's promise.
    let answer =
        unsafe { syscall(number::CLOSE_RANGE, [first as usize, u32::MAX as usize, 0, 0, 0]) };
    if answer < 0 {
        // Before Linux 5.9. The program has opened a handful, and was left few by whoever started it.
        for fd in first..1024 {
            // SAFETY: the caller's promise.
            unsafe { rustix::io::close(i32::try_from(fd).unwrap_or(i32::MAX)) };
        }
    }
}
