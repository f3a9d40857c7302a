//! Waiting: as long as the registry asks for, and for one that is not up yet.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, SystemTime};

use registry::{Client, ClientOptions, Digest};

use crate::fault::{Fault, Kind, Rule};
use crate::proxy::{Proxy, Setting};
use crate::story::{Act, Stage, WORDS};
use crate::upstream::Upstream;
use crate::wire::Reply;

/// An answer that asks to wait.
fn wait(status: u16, how_long: &str) -> Fault {
    Fault::Answer(Reply::error(status, "TOOMANYREQUESTS", WORDS).with("Retry-After", how_long))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` as HTTP writes a time.
fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (days, rest) = (seconds / 86400, seconds % 86400);
    let weekday =
        ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][usize::try_from(days % 7).unwrap()];
    let (year, month, day) = civil(i64::try_from(days).unwrap());
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let name = &months[(month - 1) * 3..month * 3];
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{weekday}, {day:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Year, month and day so many days after 1970-01-01, found by counting.
fn civil(mut days: i64) -> (i64, usize, i64) {
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + i64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[test]
fn the_registrys_wish_to_wait_is_met() {
    for (kind, is_date) in [
        (Kind::Post, false),
        (Kind::Put, true),
        (Kind::ManifestPut, false),
        (Kind::Head, false),
        (Kind::Token, false),
    ] {
        // A date has whole seconds.
        let end = SystemTime::now() + Duration::from_secs(2);
        let how_long = if is_date { date(end + Duration::from_secs(1)) } else { "1".to_owned() };
        let stage = Stage::new(vec![Rule::new(kind, 1, wait(429, &how_long))]);
        stage.play(Act::Push).unwrap().unwrap();
        let entries = stage.proxy.entries();
        let hit = entries.iter().position(|entry| entry.hit).unwrap();
        // Blobs go side by side: only the same one must wait.
        let again = |other: &str| match kind {
            Kind::Put => {
                other.rsplit("digest=").next()
                    == entries[hit].head.target().rsplit("digest=").next()
            }
            _ => true,
        };
        let waited = entries[hit + 1..]
            .iter()
            .filter(|entry| entry.kind == kind && again(entry.head.target()))
            .map(|entry| entry.at.duration_since(entries[hit].at).as_secs_f64());
        let waited = if kind == Kind::Post {
            waited.fold(0.0, f64::max)
        } else {
            waited.fold(9e9, f64::min)
        };
        // The way to the hit took a part of the time until the date.
        let hit = SystemTime::now() - entries[hit].at.elapsed();
        let least = if is_date {
            end.duration_since(hit).map_or(0.0, |wait| wait.as_secs_f64())
        } else {
            1.0
        };
        assert!(waited >= least, "{kind:?}, Retry-After {how_long}: asked again after {waited} s");
    }
}

#[test]
fn a_registry_that_is_not_up_yet_is_waited_for() {
    let upstream = Upstream::new();
    // Free now; nobody but the kernel hands it out again so soon.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let stage = Stage::new(Vec::new());
    let options = ClientOptions { first_wait: Duration::from_millis(200), ..stage.options() };
    let reference = format!("127.0.0.1:{port}/{}:v1", upstream.repository).parse().unwrap();
    let client = Client::new(reference, options).unwrap();
    let proxy = thread::scope(|scope| {
        let late = scope.spawn(|| {
            thread::sleep(Duration::from_millis(100));
            Proxy::start(&upstream.address, Setting { port, ..Setting::default() })
        });
        // Nobody has logged in there: what matters is who answers.
        let error = client.exists(&Digest::of(b""), 0).unwrap_err();
        assert_eq!(error.status(), Some(401), "{error:?}");
        late.join().unwrap()
    });
    assert!(!proxy.entries().is_empty());
}

#[test]
fn nobody_there_is_said_so() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let stage = Stage::new(Vec::new());
    for host in [format!("127.0.0.1:{port}"), "no-such-host.invalid".to_owned()] {
        let reference = format!("{host}/app:v1").parse().unwrap();
        let client = Client::new(reference, stage.options()).unwrap();
        let error = client.exists(&Digest::of(b""), 0).unwrap_err();
        assert!(error.to_string().contains(&host), "{error}");
        assert!(error.hint().is_some(), "{error:?}");
    }
}
