//! Where the script is asked for.

use std::sync::Arc;

use hyper::{Method, Request, StatusCode, body::Incoming};
use tokio::sync::watch;

use crate::{
    settings::Fixed,
    status::site::{Answer, Peer, Site, response, text},
};

/// The script, which is that of the settings in force.
#[derive(Clone, Debug)]
pub(crate) struct Scripts(watch::Receiver<Arc<Fixed>>);

impl Scripts {
    pub(crate) const fn new(in_force: watch::Receiver<Arc<Fixed>>) -> Self {
        Self(in_force)
    }

    /// Returns the answer at a path, if it is one for the script, and there is one.
    pub(in crate::status) fn at(&self, path: &str) -> Option<Answer> {
        let script = self.0.borrow().script.clone();
        let script = script.filter(|_| matches!(path, "/proxy.pac" | "/wpad.dat"))?;
        let kind = "application/x-ns-proxy-autoconfig";
        Some(response(StatusCode::OK, kind, script.as_bytes().to_vec()))
    }
}

impl Site for Scripts {
    const NAME: &'static str = "pac";

    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: Peer) -> Answer {
        let Some(answer) = self.at(request.uri().path()) else {
            return text(StatusCode::NOT_FOUND, "there is /proxy.pac\n");
        };
        match *request.method() {
            Method::GET | Method::HEAD => answer,
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "only GET is known here\n"),
        }
    }
}
