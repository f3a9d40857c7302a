//! The matrix as data: which fault, in which request, ends how.

use crate::fault::{End, Fault, Kind, Wishes};
use crate::story::WORDS;
use crate::wire::Reply;

/// How a story may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The image is there, or here, whole.
    Done,
    /// With the registry's own status and words.
    Refused(u16),
    /// The connection could not be kept.
    Broken,
    /// The registry was silent.
    Silent,
    /// What answers is no registry.
    NoRegistry,
    /// A digest is not what it should be.
    WrongDigest,
}

use Ending::{Broken, Done, NoRegistry, Refused, Silent, WrongDigest};

/// The columns.
pub(crate) const COLUMNS: [Kind; 9] = [
    Kind::Post,
    Kind::Patch,
    Kind::Put,
    Kind::Head,
    Kind::ManifestPut,
    Kind::Known,
    Kind::Token,
    Kind::ManifestGet,
    Kind::BlobGet,
];
/// Those that rows name.
const KINDS: [Kind; 8] = [
    Kind::Post,
    Kind::Patch,
    Kind::Put,
    Kind::Head,
    Kind::ManifestPut,
    Kind::Token,
    Kind::ManifestGet,
    Kind::BlobGet,
];
const WRITES: [Kind; 4] = [Kind::Post, Kind::Patch, Kind::Put, Kind::ManifestPut];
const BODIES: [Kind; 2] = [Kind::Patch, Kind::Put];
const SESSIONS: [Kind; 2] = [Kind::Post, Kind::Patch];

/// How often a fault comes.
pub(crate) const TIMES: [(&str, usize); 3] =
    [("once", 1), ("three times", 3), ("for ever", usize::MAX)];

/// A fault in some kinds of requests.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) fault: Fault,
    kinds: Vec<Kind>,
    /// Requests with smaller bodies are spared.
    pub(crate) body: u64,
    /// Requests are spared until a token has been taken.
    pub(crate) token: bool,
    /// Once, three times, for ever.
    endings: [Vec<Ending>; 3],
    /// Whether the client must find out by waiting.
    pub(crate) silent: bool,
}

impl Row {
    /// The fault passes: after one or three of its kind all is well, and if it stays it ends in `ending`.
    fn passing(name: impl Into<String>, kinds: &[Kind], fault: Fault, ending: &[Ending]) -> Self {
        Self {
            name: name.into(),
            fault,
            kinds: kinds.to_vec(),
            body: 0,
            token: false,
            endings: [vec![Done], vec![Done], ending.to_vec()],
            silent: ending.contains(&Silent),
        }
    }

    /// The fault does not matter.
    fn harmless(name: impl Into<String>, kinds: &[Kind], fault: Fault) -> Self {
        Self::passing(name, kinds, fault, &[Done])
    }

    /// The fault is final the first time, though another way may be found around one.
    fn lasting(name: impl Into<String>, kinds: &[Kind], fault: Fault, ending: &[Ending]) -> Self {
        let mut row = Self::passing(name, kinds, fault, ending);
        let way = [&[Done], ending].concat();
        row.endings = [way.clone(), way, ending.to_vec()];
        row
    }

    /// The fault is final the first time, and nothing else is tried.
    fn fatal(name: impl Into<String>, kinds: &[Kind], fault: Fault, ending: Ending) -> Self {
        let mut row = Self::passing(name, kinds, fault, &[ending]);
        row.endings = [vec![ending], vec![ending], vec![ending]];
        row
    }

    /// How the fault may end in a column, once, three times, and for ever; `None` if it makes no sense there.
    pub(crate) fn endings(&self, column: Kind) -> Option<[Vec<Ending>; 3]> {
        if column != Kind::Known {
            return self.kinds.contains(&column).then(|| self.endings.clone());
        }
        // What is there already can be found out in other ways.
        let mut endings = self.endings(Kind::ManifestGet)?;
        for allowed in &mut endings {
            allowed.retain(|ending| *ending != Done);
            allowed.insert(0, Done);
        }
        Some(endings)
    }

    /// Only requests with a body of so many bytes.
    fn from(mut self, body: u64) -> Self {
        self.body = body;
        self
    }
}

fn refusal(status: u16) -> Reply {
    Reply::error(status, "PROXY", WORDS)
}

/// Without the kinds in `but`.
fn kinds(but: &[Kind]) -> Vec<Kind> {
    KINDS.into_iter().filter(|kind| !but.contains(kind)).collect()
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    [connections(), statuses(), strangers(), tokens(), headers()].into_iter().flatten().collect()
}

/// Connections that end or fall silent.
fn connections() -> Vec<Row> {
    let all = KINDS;
    vec![
        Row::passing("reset before the body", &all, Fault::InBody(0, End::Reset), &[Broken]),
        Row::passing(
            "reset after 1 MiB of the body",
            &BODIES,
            Fault::InBody(1 << 20, End::Reset),
            &[Broken],
        )
        .from(2 << 20),
        Row::passing("reset before the answer", &all, Fault::InAnswer(0, End::Reset), &[Broken]),
        Row::passing("reset within the answer", &all, Fault::InAnswer(40, End::Reset), &[Broken]),
        Row::passing("answer cut in its head", &all, Fault::InAnswer(40, End::Close), &[Broken]),
        Row::passing(
            "answer cut in its body",
            &[Kind::Token, Kind::ManifestGet, Kind::BlobGet],
            // The last byte of all is missing.
            Fault::InAnswer(usize::MAX, End::Close),
            &[Broken],
        ),
        Row::passing("no answer", &all, Fault::InAnswer(0, End::Hold), &[Silent]),
        Row::passing(
            "silence after 1 MiB of the body",
            &BODIES,
            Fault::InBody(1 << 20, End::Hold),
            &[Silent],
        )
        .from(2 << 20),
        Row::passing("silence within the answer", &all, Fault::InAnswer(40, End::Hold), &[Silent]),
        Row::passing("body taken a byte at a time", &BODIES, Fault::SipBody, &[Silent])
            .from(2 << 20),
        Row::harmless("answer a byte at a time", &all, Fault::SipAnswer),
    ]
}

/// Answers of a registry that cannot or will not.
fn statuses() -> Vec<Row> {
    let mut rows = Vec::new();
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let mut answer = refusal(status);
        if status == 429 {
            answer = answer.with("Retry-After", "0");
        }
        let fault = Fault::Answer(answer);
        rows.push(Row::passing(status.to_string(), &KINDS, fault, &[Refused(status)]));
    }
    rows.push(Row::passing(
        "503, Retry-After a date gone by",
        &KINDS,
        Fault::Answer(refusal(503).with("Retry-After", "Thu, 01 Jan 2026 00:00:00 GMT")),
        &[Refused(503)],
    ));
    for status in [401, 403] {
        // A token that is no longer taken is replaced; should a new one not be taken either, then it is not the token.
        let fault = || Fault::Answer(refusal(status));
        let mut row =
            Row::passing(status.to_string(), &kinds(&[Kind::Token]), fault(), &[Refused(status)]);
        row.endings[1].push(Refused(status));
        row.token = true;
        rows.push(row);
        // Asking again would only lock the account.
        rows.push(Row::fatal(status.to_string(), &[Kind::Token], fault(), Refused(status)));
    }
    let mut early = Row::passing(
        "401 before the body is read",
        &BODIES,
        Fault::Early(refusal(401)),
        &[Refused(401)],
    );
    early.endings[1].push(Refused(401));
    rows.push(early.from(2 << 20));
    let small = kinds(&[Kind::Patch, Kind::Put, Kind::Post]);
    rows.push(Row::fatal("413", &small, Fault::Answer(refusal(413)), Refused(413)));
    // There are smaller pieces to try, and a POST without the blob.
    rows.push(Row::lasting(
        "413",
        &[Kind::Patch, Kind::Put, Kind::Post],
        Fault::Answer(refusal(413)),
        &[Refused(413)],
    ));
    rows.push(
        Row::lasting(
            "413 before the body is read",
            &BODIES,
            Fault::Early(refusal(413)),
            &[Refused(413), Done],
        )
        .from(2 << 20),
    );
    for status in [500, 503] {
        rows.push(
            Row::passing(
                format!("{status} before the body is read"),
                &BODIES,
                Fault::Early(refusal(status)),
                &[Refused(status), Done],
            )
            .from(2 << 20),
        );
    }
    rows
}

/// Answers of something that is no registry, or another one.
fn strangers() -> Vec<Row> {
    let page = Reply::new(200, "<html><title>Please log in to the hotel</title></html>")
        .with("Content-Type", "text/html");
    let portal = Fault::Answer(page);
    let mut rows = vec![
        Row::lasting("200 and a web page", &kinds(&[Kind::BlobGet]), portal.clone(), &[NoRegistry]),
        Row::lasting("200 and a web page", &[Kind::BlobGet], portal, &[WrongDigest]),
    ];
    for status in [301, 302, 307, 308] {
        let go = |change| Fault::Change(change);
        let back: fn(&mut Reply, &_) = match status {
            301 => |reply, wishes: &Wishes| *reply = redirect(301, &wishes.origin, wishes),
            302 => |reply, wishes| *reply = redirect(302, &wishes.origin, wishes),
            307 => |reply, wishes| *reply = redirect(307, &wishes.origin, wishes),
            _ => |reply, wishes| *reply = redirect(308, &wishes.origin, wishes),
        };
        let reads = [Kind::Head, Kind::ManifestGet, Kind::BlobGet];
        rows.push(Row::passing(
            format!("{status} to itself"),
            &reads,
            go(back),
            &[Refused(status)],
        ));
        // The registry has taken it, or the token server asks to take the password elsewhere.
        let writes = [&WRITES[..], &[Kind::Token]].concat();
        rows.push(Row::lasting(
            format!("{status} to itself"),
            &writes,
            go(back),
            &[Refused(status)],
        ));
    }
    rows
}

fn redirect(status: u16, origin: &str, wishes: &Wishes) -> Reply {
    Reply::new(status, "").with("Location", format!("{origin}{}", wishes.request.target()))
}

/// Answers of a token server that saves words, or is cut short where nothing tells.
fn tokens() -> Vec<Row> {
    fn change(reply: &mut Reply, from: &str, to: &str) {
        reply.body = String::from_utf8_lossy(&reply.body).replace(from, to).into_bytes();
    }
    let kinds = [Kind::Token];
    vec![
        Row::harmless(
            "token without an end",
            &kinds,
            Fault::Change(|reply, _| change(reply, r#""expires_in":300,"#, "")),
        ),
        Row::harmless(
            "token that has ended",
            &kinds,
            Fault::Change(|reply, _| change(reply, "300", "0")),
        ),
        Row::harmless(
            "token called access_token",
            &kinds,
            Fault::Change(|reply, _| change(reply, r#""token""#, r#""access_token""#)),
        ),
        Row::lasting(
            "token in half a document",
            &kinds,
            Fault::Change(|reply, _| reply.body.truncate(30)),
            &[NoRegistry],
        ),
        Row::lasting(
            "200 and no token",
            &kinds,
            Fault::Answer(Reply::new(200, r#"{"expires_in":300}"#)),
            &[NoRegistry],
        ),
    ]
}

/// Headers that are missing, wrong or unusual.
fn headers() -> Vec<Row> {
    let wrong = Fault::Change(|reply, _| {
        let zeros = "0".repeat(64);
        reply.head.set("Docker-Content-Digest", format!("sha256:{zeros}"));
    });
    let digests = kinds(&[Kind::Post, Kind::Patch, Kind::Token, Kind::BlobGet]);
    let mut rows = vec![
        Row::lasting("wrong Docker-Content-Digest", &digests, wrong, &[WrongDigest]),
        Row::harmless(
            "no Docker-Content-Digest",
            &digests,
            Fault::Change(|reply, _| reply.head.remove("Docker-Content-Digest")),
        ),
        Row::lasting(
            "no Location",
            &[Kind::Post],
            Fault::Change(|reply, _| reply.head.remove("Location")),
            &[NoRegistry],
        ),
        Row::lasting(
            "no Location",
            &[Kind::Patch],
            Fault::Change(|reply, _| reply.head.remove("Location")),
            // The session's own URL is as good a guess, where the registry keeps no state in it.
            &[NoRegistry, Done, Refused(404), Refused(400)],
        ),
        Row::harmless(
            "no Location",
            &[Kind::Put, Kind::ManifestPut],
            Fault::Change(|reply, _| reply.head.remove("Location")),
        ),
        Row::harmless(
            "relative Location",
            &SESSIONS,
            Fault::Change(|reply, wishes| {
                let location = reply.head.get("location").map(str::to_owned);
                let path = location.map(|location| location.replace(&wishes.origin, ""));
                reply.head.set("Location", path.unwrap_or_default());
            }),
        ),
        Row::harmless(
            "201 in answer to PATCH",
            &[Kind::Patch],
            Fault::Change(|reply, _| reply.set_status(201)),
        ),
    ];
    for range in
        ["0-0", "0-1", "bytes=0-99", "0-99999999", "0--1", "garbage", "18446744073709551615-0"]
    {
        rows.push(Row::harmless(
            format!("Range: {range}"),
            &SESSIONS,
            Fault::Change(match range {
                "0-0" => |reply, _| reply.head.set("Range", "0-0"),
                "0-1" => |reply, _| reply.head.set("Range", "0-1"),
                "bytes=0-99" => |reply, _| reply.head.set("Range", "bytes=0-99"),
                "0-99999999" => |reply, _| reply.head.set("Range", "0-99999999"),
                "0--1" => |reply, _| reply.head.set("Range", "0--1"),
                "garbage" => |reply, _| reply.head.set("Range", "garbage"),
                _ => |reply, _| reply.head.set("Range", "18446744073709551615-0"),
            }),
        ));
    }
    rows
}
