//! SIGUSR2: the program is started anew, as a child of this process.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::channel::Channel;

/// Says to a new process that its standard input is the stream to the one that serves.
const MARK: &str = "TOWER_SOCKS_UPGRADE";

/// Whether this process was started so.
pub(super) fn is_child() -> bool {
    std::env::var_os(MARK).is_some_and(|mark| mark == "stdin")
}

/// Starts the program that has the name that this one was started by, with the same flags: what is installed there by now.
pub(super) fn start() -> io::Result<(Child, Channel)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut arguments = std::env::args_os();
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let program: OsString = arguments.next().ok_or_else(missing)?;
    let mut command = Command::new(program);
    command.args(arguments).env(MARK, "stdin");
    // These are about sockets that this process has.
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
        command.env_remove(name);
    }
    let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
    Ok((child, Channel::new(ours)?))
}

/// Ends a process that is not to serve. It has a moment to say why it did not get there.
pub(super) fn end(child: &mut Child) {
    for _ in 0..100 {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Ok(Some(_)) => return,
            Err(_) => break,
        }
    }
    _ = child.kill();
    _ = child.wait();
}
