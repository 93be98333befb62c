//! What a connection becomes: the tunnel of CONNECT, or that of a request which changed to another protocol.

use std::{future::Future, io, pin::pin, task::Poll, time::Duration};

use futures_util::future::Either;

use super::{exchange::Running, pipe::Near};
use crate::{
    io::{ClientStream, PrefixedStream},
    proto::Address,
    relay::{Relay, Traffic},
    session::Tunnel,
};

/// The relay in front of a tunnel waits as long as the tunnel does, which has limits.
const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// The tunnel behind a response.
pub(super) enum HttpTunnel<T> {
    /// Of CONNECT.
    Connect(T),
    /// Of a request: it runs already, between the origin and this stream.
    Upgraded(Box<(Running, PrefixedStream<Near>)>),
}

impl<T: Tunnel> Tunnel for HttpTunnel<T> {
    fn bound(&self) -> Address {
        match self {
            Self::Connect(tunnel) => tunnel.bound(),
            Self::Upgraded(_) => Address::UNSPECIFIED,
        }
    }

    // No `async fn`: it would keep room for the tunnel and the client beside the relay that they have become.
    fn run<W: ClientStream>(self, client: W) -> impl Future<Output = io::Result<Traffic>> + Send {
        match self {
            Self::Connect(tunnel) => Either::Left(tunnel.run(client)),
            // In a box: the other one is what there are thousands of.
            Self::Upgraded(parts) => Either::Right(Box::pin(relay(*parts, client))),
        }
    }
}

/// Copies between the client and the near end of the tunnel until the tunnel ends.
async fn relay<W: ClientStream>(
    (tunnel, near): (Running, PrefixedStream<Near>),
    client: W,
) -> io::Result<Traffic> {
    let relay = Relay::new().idle_timeout(NEVER).half_close_timeout(NEVER);
    let mut relay = pin!(relay.run(client, near));
    let mut tunnel = tunnel;
    let mut copied = None;
    let mut ended = None;
    std::future::poll_fn(|cx| {
        if copied.is_none()
            && let Poll::Ready(outcome) = relay.as_mut().poll(cx)
        {
            copied = Some(outcome);
        }
        if ended.is_none()
            && let Poll::Ready(outcome) = tunnel.as_mut().poll(cx)
        {
            ended = Some(outcome);
        }
        match (&copied, &ended) {
            // The client is gone, or the tunnel is cut: the other one is of no use.
            (Some(Err(_)), _) | (_, Some(Err(_))) | (Some(_), Some(_)) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    })
    .await;
    match (copied, ended) {
        (_, Some(outcome)) => outcome,
        (Some(outcome), None) => outcome,
        (None, None) => Ok(Traffic::default()),
    }
}
