//! One consistent view of a database that somebody else may be writing to, without a trace.
//!
//! Nix's database is in WAL mode unless told otherwise: new entries go to `db.sqlite-wal` first,
//! and `db.sqlite-shm` says which of them count. Opened plainly, even for reading, `SQLite`
//! creates both files and leaves them, or fails where it may not; opened as `immutable`, it
//! creates nothing but overlooks the `-wal`. So the files decide how it is opened:
//!
//! | `-wal`           | `-shm`   | way                                                               |
//! |------------------|----------|-------------------------------------------------------------------|
//! | none or empty    | any      | [`quiet`]: immutable; valid if no file changed meanwhile          |
//! | some             | readable | [`shared`]: with the writers' `-shm`, which is not written to     |
//! | some             | not      | [`copied`]: a private copy of both files; valid if none changed   |
//! | some             | writable | the other way round; see [`with_log`]                             |
//! | unreadable       | any      | an error: there may be entries that cannot be seen                |
//! | not in WAL mode  |          | [`rollback`]: plain, waits for writers                            |
//!
//! <https://sqlite.org/wal.html#readonly>, <https://sqlite.org/uri.html>, and `readonly_shm` in
//! `os_unix.c`.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{Access, AtFlags, CWD};

use super::DatabaseError;

/// How often a view that changed while it was read is taken anew, and after which pause.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// How long a writer may hold a lock.
const BUSY_SECONDS: u64 = 5;

/// Times of files advance in steps of up to 10 ms: only after two of them is it certain that a
/// further change would show.
const TICK: Duration = Duration::from_millis(20);

/// Runs `query` on one consistent view of `file`.
pub(super) fn read<T>(
    file: &Path,
    mut query: impl FnMut(&Connection) -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    // The other files stand beside the real one, wherever a link to it is.
    let file =
        &file.canonicalize().map_err(|source| DatabaseError::Io { path: file.into(), source })?;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        let view = if length(&beside(file, "-wal"))? > 0 {
            with_log(file, &mut query)
        } else if in_wal_mode(file)? {
            quiet(file, &mut query)
        } else {
            Some(rollback(file, &mut query))
        };
        if let Some(result) = view {
            return result;
        }
    }
    Err(DatabaseError::Busy { file: file.into(), attempts: ATTEMPTS })
}

/// There is a `-wal` with something in it.
///
/// Who may write to the folder gets a copy first: where `SQLite` may, it opens the `-wal` for
/// writing, creates it if the last writer took it along just now, and, as root, sets its owner. Who
/// may not cannot leave a trace, and is spared the copy.
fn with_log<T>(
    file: &Path,
    query: &mut impl FnMut(&Connection) -> Result<T, DatabaseError>,
) -> Option<Result<T, DatabaseError>> {
    let folder = file.parent().unwrap_or(file);
    if rustix::fs::accessat(CWD, folder, Access::WRITE_OK, AtFlags::EACCESS).is_err() {
        return shared(file, query).or_else(|| copied(file, query));
    }
    match copied(file, query) {
        None => shared(file, query),
        // There may be no room for a copy.
        Some(Err(error @ DatabaseError::Io { .. })) => shared(file, query).or(Some(Err(error))),
        some => some,
    }
}

/// Nobody is writing: the file itself is all there is. None if that was not true to the end.
fn quiet<T>(
    file: &Path,
    query: &mut impl FnMut(&Connection) -> Result<T, DatabaseError>,
) -> Option<Result<T, DatabaseError>> {
    unchanged(file, || open(file, "immutable=1").and_then(|connection| query(&connection)))
}

/// Somebody may be writing: what counts is in their `-shm`. None if it cannot be used.
fn shared<T>(
    file: &Path,
    query: &mut impl FnMut(&Connection) -> Result<T, DatabaseError>,
) -> Option<Result<T, DatabaseError>> {
    if !beside(file, "-shm").exists() {
        return None;
    }
    let result = open(file, "mode=ro&readonly_shm=1").and_then(|connection| query(&connection));
    match &result {
        // A copy answers where the files in place cannot: not readable, without a live process to
        // vouch for the `-shm`, or locked for good.
        Err(DatabaseError::Query { source, .. })
            if matches!(
                source.sqlite_error_code(),
                Some(
                    ErrorCode::CannotOpen
                        | ErrorCode::ReadOnly
                        | ErrorCode::PermissionDenied
                        | ErrorCode::FileLockingProtocolFailed
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::DatabaseBusy
                )
            ) =>
        {
            None
        }
        _ => Some(result),
    }
}

/// A copy of database and `-wal`, which `SQLite` may open as it likes. None if either changed
/// while it was copied.
fn copied<T>(
    file: &Path,
    query: &mut impl FnMut(&Connection) -> Result<T, DatabaseError>,
) -> Option<Result<T, DatabaseError>> {
    let copy = |from: &Path, to: &Path| -> io::Result<()> {
        // Not `fs::copy`, which makes the copy of a read-only file read-only.
        io::copy(&mut File::open(from)?, &mut File::create(to)?).map(|_| ())
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| DatabaseError::Io { path, source }
    };
    let made = unchanged(file, || {
        let dir = tempfile::tempdir().map_err(failed(&std::env::temp_dir()))?;
        let wal = beside(file, "-wal");
        let to = dir.path().join("db.sqlite");
        copy(&wal, &beside(&to, "-wal"))
            .map_err(|source| DatabaseError::WalUnreadable { wal: wal.clone(), source })?;
        copy(file, &to).map_err(failed(file))?;
        Ok(dir)
    })?;
    // The last writer left just now, and took the `-wal` along.
    if let Err(DatabaseError::WalUnreadable { source, .. }) = &made
        && source.kind() == io::ErrorKind::NotFound
    {
        return None;
    }
    Some(made.and_then(|dir| {
        let connection = open(&dir.path().join("db.sqlite"), "mode=rw")?;
        query(&connection)
    }))
}

/// Without a `-wal`, `SQLite` reads under a lock, and creates nothing.
fn rollback<T>(
    file: &Path,
    query: &mut impl FnMut(&Connection) -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    let result = open(file, "mode=ro&readonly_shm=1").and_then(|connection| query(&connection));
    match result {
        Err(DatabaseError::Query { source, .. })
            if source.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) =>
        {
            Err(DatabaseError::Locked { file: file.into(), seconds: BUSY_SECONDS })
        }
        // A journal that nobody holds a lock for has to be played back, which is writing.
        Err(DatabaseError::Query { source, .. })
            if matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen)
            ) && beside(file, "-journal").exists() =>
        {
            Err(DatabaseError::HotJournal { journal: beside(file, "-journal") })
        }
        result => result,
    }
}

/// Opens a snapshot: all that is read through the connection is of one moment.
fn open(file: &Path, parameters: &str) -> Result<Connection, DatabaseError> {
    let access = if parameters == "mode=rw" {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    } else {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    };
    let flags = access | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(uri(file, parameters), flags).and_then(|connection| {
        connection.busy_timeout(Duration::from_secs(BUSY_SECONDS))?;
        // Views and triggers of a hostile database get to call nothing with side effects.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.execute_batch("begin")?;
        Ok(connection)
    });
    opened.map_err(|source| super::rows::sqlite(file, source))
}

/// `SQLite` understands options only in a URI, in which `?`, `#` and `%` end or change the path.
fn uri(file: &Path, parameters: &str) -> String {
    use std::fmt::Write;
    let mut uri = String::from("file://");
    for &byte in file.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02x}");
        }
    }
    uri + "?" + parameters
}

/// Runs `action`; none if database or `-wal` changed meanwhile.
fn unchanged<T>(
    file: &Path,
    action: impl FnOnce() -> Result<T, DatabaseError>,
) -> Option<Result<T, DatabaseError>> {
    let files = [file.to_owned(), beside(file, "-wal")];
    let look = || -> Result<_, DatabaseError> {
        Ok((
            metadata(&files[0])?.as_ref().map(state),
            metadata(&files[1])?.as_ref().map(state).filter(|state| state.size > 0),
        ))
    };
    let look_when_settled = || {
        let newest = files
            .iter()
            .filter_map(|file| file.metadata().and_then(|metadata| metadata.modified()).ok())
            .max();
        if newest
            .is_some_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age < TICK))
        {
            std::thread::sleep(TICK);
        }
        look()
    };
    let before = match look_when_settled() {
        Ok(before) => before,
        Err(error) => return Some(Err(error)),
    };
    let result = action();
    match look() {
        Ok(after) if after == before => Some(result),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }
}

/// What differs when a file was written to or replaced.
#[derive(PartialEq, Eq)]
struct State {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

fn state(metadata: &Metadata) -> State {
    State {
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

fn metadata(path: &Path) -> Result<Option<Metadata>, DatabaseError> {
    match path.metadata() {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DatabaseError::Io { path: path.into(), source }),
    }
}

fn length(path: &Path) -> Result<u64, DatabaseError> {
    Ok(metadata(path)?.map_or(0, |metadata| metadata.len()))
}

/// The file that `SQLite` keeps beside `file`, such as `db.sqlite-wal`.
fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}

/// Whether the header says that the file is read through a `-wal`.
///
/// <https://sqlite.org/fileformat.html#file_format_version_numbers>
fn in_wal_mode(file: &Path) -> Result<bool, DatabaseError> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    const WRITE_VERSION: usize = 18;
    const READ_VERSION: usize = 19;
    const WAL: u8 = 2;
    let mut header = Vec::new();
    File::open(file)
        .and_then(|open| open.take(READ_VERSION as u64 + 1).read_to_end(&mut header))
        .map_err(|source| DatabaseError::Io { path: file.into(), source })?;
    // An empty file is a database without tables.
    if !header.is_empty() && !header.starts_with(MAGIC) {
        return Err(DatabaseError::NotADatabase { file: file.into() });
    }
    Ok([WRITE_VERSION, READ_VERSION].iter().any(|&at| header.get(at) == Some(&WAL)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_a_path_within_a_uri() {
        let path = Path::new("/a b/%41?mode=rwc#x/ü");
        assert_eq!(uri(path, "mode=ro"), "file:///a%20b/%2541%3fmode%3drwc%23x/%c3%bc?mode=ro");
    }
}
