//! From the first function to the exit code.

use crate::message;
use crate::start::Start;

/// What the program does; gives its exit code.
pub fn run(start: &Start) -> i32 {
    let name = start.arguments.first().map(|name| name.to_bytes()).unwrap_or_default();
    message::error(format_args!(
        "`{}` cannot run its image yet",
        alloc::string::String::from_utf8_lossy(name)
    ));
    127
}
