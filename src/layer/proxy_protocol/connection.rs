//! A connection up to what is behind its header.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout_at,
};
use tower::ServiceExt;
use tower_service::Service;

use super::{
    header::{self, HeaderError},
    lines::Lines,
    settings::{Shared, Untrusted},
    waiting::Waits,
};
use crate::{
    error::{BoxError, Refusal, SessionError, Step},
    io::PrefixedStream,
    layer::connection::deadline,
    session::{Accepted, SessionPlace, admit},
};

/// What is to be done with a connection.
pub(super) enum Comes {
    /// A header is required. The number is that of its network.
    WithHeader(usize, Waits),
    /// It is nobody's who may send one, and served as it is.
    Plain,
}

/// Decides what is to be done.
///
/// # Errors
///
/// Why the connection is closed at once.
pub(super) fn comes<Io>(shared: &Shared, accepted: &Accepted<Io>) -> Result<Comes, BoxError> {
    let peer = accepted.peer;
    let Some(number) = shared.settings.senders.position(peer) else {
        return match shared.settings.untrusted {
            Untrusted::Plain => Ok(Comes::Plain),
            Untrusted::Refuse => Err(untrusted(&shared.lines, peer)),
        };
    };
    let waits = shared.waiting.enter(number).ok_or_else(|| too_many(peer))?;
    Ok(Comes::WithHeader(number, waits))
}

/// Closes one that waits for a header, where too many do.
fn too_many(sender: SocketAddr) -> BoxError {
    tracing::debug!(%sender, "closed: too many wait for a PROXY header");
    refused("too many wait for a PROXY header")
}

/// Closes one that is nobody's who may send a header.
fn untrusted(lines: &Lines, peer: SocketAddr) -> BoxError {
    lines.stranger(peer);
    refused("not from a network that sends PROXY headers")
}

/// Reads the header where there is one, counts the connection for its client, and serves it. `None` for one that has
/// nothing to say. The place is to be held until the session ends.
pub(super) async fn open<S, Io>(
    shared: Arc<Shared>,
    inner: S,
    accepted: Accepted<Io>,
    comes: Comes,
) -> Result<Option<(S::Future, Option<SessionPlace>)>, BoxError>
where
    S: Service<Accepted<PrefixedStream<Io>>, Error: Into<BoxError>>,
    Io: AsyncRead + AsyncWrite + Unpin + Send,
{
    let accepted = accepted.map_io(PrefixedStream::new);
    let opened = match comes {
        Comes::WithHeader(number, waits) => behind_header(&shared, accepted, number, waits).await?,
        Comes::Plain => Some((accepted, None)),
    };
    let Some((accepted, place)) = opened else {
        return Ok(None);
    };
    let mut inner = inner;
    let session = inner.ready().await.map_err(Into::into)?.call(accepted);
    Ok(Some((session, place)))
}

type Opened<Io> = Option<(Accepted<PrefixedStream<Io>>, Option<SessionPlace>)>;

async fn behind_header<Io>(
    shared: &Shared,
    mut accepted: Accepted<PrefixedStream<Io>>,
    number: usize,
    waits: Waits,
) -> Result<Opened<Io>, BoxError>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send,
{
    let settings = &shared.settings;
    let sender = accepted.peer;
    let limit = deadline(accepted.started(), settings.deadline);
    let reading = header::read(&mut accepted.io, settings.longest);
    let read = match timeout_at(limit, reading).await {
        Ok(read) => read,
        Err(_) => Err(HeaderError::Late),
    };
    let header = match read {
        Ok(Some(header)) => header,
        Ok(None) => {
            tracing::debug!(%sender, "closed by its peer before a PROXY header");
            return Ok(None);
        }
        Err(error) => {
            let lines = &shared.lines;
            lines.headless(&settings.senders, number, sender, &error);
            return Err(SessionError::new(Step::ProxyHeader, error).into());
        }
    };
    drop(waits);

    if let Some(client) = header.source() {
        accepted.peer = client;
    }
    if let Some(destination) = header.destination()
        && settings.destination_as_local
    {
        accepted.local = destination;
    }
    // The sender's own connection is no client's.
    let client = (!header.is_local()).then(|| accepted.peer.ip());
    accepted.extensions.insert(header);
    let place = match admit(&mut accepted, client).await {
        Ok(place) => place,
        Err(closed) => {
            tracing::debug!(peer = %accepted.peer, %sender, "closed: {closed}");
            return Err(refused(closed.reason()));
        }
    };

    // A check of the port ends here. Who says nothing is left to the deadline of what comes next.
    if accepted.io.buffered().is_empty() {
        let limit = deadline(accepted.started(), settings.deadline);
        if let Ok(Ok(false) | Err(_)) = timeout_at(limit, accepted.io.read_ahead()).await {
            tracing::debug!(peer = %accepted.peer, %sender, "closed by its peer behind the PROXY header");
            return Ok(None);
        }
    }
    Ok(Some((accepted, place)))
}

fn refused(reason: &'static str) -> BoxError {
    SessionError::new(Step::ProxyHeader, Refusal::not_allowed(reason)).into()
}
