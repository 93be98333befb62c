//! Unix sockets: bound without a moment in which others may connect, and taken away at the end.

use std::{
    fs::{self, Metadata, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Type};

use super::stated::Mode;

/// The file of a Unix socket. It goes with this, unless somebody has put another one in its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

impl SocketFile {
    /// Takes over the file of a socket that another process has made, if it is there.
    pub(crate) fn adopt(path: &Path) -> Option<Self> {
        let file = fs::symlink_metadata(path).ok()?;
        file.file_type().is_socket().then(|| Self {
            path: path.to_owned(),
            identity: identity(&file),
        })
    }

    /// Leaves it where it is: another process has the socket.
    pub(crate) fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| identity(&file) == self.identity) {
            _ = fs::remove_file(&self.path);
        }
    }
}

/// What tells a file from another one that has its name later.
type Identity = (u64, u64, i64, i64);

fn identity(file: &Metadata) -> Identity {
    (file.dev(), file.ino(), file.ctime(), file.ctime_nsec())
}

/// Listens on `path`.
///
/// # Errors
///
/// Something is there that is no socket, or a socket at which somebody listens.
pub(crate) fn listen(path: &Path, mode: Mode) -> io::Result<(UnixListener, SocketFile)> {
    remove_stale(path)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Until `listen`, nobody can connect: the file has its permissions first.
    let file = fs::set_permissions(path, Permissions::from_mode(mode.0))
        .and_then(|()| fs::symlink_metadata(path))
        .inspect_err(|_| _ = fs::remove_file(path))?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(&file),
    };
    socket.listen(1024)?;
    Ok((socket.into(), file))
}

/// Removes the file of a server that has ended without doing so.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let problem = "something is there that is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
    }
    match connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // One whose queue is full is not ready for more.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
        Ok(()) | Err(_) => {
            let problem = "another server listens there";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, problem));
        }
    }
    // What another server has put there meanwhile stays.
    match fs::symlink_metadata(path) {
        Ok(now) if identity(&now) == identity(&found) => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// Looks whether somebody listens, without waiting until that one accepts.
fn connect(path: &Path) -> io::Result<()> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}
