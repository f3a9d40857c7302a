//! The program that begins where the kernel leaves off: everything it does is in the library.

#![no_std]
#![no_main]

use core::panic::PanicInfo;

use runtime::heap::Heap;
use runtime::process::exit_group;

#[global_allocator]
static HEAP: Heap = Heap;

/// A panic is a bug: there is nobody to unwind to, and the message is all that can be saved.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    runtime::message::error(format_args!("internal error: {info}"));
    exit_group(127)
}

/// `alloc` was compiled for programs that unwind and asks for these by name. Nothing unwinds here: a panic ends the
/// process.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As above.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    exit_group(127)
}
