use std::future::pending;

use tokio::sync::watch;

/// Tells when a server drains: connections that wait for another request end then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draining(Option<watch::Receiver<bool>>);

impl Draining {
    /// Creates one for each connection, and what begins the drain.
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (begin, begun) = watch::channel(false);
        (begin, Self(Some(begun)))
    }

    /// Whether the server drains.
    pub(crate) fn is_begun(&self) -> bool {
        self.0.as_ref().is_some_and(|begun| *begun.borrow())
    }

    /// Waits until the server drains.
    #[cfg_attr(not(feature = "http-server"), expect(dead_code, reason = "of HTTP"))]
    pub(crate) async fn begun(&mut self) {
        if let Some(begun) = &mut self.0
            && begun.wait_for(|begun| *begun).await.is_ok()
        {
            return;
        }
        // There is no server, or it is gone.
        pending().await
    }
}
