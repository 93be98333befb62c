//! A connection's first octet, and who serves it by that.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::Either};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout_at,
};

use super::protocols::Protocols;
#[cfg(feature = "http-server")]
use crate::layer::http;
use crate::{
    error::{BoxError, ForeignProtocol},
    io::{PrefixedStream, ReadError},
    layer::{
        connection::{Lines, Seen, deadline, turn_away},
        handshake, socks4,
    },
    relay::Traffic,
    session::{Accepted, CloneService, Dial, Identify, Negotiate},
};

/// Serves a connection to its end, and logs how it ended.
///
/// The session takes the place of the wait for the first octet in the same future, which holds the stack for
/// as long as that takes and not beside the session.
pub(super) fn serve<M, Io>(
    protocols: Arc<Protocols>,
    lines: Arc<Lines>,
    negotiator: M,
    accepted: Accepted<PrefixedStream<Io>>,
) -> impl Future<Output = Result<Traffic, BoxError>> + Send + 'static
where
    M: Negotiate<PrefixedStream<Io>, Service: Dial<Future: Send> + Send, Future: Send>
        + Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    look(accepted, protocols.longest())
        .then(move |(accepted, seen)| hand_over(&protocols, lines, negotiator, accepted, seen))
}

/// Waits for the first octet, and leaves it in the stream.
async fn look<Io>(
    mut accepted: Accepted<PrefixedStream<Io>>,
    limit: Duration,
) -> (Accepted<PrefixedStream<Io>>, Seen)
where
    Io: AsyncRead + Unpin,
{
    let limit = deadline(accepted.started(), limit);
    let seen = match timeout_at(limit, accepted.io.peek(1)).await {
        Ok(Ok(octets)) => match ForeignProtocol::of(octets) {
            Some(protocol) => Seen::LooksLike(protocol),
            None => Seen::Nothing(ReadError::Closed.into()),
        },
        Ok(Err(error)) => Seen::Nothing(ReadError::Io(error).into()),
        Err(elapsed) => Seen::Nothing(elapsed.into()),
    };
    (accepted, seen)
}

/// Calls the protocol that the client speaks, where it is served.
fn hand_over<M, Io>(
    protocols: &Protocols,
    lines: Arc<Lines>,
    negotiator: M,
    mut accepted: Accepted<PrefixedStream<Io>>,
    seen: Seen,
) -> impl Future<Output = Result<Traffic, BoxError>> + Send + use<M, Io>
where
    M: Negotiate<PrefixedStream<Io>, Service: Dial<Future: Send> + Send, Future: Send>
        + Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let looks_like = match seen {
        Seen::LooksLike(protocol) => Some(protocol),
        Seen::Nothing(_) => None,
    };
    if let (Some(ForeignProtocol::Socks5), Some(layer)) = (looks_like, &protocols.socks5) {
        let config = layer.config().clone();
        return Either::Left(handshake::serve(config, lines, negotiator, accepted));
    }
    if let (Some(ForeignProtocol::Socks4), Some(layer)) = (looks_like, &protocols.socks4) {
        let session = socks4::serve(layer.config(), lines, negotiator, accepted);
        return Either::Right(Either::Left(session));
    }
    #[cfg(feature = "http-server")]
    if let (Some(ForeignProtocol::Http), Some(layer)) = (looks_like, &protocols.http) {
        let session = http::serve(layer.config(), lines, negotiator, accepted);
        return Either::Right(Either::Right(Either::Left(session)));
    }
    let limit = deadline(accepted.started(), protocols.longest());
    let served = protocols.served().collect();
    let session = Box::pin(turn_away(lines, served, accepted, seen, limit));
    #[cfg(feature = "http-server")]
    let session = Either::Right(session);
    Either::Right(Either::Right(session))
}
