//! Closing tunnels over a Unix socket: who may connect to it may do so.

use std::sync::Arc;

use hyper::{Method, Request, StatusCode, body::Incoming};
use tokio::net::UnixListener;
use tower_socks::{BoxError, layer::track::OpenTunnels};

use super::{
    close::{Close, close},
    settings::Admin,
};
use crate::{
    listen::{self, SocketFile},
    status::site::{self, Answer, Peer, Site, json, text},
};

/// What is asked for there.
pub(crate) const PATH: &str = "/close";

/// The socket, before it is served.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
}

impl Admin {
    /// Listens on the socket, if there is to be one.
    ///
    /// # Errors
    ///
    /// The path is taken, or cannot be written.
    pub(crate) fn bind(&self) -> Result<Option<ControlSocket>, BoxError> {
        let Some(path) = &self.socket else {
            return Ok(None);
        };
        let (listener, file) = listen::unix_socket(path, self.mode).map_err(|error| {
            let path = path.to_string_lossy();
            format!(
                "admin, socket: cannot listen on {}: {error}",
                path.escape_debug()
            )
        })?;
        Ok(Some(ControlSocket { listener, file }))
    }
}

impl ControlSocket {
    /// Serves it in a task. The file goes with what is returned.
    pub(crate) fn serve(self, open: OpenTunnels) -> SocketFile {
        tokio::spawn(site::serve(self.listener, Arc::new(Control(open))));
        self.file
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
