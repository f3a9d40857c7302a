//! `fusermount`, which mounts for users: found, run, and asked for the device that it opened.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::mem::MaybeUninit;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::{Errno, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
};
use rustix::process::WaitOptions;

use crate::failure::{Doing, Failure, shown};
use crate::process::{Forked, execve, exit_group, fork};
use crate::start::Start;

/// The program's path.
#[derive(Clone, Debug)]
pub struct Fusermount(CString);

/// The set-user-ID bit.
const SET_USER: u32 = 0o4000;

/// Where it is when `PATH` does not say, or must not be asked.
const USUAL: &[u8] = b"/usr/bin:/bin:/usr/local/bin:/run/wrappers/bin";

/// Looks for one that can have the rights that it needs.
pub fn find(start: &Start) -> Result<Fusermount, Failure> {
    if rustix::thread::no_new_privs().unwrap_or(false) {
        return Err(Failure::new(
            "programs started from here cannot have more rights (no_new_privs), as fusermount must",
        ));
    }
    if let Some(asked) = start.variable("FUSERMOUNT_PROG").filter(|_| !start.secure) {
        return Ok(Fusermount(asked.into()));
    }
    let path =
        start.variable("PATH").filter(|_| !start.secure).map_or(&b""[..], |path| path.to_bytes());
    let mut without_rights = None;
    for folder in path.split(|byte| *byte == b':').chain(USUAL.split(|byte| *byte == b':')) {
        if !folder.starts_with(b"/") {
            continue;
        }
        for name in ["/fusermount3", "/fusermount"] {
            let program = [folder, name.as_bytes()].concat();
            let Ok(status) = rustix::fs::statat(CWD, &program[..], AtFlags::empty()) else {
                continue;
            };
            if status.st_uid == 0 && status.st_mode & SET_USER != 0 {
                return CString::new(program)
                    .map(Fusermount)
                    .map_err(|_| Failure::new("`PATH` has a zero in it"));
            }
            without_rights = Some(program);
        }
    }
    Err(match without_rights {
        Some(program) => Failure::new(format!("`{}` is not set-user-ID root", shown(&program))),
        None => Failure::new("there is no fusermount"),
    })
}

/// Mounts on a directory; gives the device.
pub fn mount(program: &Fusermount, directory: &[u8], name: &[u8]) -> Result<OwnedFd, Failure> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .doing("make a socket")?;
    // A comma in the name would end it.
    let name: Vec<u8> =
        name.iter().map(|byte| if b",\\".contains(byte) { b'_' } else { *byte }).collect();
    let options =
        [&b"ro,nosuid,nodev,default_permissions,subtype=appimage,fsname="[..], &name].concat();
    let arguments = [&b"-o"[..], &options, b"--", directory];
    let (code, said) = run(program, &arguments, Some(&theirs))?;
    drop(theirs);
    if code != Some(0) {
        let said = said.trim();
        return Err(Failure::new(format!("`{}` failed: {said}", shown(program.0.as_bytes()))));
    }
    receive(&ours).doing("take the device from fusermount")
}

/// Unmounts, unless somebody uses it; whether it did.
pub fn unmount(program: &Fusermount, directory: &[u8]) -> bool {
    run(program, &[b"-u", b"--", directory], None).is_ok_and(|(code, _)| code == Some(0))
}

fn receive(socket: &OwnedFd) -> Result<OwnedFd, Errno> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut messages = RecvAncillaryBuffer::new(&mut space);
    loop {
        match rustix::net::recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut byte)],
            &mut messages,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(Errno::INTR) => {}
            received => break received.map(drop)?,
        }
    }
    let fds = messages.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fds.ok_or(Errno::NODEV)
}

/// Runs the program to its end; gives its exit code and what it said on standard error.
fn run(
    program: &Fusermount,
    arguments: &[&[u8]],
    socket: Option<&OwnedFd>,
) -> Result<(Option<i32>, String), Failure> {
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing("make a pipe")?;
    let owned: Vec<CString> =
        arguments.iter().filter_map(|argument| CString::new(*argument).ok()).collect();
    let mut arguments: Vec<&CStr> = vec![&program.0];
    arguments.extend(owned.iter().map(CString::as_c_str));
    // The socket's number is told in the environment; a copy of it goes along.
    let passed = match socket {
        Some(socket) => Some(
            rustix::io::fcntl_dupfd_cloexec(socket, 3)
                .and_then(|fd| {
                    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty()).map(|()| fd)
                })
                .doing("pass a socket")?,
        ),
        None => None,
    };
    let socket_variable = passed.as_ref().map(|fd| format!("_FUSE_COMMFD={}", fd.as_raw_fd()));
    let socket_variable = socket_variable.and_then(|text| CString::new(text).ok());
    let environment: Vec<&CStr> = [c"PATH=/usr/bin:/bin:/usr/sbin:/sbin"]
        .into_iter()
        .chain(socket_variable.as_deref())
        .collect();
    // SAFETY: this program has one thread until its server starts others.
    match unsafe { fork() }.doing("start fusermount")? {
        Forked::Child => {
            let null = rustix::fs::open(c"/dev/null", OFlags::RDWR, Mode::empty());
            for (number, fd) in
                [(0, null.as_ref().ok()), (1, null.as_ref().ok()), (2, Some(&write))]
            {
                // SAFETY: standard descriptors of a process that becomes another program.
                let mut target = unsafe {
                    core::mem::ManuallyDrop::new(rustix::fd::FromRawFd::from_raw_fd(number))
                };
                if let Some(fd) = fd {
                    let _ = rustix::io::dup2(fd, &mut target);
                }
            }
            // Signals that our watcher is deaf to are this program's business.
            let _ = crate::process::restore(rustix::process::Signal::PIPE);
            execve(&program.0, &arguments, &environment);
            exit_group(127)
        }
        Forked::Parent(child) => {
            drop((write, passed));
            let said = read_all(read.as_fd());
            let status = loop {
                match rustix::process::waitpid(Some(child), WaitOptions::empty()) {
                    Err(Errno::INTR) => {}
                    waited => break waited.doing("wait for fusermount")?,
                }
            };
            Ok((status.and_then(|(_, status)| status.exit_status()), shown(&said)))
        }
    }
}

fn read_all(fd: BorrowedFd<'_>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 512];
    loop {
        match rustix::io::read(fd, &mut buffer) {
            Err(Errno::INTR) => {}
            Ok(read) if read > 0 && all.len() < 4096 => {
                all.extend_from_slice(buffer.get(..read).unwrap_or_default());
            }
            _ => return all,
        }
    }
}
