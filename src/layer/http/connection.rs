//! A connection, from the first octet to its end.

use std::{
    future::{Future, poll_fn},
    io,
    sync::Arc,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout_at,
};
use tracing::Span;

use super::{
    client::Client,
    config::Config,
    conversation::Conversation,
    gate::Gate,
    notes::Notes,
    problem::Problem,
    session::{Outcome, Session},
};
use crate::{
    error::{BoxError, SessionError, Step},
    io::PrefixedStream,
    layer::connection::{Lines, Party, deadline, hold, recording, span},
    relay::Traffic,
    session::{Accepted, CloneService, Dial, Identify, Protocol},
};

/// Serves a connection to its end, and logs how it ended.
pub(crate) fn serve<M, Io>(
    config: Config,
    lines: Arc<Lines>,
    negotiator: M,
    accepted: Accepted<PrefixedStream<Io>>,
) -> impl Future<Output = Result<Traffic, BoxError>> + Send + 'static
where
    M: Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let recording = recording(&accepted, Protocol::Http);
    let span = span(Protocol::Http, accepted.peer, recording.as_ref());
    let opening = Box::pin(establish(
        config,
        Arc::clone(&lines),
        negotiator,
        accepted,
        span.clone(),
    ));
    hold(lines, span, recording, opening)
}

/// Serves the requests of a connection up to a tunnel.
async fn establish<M, Io>(
    config: Config,
    lines: Arc<Lines>,
    negotiator: M,
    mut accepted: Accepted<PrefixedStream<Io>>,
    span: Span,
) -> (Party, Outcome<M, Io>)
where
    M: Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = deadline(accepted.started(), config.deadline);
    let draining = accepted.draining();
    let Accepted {
        io,
        peer,
        local,
        extensions,
        ..
    } = accepted;
    let client = Client::new(negotiator, peer, local, extensions);
    let notes = Notes::default();
    let mut gate = Gate::new(io, notes.clone());
    // hyper has buffers of its own: it begins once there is something to read.
    let opened = match timeout_at(limit, poll_fn(|cx| gate.poll_head(cx))).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) if notes.lock().begun => {
            notes.lock().refuse = Some(Problem::TooSlow);
            Ok(())
        }
        Err(elapsed) => Err(BoxError::from(elapsed)),
    };
    if let Err(error) = opened {
        let error = SessionError::new(Step::Request, error);
        return (Party::stranger(peer), Err(error));
    }
    let mut session = Session {
        conversation: Conversation::new(gate, notes),
        client,
        config,
        lines,
        span,
        limit: Some(limit),
        draining,
        traffic: Traffic::default(),
        refused: None,
    };
    let ended = session.run().await;
    let party = session.client.party();
    let outcome = session.end(ended).await;
    (party, outcome)
}
