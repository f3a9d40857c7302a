//! Programs that are ended with SIGKILL at random moments, which the same seed gives again.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

/// Marsaglia's xorshift: numbers that the same seed gives again.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// At least 0, less than 1.
    pub fn part(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).expect("32 bits")) / f64::from(u32::MAX)
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.next().to_le_bytes());
        words.take(count.div_ceil(8)).flatten().take(count).collect()
    }
}

/// `KILL_SEED`, or another number each time; it is printed.
pub fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let seed = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(u64::from(now.subsec_nanos()) | 1);
    // Whoever reads of a failure needs it.
    let _ = writeln!(std::io::stderr(), "KILL_SEED={seed}");
    seed
}

/// Runs the command and kills it somewhere within `time`. Whether it still ran.
pub fn kill(command: &mut Command, time: Duration, random: &mut Random) -> bool {
    let said = tempfile::tempfile().expect("a file for what it says");
    let errors = said.try_clone().expect("the same file");
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    let mut child = quiet.spawn().expect("starting the program");
    thread::sleep(time.mul_f64(random.part()));
    let ended = child.try_wait().expect("asking for the program");
    if let Some(status) = ended {
        assert!(status.success(), "it failed by itself: {}", text(said));
        return false;
    }
    child.kill().expect("killing the program");
    // It may have ended in the meantime.
    !child.wait().expect("waiting for the program").success()
}

fn text(mut said: File) -> String {
    let mut text = String::new();
    said.rewind().and_then(|()| said.read_to_string(&mut text)).expect("reading what it said");
    text
}
