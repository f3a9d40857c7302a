//! What is told to people, on standard error; nothing can be done when that fails.

use core::fmt::{self, Write};

use rustix::fd::BorrowedFd;

/// A descriptor that text is written to, each piece at once.
struct Descriptor(BorrowedFd<'static>);

impl Write for Descriptor {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_all(self.0, text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Writes all of it, whatever pieces the kernel takes.
pub fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(0) => return Err(rustix::io::Errno::IO),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A line that says who speaks.
pub fn error(text: fmt::Arguments<'_>) {
    // SAFETY: whether or not the descriptor is open, writing to it harms no memory.
    let stderr = unsafe { BorrowedFd::borrow_raw(2) };
    // One write for one line, or lines of two processes mix.
    let line = alloc::format!("appimage: {text}\n");
    let _ = Descriptor(stderr).write_str(&line);
}
