//! Idle tunnels first, while a server drains.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use tokio::time::{Instant, sleep};

use super::{OpenTunnels, entry::Closing};

/// How often one looks, at the most and at the least.
const OFTEN: Duration = Duration::from_millis(10);
const SELDOM: Duration = Duration::from_secs(1);

impl OpenTunnels {
    /// Closes each tunnel in which no octet of payload moves for `limit`, counted from this call on; those that open
    /// meanwhile as well. For a server that drains: tunnels that wait for something to happen go first, and those
    /// that are busy have the whole [drain limit](crate::server::Serve::drain_limit).
    ///
    /// A BIND that waits for its peer is idle, and so is a tunnel whose receiver takes nothing. A session that is
    /// closed ends with a [`RelayErrorKind::Drained`](crate::relay::RelayErrorKind::Drained), which the log calls
    /// drained; a forwarded request of HTTP that has no response yet has status 503.
    ///
    /// One is closed at most an eighth of `limit` late, and at most a second. Tunnels pay nothing for it: it compares
    /// what they have moved so far, and keeps some 40 octets for each.
    ///
    /// # Cancel safety
    ///
    /// It is never done. Once it is dropped, it closes no more.
    ///
    /// ```
    /// # use std::{future::IntoFuture, time::Duration};
    /// # use tokio::{net::TcpListener, sync::oneshot};
    /// # use tower::ServiceBuilder;
    /// use tower_socks::{layer::track::OpenTunnels, serve};
    /// # use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_socks::BoxError> {
    /// let open = OpenTunnels::new();
    /// # let stack = ServiceBuilder::new()
    /// #     .layer(HandshakeLayer::new())
    /// #     .layer(AuthLayer::new(NoAuth))
    /// #     .layer(open.layer())
    /// #     .service(Connector::direct());
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let (stop, stopped) = oneshot::channel::<()>();
    /// let draining = open.clone();
    /// let server = serve(listener, stack).with_graceful_shutdown(async move {
    ///     let _ = stopped.await;
    ///     tokio::spawn(async move { draining.close_idle(Duration::from_secs(5)).await });
    /// });
    /// # drop(stop);
    /// # server.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close_idle(&self, limit: Duration) -> Infallible {
        let pause = (limit / 8).clamp(OFTEN, SELDOM);
        // What each had moved when it last moved, and when that was.
        let mut seen = HashMap::new();
        loop {
            let now = Instant::now();
            let open = self.entries();
            let mut still = HashMap::with_capacity(open.len());
            for entry in open {
                let moved = entry.traffic();
                let since = match seen.get(&entry.id) {
                    Some(&(before, since)) if before == moved => since,
                    _ => now,
                };
                if now.duration_since(since) >= limit {
                    entry.close(Closing::Drained(limit));
                }
                still.insert(entry.id, (moved, since));
            }
            seen = still;
            sleep(pause).await;
        }
    }
}
