//! Servers, which are dropped with sessions in them.

use std::{
    future::{IntoFuture, poll_fn},
    net::SocketAddr,
};

use tower::Layer;
use tower_socks::{AuthLayer, HandshakeLayer, serve, server::Listener, session::Accepted};

use super::{
    cases::{CONNECT, LOGIN, in_memory, joe, says},
    drops::{Case, Held, at_every_poll, held},
};

/// Connections from within the process, until there are no more.
struct InMemory(Vec<Held>);

impl Listener for InMemory {
    type Io = Held;

    async fn accept(&mut self, nowhere: SocketAddr) -> std::io::Result<Accepted<Held>> {
        match self.0.pop() {
            Some(io) => Ok(Accepted::new(io, nowhere, nowhere)),
            None => std::future::pending().await,
        }
    }
}

#[test]
fn servers() {
    for drains in [false, true] {
        at_every_poll("serve", 25, async || {
            let ends = (0..3).map(|_| held());
            let (near, far): (Vec<_>, Vec<_>) = ends.map(|(near, far, _)| (near, far)).unzip();
            let stack = HandshakeLayer::new().layer(AuthLayer::new(joe()).layer(in_memory()));
            let signal = async {
                for _ in 0..40 {
                    tokio::task::yield_now().await;
                }
            };
            let mut server = serve(InMemory(near), stack).with_graceful_shutdown(signal);
            if drains {
                // Its sessions have all the time that they want.
                server = server.drain_until(std::future::pending());
            }
            // It runs as a task of its own: polled at each turn, it is dropped in the middle of them all.
            let mut server = server.into_future();
            let server = poll_fn(move |cx| {
                let outcome = server.as_mut().poll(cx);
                cx.waker().wake_by_ref();
                outcome
            });
            let mut case = Case::new(server);
            for end in far {
                let said = [LOGIN, CONNECT, b"to and fro"].concat();
                case = case.far(async move { says(end, &said).await });
            }
            case
        });
    }
}
