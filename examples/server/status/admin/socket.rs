//! Closing tunnels over a Unix socket: who may connect to it may do so.

use std::{path::PathBuf, sync::Arc};

use hyper::{Method, Request, StatusCode, body::Incoming};
use tokio::{net::UnixListener, task::JoinSet};
use tower_socks::{BoxError, layer::track::OpenTunnels};

use super::{
    close::{Close, close},
    settings::Admin,
};
use crate::{
    listen::{self, Mode, SocketFile},
    status::site::{self, Answer, Peer, Site, json, text},
};

/// What is asked for there.
pub(crate) const PATH: &str = "/close";

/// The socket of `[admin]`, if there is one. Dropping it closes it, and takes its file away.
#[derive(Debug, Default)]
pub(crate) struct ControlServer {
    stated: Option<(PathBuf, Mode)>,
    file: Option<SocketFile>,
    listener: Option<UnixListener>,
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
            let bound = listen::unix_socket(path, *mode)
                .and_then(|(listener, file)| Ok((UnixListener::from_std(listener)?, file)));
            let (listener, file) = bound.map_err(|error| {
                let path = path.to_string_lossy();
                format!(
                    "admin, socket: cannot listen on {}: {error}",
                    path.escape_debug()
                )
            })?;
            control.listener = Some(listener);
            control.file = Some(file);
        }
        control.stated = stated;
        Ok(Some(control))
    }

    /// Serves it.
    pub(crate) fn start(&mut self, open: &OpenTunnels) {
        if let Some(listener) = self.listener.take() {
            let control = Arc::new(Control(open.clone()));
            self.task.spawn(site::serve(listener, control));
        }
    }
}

struct Control(OpenTunnels);

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
            Ok(what) => json(&close(&self.0, &what, peer)),
            Err(answer) => answer,
        }
    }
}
