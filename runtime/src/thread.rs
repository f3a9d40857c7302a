//! Threads without thread-local storage: all that they share is the memory.

use alloc::boxed::Box;
use core::ffi::c_void;
use core::ptr;

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use crate::arch::clone_thread;
use crate::process::exit_thread;

/// Bytes of a thread's stack. Nothing here recurses deeply, and buffers are on the heap.
const STACK: usize = 256 << 10;

/// Runs `work` in another thread of this process. Its stack is never given back: threads here live as long as
/// the process.
pub fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), Errno> {
    /// `CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM` (`linux/sched.h`).
    const FLAGS: usize = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000;
    // A box of a box: the inner one is two words wide.
    let work: Box<Box<dyn FnOnce() + Send>> = Box::new(Box::new(work));
    // SAFETY: a new mapping at a place of the kernel's choice.
    let stack = unsafe {
        mmap_anonymous(
            ptr::null_mut(),
            STACK,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::STACK,
        )?
    };
    let argument = Box::into_raw(work);
    // SAFETY: the end of a mapping is aligned and nobody else's; the argument is what `run` takes.
    let answer =
        unsafe { clone_thread(FLAGS, stack.cast::<u8>().add(STACK), run, argument.cast()) };
    if answer > 0 {
        return Ok(());
    }
    // SAFETY: no thread was made, so that box and stack are ours again.
    unsafe {
        drop(Box::from_raw(argument));
        rustix::mm::munmap(stack, STACK)?;
    }
    Err(Errno::from_raw_os_error(i32::try_from(-answer).unwrap_or(i32::MAX)))
}

/// The first function of a thread.
unsafe extern "C" fn run(argument: *mut c_void) -> ! {
    // SAFETY: `spawn` made the box and gave it away.
    let work = unsafe { Box::from_raw(argument.cast::<Box<dyn FnOnce() + Send>>()) };
    work();
    exit_thread()
}
