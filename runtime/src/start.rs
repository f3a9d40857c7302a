//! What the kernel hands over on the stack: arguments, environment and auxiliary vector.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char};

/// What the program was started with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The arguments; the first is the name that it was called by.
    pub arguments: Vec<&'static CStr>,
    /// `NAME=VALUE`.
    pub environment: Vec<&'static CStr>,
    /// The path that was given to `execve` (`AT_EXECFN`).
    pub executed: Option<&'static CStr>,
    /// Whether it runs with more rights than who started it has (`AT_SECURE`): then nothing in the environment may
    /// be believed.
    pub secure: bool,
}

impl Start {
    /// The value of a variable of the environment.
    pub fn variable(&self, name: &str) -> Option<&'static CStr> {
        self.environment.iter().find_map(|entry| {
            let rest =
                entry.to_bytes_with_nul().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            CStr::from_bytes_with_nul(rest).ok()
        })
    }
}

/// Reads what the kernel put at `stack`: the count of arguments, their pointers, a null, the environment's
/// pointers, a null, and pairs of numbers that end with a zero.
///
/// # Safety
/// `stack` is what the kernel entered the program with; the strings are never changed.
#[cfg_attr(not(feature = "standalone"), allow(dead_code))]
unsafe fn read(stack: *const usize) -> Start {
    /// `AT_SECURE` and `AT_EXECFN` (`linux/auxvec.h`).
    const SECURE: usize = 23;
    const EXECUTED: usize = 31;
    /// Strings up to a null; leaves `at` behind it.
    unsafe fn strings(at: &mut *const usize) -> Vec<&'static CStr> {
        let mut all = Vec::new();
        // SAFETY: the list ends with a null, and each pointer is to a string that ends with one.
        unsafe {
            while (**at) != 0 {
                all.push(CStr::from_ptr((**at) as *const c_char));
                *at = at.add(1);
            }
            *at = at.add(1);
        }
        all
    }
    let mut start = Start::default();
    // SAFETY: the layout is the kernel's, see above.
    unsafe {
        let mut at = stack.add(1);
        start.arguments = strings(&mut at);
        start.environment = strings(&mut at);
        while *at != 0 {
            let value = *at.add(1);
            match *at {
                SECURE => start.secure = value != 0,
                EXECUTED if value != 0 => {
                    start.executed = Some(CStr::from_ptr(value as *const c_char));
                }
                _ => {}
            }
            at = at.add(2);
        }
    }
    start
}

/// Puts the addresses in the program right for the place where it was loaded: a static PIE has nobody else to do so.
///
/// # Safety
/// `base` is where the program's ELF header is, `dynamic` its dynamic section. Called once, before anything that uses
/// an address from memory; nor does it do so itself.
#[cfg(feature = "standalone")]
pub(crate) unsafe extern "C" fn relocate(base: usize, mut dynamic: *const [usize; 2]) {
    /// `DT_RELA`, `DT_RELASZ` and `DT_RELACOUNT`'s sisters (`elf.h`).
    const RELA: usize = 7;
    const RELA_SIZE: usize = 8;
    /// Offset, information, addend.
    const ENTRY: usize = 3;
    let (mut table, mut size) = (0, 0);
    // SAFETY: the section ends with an entry of type zero; the linker's relative relocations (the only ones of a
    // static program) name words of the program.
    unsafe {
        while (*dynamic)[0] != 0 {
            if (*dynamic)[0] == RELA {
                table = (*dynamic)[1];
            } else if (*dynamic)[0] == RELA_SIZE {
                size = (*dynamic)[1];
            }
            dynamic = dynamic.add(1);
        }
        let mut at = (base + table) as *const usize;
        let end = (base + table + size) as *const usize;
        while at < end {
            ((base + *at) as *mut usize).write(base + *at.add(2));
            at = at.add(ENTRY);
        }
    }
}

/// The first function.
///
/// # Safety
/// As [`read`]; called once.
#[cfg(feature = "standalone")]
pub(crate) unsafe extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: the entry point hands on what the kernel gave.
    let start = unsafe { read(stack) };
    crate::process::exit_group(crate::run::run(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_of_a_new_process_is_read() {
        let text = |bytes: &'static [u8]| bytes.as_ptr() as usize;
        let stack = [
            2,
            text(b"./x\0"),
            text(b"--flag\0"),
            0,
            text(b"A=1\0"),
            text(b"AB=2\0"),
            0,
            23,
            1,
            31,
            text(b"/tmp/x\0"),
            0,
            0,
        ];
        // SAFETY: the array is laid out as the kernel would.
        let start = unsafe { read(stack.as_ptr()) };
        assert_eq!(start.arguments, [c"./x", c"--flag"]);
        assert_eq!(start.environment, [c"A=1", c"AB=2"]);
        assert_eq!((start.executed, start.secure), (Some(c"/tmp/x"), true));
        assert_eq!(start.variable("AB"), Some(c"2"));
        assert_eq!(start.variable("B"), None);
    }
}
