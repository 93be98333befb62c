//! Closing tunnels over a Unix socket: who may connect to it may do so.

use std::{io, os::unix::net::UnixListener, path::PathBuf, sync::Arc};

use hyper::{Method, Request, StatusCode, body::Incoming};
use tokio::task::JoinSet;
use tower_socks::BoxError;

use super::{
    close::{Close, Closer},
    settings::Admin,
};
use crate::{
    listen::{self, Mode, SocketFile},
    status::site::{self, Answer, Peer, Site, text},
    upgrade::{Handed, Role, Taken},
};

/// What is asked for there.
pub(crate) const PATH: &str = "/close";

/// The socket of `[admin]`, if there is one. Dropping it closes it, and takes its file away.
#[derive(Debug, Default)]
pub(crate) struct ControlServer {
    stated: Option<(PathBuf, Mode)>,
    file: Option<SocketFile>,
    socket: Option<UnixListener>,
    task: JoinSet<()>,
}

impl ControlServer {
    /// Listens where the file says now; `None`, if that is as before.
    ///
    /// # Errors
    ///
    /// The path is taken, or cannot be written.
    pub(crate) fn at(&self, admin: Option<&Admin>) -> Result<Option<Self>, BoxError> {
        let stated = admin.and_then(|admin| Some((admin.socket.clone()?, admin.mode)));
        if stated == self.stated {
            return Ok(None);
        }
        let mut control = Self::default();
        if let Some((path, mode)) = &stated {
            let (socket, file) = listen::unix_socket(path, *mode).map_err(|error| {
                let path = path.to_string_lossy();
                format!(
                    "admin, socket: cannot listen on {}: {error}",
                    path.escape_debug()
                )
            })?;
            control.socket = Some(socket);
            control.file = Some(file);
        }
        control.stated = stated;
        Ok(Some(control))
    }

    /// Takes the socket that another process has given away, if it is where the file says.
    pub(crate) fn taken(admin: Option<&Admin>, taken: Option<&mut Taken>) -> Option<Self> {
        let (admin, taken) = admin.zip(taken)?;
        let path = admin.socket.clone()?;
        let socket = taken.admin(&path)?;
        Some(Self {
            stated: Some((path, admin.mode)),
            socket: Some(socket.into()),
            ..Self::default()
        })
    }

    /// A duplicate for another process.
    pub(crate) fn give(&self) -> io::Result<Option<Handed>> {
        let Some(((path, _), socket)) = self.stated.as_ref().zip(self.socket.as_ref()) else {
            return Ok(None);
        };
        Ok(Some(Handed {
            role: Role::Admin { path: path.clone() },
            socket: socket.try_clone()?.into(),
        }))
    }

    /// Leaves the file to the process that has the socket.
    pub(crate) fn leave_file(&mut self) {
        if let Some(file) = self.file.take() {
            file.leave();
        }
    }

    /// Takes over the file, which another process has left.
    pub(crate) fn adopt_file(&mut self) {
        if let (Some((path, _)), None) = (&self.stated, &self.file) {
            self.file = SocketFile::adopt(path);
        }
    }

    /// Serves it.
    ///
    /// # Errors
    ///
    /// Descriptors have run out.
    pub(crate) fn start(&mut self, closer: Closer) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            let listener = tokio::net::UnixListener::from_std(socket.try_clone()?)?;
            let control = Arc::new(Control(closer));
            self.task.spawn(site::serve(listener, control));
        }
        Ok(())
    }
}

struct Control(Closer);

impl Site for Control {
    const NAME: &'static str = "admin";

    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Answer {
        if request.uri().path() != PATH {
            return text(StatusCode::NOT_FOUND, "there is /close\n");
        }
        if *request.method() != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only POST is known here\n");
        }
        match site::body::<Close>(request).await {
            Ok(what) => self.0.answer(&what, peer).await,
            Err(answer) => answer,
        }
    }
}
