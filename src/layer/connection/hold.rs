//! The life of a connection, and its span.

use std::{fmt, future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::{Instrument, Span, field::Empty};

use super::{
    lines::{Lines, Party, TARGET},
    log::{Of, Unended, over, report},
};
use crate::{
    error::{BoxError, SessionError, Step},
    io::ClientStream,
    relay::Traffic,
    session::{Request, Tunnel},
};

/// Creates the span of one of several requests of a connection. Of a method that anybody has invented it says no
/// more.
#[cfg(feature = "http-server")]
pub(crate) fn request_span(method: &str) -> Span {
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    let method = known.into_iter().find(|known| *known == method);
    tracing::info_span!(
        target: TARGET,
        "request",
        method = method.unwrap_or("other"),
        user = Empty,
        target = Empty,
    )
}

/// Executes one of several requests of a connection inside its own span, and logs how it ended.
#[cfg(feature = "http-server")]
pub(crate) async fn execute<F>(lines: &Lines, span: Span, work: F) -> Result<Traffic, SessionError>
where
    F: Future<Output = (Party, Result<Traffic, SessionError>)>,
{
    async move {
        let mut unended = Unended::new(Of::Request, Instant::now());
        unended.relays = true;
        let (party, outcome) = work.await;
        report(Of::Request, outcome.as_ref(), unended.end(), lines, party);
        outcome
    }
    .instrument(span)
    .await
}

/// Logs an attempt to log in that failed, on a connection that goes on.
#[cfg(feature = "http-server")]
pub(crate) fn login_failed(lines: &Lines, error: &SessionError, began: Instant, party: Party) {
    report(Of::Login, Err(error), began, lines, party);
}

/// The limit of a deadline that would be beyond what a clock can tell.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// Returns when a limit is over that runs from `started`.
pub(crate) fn deadline(started: Instant, limit: Duration) -> Instant {
    started.checked_add(limit).unwrap_or_else(|| started + FAR)
}

/// Creates the span of a session.
pub(crate) fn span(protocol: impl fmt::Display, peer: SocketAddr) -> Span {
    tracing::info_span!(
        target: TARGET,
        "session",
        %peer,
        %protocol,
        user = Empty,
        command = Empty,
        target = Empty,
    )
}

/// Records in the span of a session what its client asks for, and who that is.
pub(crate) fn record(span: &Span, request: &Request) {
    span.record("user", tracing::field::display(&request.identity));
    span.record("command", tracing::field::display(request.command));
    span.record("target", tracing::field::display(&request.target));
}

/// Holds a connection until what comes before its protocol is done, and logs how it ended where that fails.
#[cfg(feature = "tls")]
pub(crate) async fn before<T>(
    lines: &Lines,
    peer: SocketAddr,
    opening: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, BoxError> {
    let span = tracing::info_span!(target: TARGET, "session", %peer);
    async {
        let mut unended = Unended::new(Of::Session, Instant::now());
        let opened = opening.await;
        let started = unended.end();
        match opened {
            Ok(opened) => Ok(opened),
            Err(error) => {
                report(
                    Of::Session,
                    Err(&error),
                    started,
                    lines,
                    Party::stranger(peer),
                );
                Err(error.into())
            }
        }
    }
    .instrument(span)
    .await
}

/// What a connection has come to, once its protocol has nothing more to say.
pub(crate) enum Opened<T, W> {
    /// The reply is out: the tunnel moves the bytes of the client.
    Tunnel(T, W),
    /// The connection is over, and no tunnel has become of it. What its requests moved had lines of its own.
    #[cfg_attr(not(feature = "http-server"), expect(dead_code, reason = "of HTTP"))]
    Over(Traffic),
}

impl<T, W> From<(T, W)> for Opened<T, W> {
    fn from((tunnel, client): (T, W)) -> Self {
        Self::Tunnel(tunnel, client)
    }
}

/// Holds a connection until its session ends, and logs how it ended.
///
/// `opening` is everything up to the reply. It is in a box of its own, which is gone when the relay starts: an
/// idle tunnel keeps nothing of it.
pub(crate) fn hold<T, W, O, F>(
    lines: Arc<Lines>,
    span: Span,
    opening: Pin<Box<F>>,
) -> impl Future<Output = Result<Traffic, BoxError>> + Send + 'static
where
    T: Tunnel + 'static,
    W: ClientStream,
    O: Into<Opened<T, W>> + Send + 'static,
    F: Future<Output = (Party, Result<O, SessionError>)> + Send + 'static,
{
    async move {
        let mut unended = Unended::new(Of::Session, Instant::now());
        let (party, opened) = opening.await;
        let outcome = match opened.map(Into::into) {
            Ok(Opened::Tunnel(tunnel, client)) => {
                unended.relays = true;
                let outcome = tunnel.run(client).await;
                outcome.map_err(|error| SessionError::new(Step::Relay, error))
            }
            Ok(Opened::Over(traffic)) => {
                over(traffic, unended.end(), &lines);
                return Ok(traffic);
            }
            Err(error) => Err(error),
        };
        report(Of::Session, outcome.as_ref(), unended.end(), &lines, party);
        outcome.map_err(Into::into)
    }
    .instrument(span)
}

/// Holds a connection that nothing is served to until it is closed, and logs why.
pub(super) fn hold_closing(
    lines: Arc<Lines>,
    span: Span,
    party: Party,
    closing: impl Future<Output = SessionError> + Send,
) -> impl Future<Output = Result<Traffic, BoxError>> + Send {
    async move {
        let mut unended = Unended::new(Of::Session, Instant::now());
        let error = closing.await;
        report(Of::Session, Err(&error), unended.end(), &lines, party);
        Err(error.into())
    }
    .instrument(span)
}
