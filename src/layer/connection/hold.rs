//! The life of a connection, and its span.

use std::{fmt, future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::{Instrument, Span, field::Empty};

#[cfg(feature = "http-server")]
use super::log::report;
use super::{
    lines::{Lines, Party, TARGET},
    log::{Of, Unended},
};
use crate::{
    error::{BoxError, SessionError, Step},
    io::ClientStream,
    relay::Traffic,
    session::{Accepted, Protocol, Request, Tunnel, record::Recording},
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
        upstream = Empty,
    )
}

/// Executes one of several requests of a connection inside its own span, and logs how it ended.
#[cfg(feature = "http-server")]
///
/// `work` tells whether the request goes on as the tunnel of the connection: then its record does as well. It is in a box
/// of its own: between two requests a connection has no room for it.
pub(crate) async fn execute<F>(
    lines: &Lines,
    span: Span,
    recording: Option<Recording>,
    work: Pin<Box<F>>,
) -> Result<Traffic, SessionError>
where
    F: Future<Output = (Party, Result<Traffic, SessionError>, bool)>,
{
    async move {
        let mut unended = Unended::new(Of::Request, Instant::now(), recording);
        unended.relays = true;
        let (party, outcome, goes_on) = work.await;
        if goes_on {
            unended.recording = None;
        }
        unended.ended(outcome.as_ref(), lines, party);
        outcome
    }
    .instrument(span)
    .await
}

/// Logs an attempt to log in that failed, on a connection that goes on.
#[cfg(feature = "http-server")]
pub(crate) fn login_failed(
    lines: &Lines,
    error: &SessionError,
    began: Instant,
    party: Party,
    recording: Option<&Recording>,
) {
    report(Of::Login, Err(error), began, lines, party);
    if let Some(recording) = recording {
        recording.login_failed(error, began);
    }
}

/// The limit of a deadline that would be beyond what a clock can tell.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// Returns when a limit is over that runs from `started`.
pub(crate) fn deadline(started: Instant, limit: Duration) -> Instant {
    started.checked_add(limit).unwrap_or_else(|| started + FAR)
}

/// Creates the span of a session.
pub(crate) fn span(
    protocol: impl fmt::Display,
    peer: SocketAddr,
    recording: Option<&Recording>,
) -> Span {
    let session = recording.map(|recording| tracing::field::display(recording.id()));
    tracing::info_span!(
        target: TARGET,
        "session",
        %peer,
        %protocol,
        session,
        user = Empty,
        command = Empty,
        target = Empty,
        upstream = Empty,
    )
}

/// Records in the span of a session what its client asks for, and who that is.
pub(crate) fn record(span: &Span, request: &Request) {
    // At once: a subscriber that formats does so at each call.
    tracing::record_all!(
        span,
        user = %request.identity,
        command = %request.command,
        target = %request.target,
    );
    asks(request);
}

/// Notes in the record of a connection, if it has one, what its client asks for.
pub(crate) fn asks(request: &Request) {
    if let Some(recording) = Recording::of(&request.extensions) {
        recording.asks(request);
    }
}

/// Returns the record of a connection, if it has one, and notes the protocol in it.
pub(crate) fn recording<Io>(accepted: &Accepted<Io>, protocol: Protocol) -> Option<Recording> {
    let recording = Recording::of(&accepted.extensions).cloned();
    recording.inspect(|recording| recording.speaks(protocol))
}

/// Holds a connection until what comes before its protocol is done, and logs how it ended where that fails.
#[cfg(feature = "tls")]
pub(crate) async fn before<T>(
    lines: &Lines,
    peer: SocketAddr,
    recording: Option<Recording>,
    opening: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, BoxError> {
    let span = tracing::info_span!(target: TARGET, "session", %peer);
    async {
        let mut unended = Unended::new(Of::Session, Instant::now(), recording);
        match opening.await {
            Ok(opened) => {
                unended.end();
                Ok(opened)
            }
            Err(error) => {
                unended.ended(Err(&error), lines, Party::stranger(peer));
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
    recording: Option<Recording>,
    opening: Pin<Box<F>>,
) -> impl Future<Output = Result<Traffic, BoxError>> + Send + 'static
where
    T: Tunnel + 'static,
    W: ClientStream,
    O: Into<Opened<T, W>> + Send + 'static,
    F: Future<Output = (Party, Result<O, SessionError>)> + Send + 'static,
{
    // Out here, or the future would have room for the record of its own beside it.
    let mut unended = Unended::to_come(Of::Session, recording);
    async move {
        unended.begin();
        let (party, opened) = opening.await;
        // No `await` in here: an idle tunnel would keep room for what it was made of.
        let running = match opened.map(Into::into) {
            Ok(Opened::Tunnel(tunnel, client)) => tunnel.run(client),
            Ok(Opened::Over(traffic)) => {
                unended.over(traffic, &lines);
                return Ok(traffic);
            }
            Err(error) => {
                unended.ended(Err(&error), &lines, party);
                return Err(error.into());
            }
        };
        unended.relays = true;
        let outcome = running.await;
        let outcome = outcome.map_err(|error| SessionError::new(Step::Relay, error));
        unended.ended(outcome.as_ref(), &lines, party);
        outcome.map_err(Into::into)
    }
    .instrument(span)
}

/// Holds a connection that nothing is served to until it is closed, and logs why.
pub(super) fn hold_closing(
    lines: Arc<Lines>,
    span: Span,
    recording: Option<Recording>,
    party: Party,
    closing: impl Future<Output = SessionError> + Send,
) -> impl Future<Output = Result<Traffic, BoxError>> + Send {
    async move {
        let mut unended = Unended::new(Of::Session, Instant::now(), recording);
        let error = closing.await;
        unended.ended(Err(&error), &lines, party);
        Err(error.into())
    }
    .instrument(span)
}
