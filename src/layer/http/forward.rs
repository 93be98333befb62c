//! A request for a whole URL, forwarded to its origin.

use std::{io, sync::Arc, sync::atomic::Ordering, time::Duration};

use http::{HeaderValue, Request, StatusCode, header::CONNECTION};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::Span;

use super::{
    conversation::{Broken, Reply, Then},
    exchange::Exchange,
    incoming,
    outgoing::{Outgoing, Watch},
    page::Page,
    problem::Problem,
    session::{Ended, Session, TunnelOf},
    tunnel::HttpTunnel,
};
use crate::{
    error::{BoxError, SessionError, Step, find, reply_code},
    layer::connection::{asks, execute, request_span},
    proto::{Address, ReplyCode},
    relay::{RelayError, RelayErrorKind, Traffic, dropped},
    session::{CloneService, Dial, Identify},
};

/// What became of a forwarded request.
struct Forwarded<T> {
    outcome: Result<Traffic, SessionError>,
    /// How the connection ended, if it did.
    ended: Option<Ended<T>>,
}

impl<T> Forwarded<T> {
    /// It failed, which the client has been told of.
    fn told(error: SessionError, ended: Option<Ended<T>>) -> Self {
        Self {
            outcome: Err(error),
            ended,
        }
    }

    /// What the client was sent may take so long to arrive before the connection is cut.
    fn sending(self, patience: Option<Duration>) -> Self {
        Self {
            ended: Some(Ended::Cut(patience)),
            ..self
        }
    }
}

impl<M, Io> Session<M, Io>
where
    M: Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// Forwards a request, which has a span and a log line of its own. Returns how the connection ended, if it did.
    pub(super) async fn forward(
        &mut self,
        request: Request<Incoming>,
        reply: Reply,
        address: Address,
        path: String,
    ) -> Option<Ended<TunnelOf<M>>> {
        let lines = Arc::clone(&self.lines);
        let recording = self.client.recording();
        let span = request_span(request.method().as_str());
        let mut ended = None;
        let work = Box::pin(async {
            let forwarded = self
                .forward_within(&Span::current(), request, reply, address, path)
                .await;
            ended = forwarded.ended;
            let upgraded = matches!(ended, Some(Ended::Tunnel(_)));
            (self.client.party(), forwarded.outcome, upgraded)
        });
        let outcome = execute(&lines, span, recording, work).await;
        self.traffic += match &outcome {
            Ok(traffic) => *traffic,
            Err(error) => find(error).map_or_else(Traffic::default, RelayError::traffic),
        };
        ended
    }

    async fn forward_within(
        &mut self,
        span: &Span,
        request: Request<Incoming>,
        reply: Reply,
        address: Address,
        path: String,
    ) -> Forwarded<TunnelOf<M>> {
        let method = request.method().clone();
        let has_body = !hyper::body::Body::is_end_stream(request.body());
        let pseudonym = Arc::clone(&self.config.pseudonym);
        let notes = self.conversation.notes().clone();
        let recording = self.client.recording();
        // What is sent on may have its `Host` and fields; the record has what was asked for.
        let asked = recording.is_some().then(|| path.clone());
        let outgoing = match Outgoing::new(request, &address, path, &pseudonym, &notes) {
            Ok(outgoing) => outgoing,
            Err(problem) => {
                let error = SessionError::new(Step::Request, problem);
                let ended = self.tell(reply, problem.into(), has_body).await;
                return Forwarded::told(error, ended);
            }
        };
        let dial = match self.prepare(address) {
            Ok((request, service)) => {
                span.record("user", tracing::field::display(&request.identity));
                span.record("target", tracing::field::display(&request.target));
                asks(&request);
                if let (Some(recording), Some(path)) = (&recording, asked) {
                    recording.forwards(method.as_str(), &path);
                }
                self.conversation.during(service.dial(request)).await
            }
            Err(error) => Ok(Err(error)),
        };
        let tunnel = match dial {
            Ok(Ok(tunnel)) => tunnel,
            Ok(Err(error)) => {
                let page = Page::of(&self.config.reply_codes, &*error);
                let ended = self.tell(reply, page, has_body).await;
                return Forwarded::told(SessionError::new(Step::Dial, error), ended);
            }
            Err(broken) => return left(Step::Reply, broken.into()),
        };
        let Outgoing {
            request,
            upgrade,
            watch,
        } = outgoing;
        let begun = Exchange::begin(tunnel, request, upgrade.is_some(), &watch, &notes);
        let (mut exchange, response) = match self.conversation.during(begun).await {
            Ok(begun) => begun,
            Err(broken) => return left(Step::Relay, broken.into()),
        };
        let response = match response {
            Ok(response) => incoming::response(response, &method, upgrade.as_ref(), &pseudonym)
                .map_err(BoxError::from),
            Err(none) => Err(none.into()),
        };
        let mut response = match response {
            Ok(response) => response,
            Err(error) => return self.no_response(reply, exchange, error, &watch).await,
        };
        if let Some(recording) = &recording {
            recording.responded(response.status().as_u16());
        }
        let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if has_body && response.status().is_client_error() {
            // Most likely without having read the body: there is nothing to wait for behind it.
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let patience = self.config.idle;
        let responded = self
            .conversation
            .respond(reply, response, patience, |cx| exchange.poll(cx))
            .await;
        match responded {
            Ok(_) if upgrades => match exchange.into_parts() {
                Some(parts) => Forwarded {
                    outcome: Ok(Traffic::default()),
                    ended: Some(Ended::Tunnel(HttpTunnel::Upgraded(Box::new(parts)))),
                },
                None => left(Step::Relay, io::ErrorKind::UnexpectedEof.into()),
            },
            Ok(then) => {
                let outcome = self.conversation.during(exchange.finish()).await;
                Forwarded {
                    outcome: moved(outcome.ok().flatten()),
                    ended: (then == Then::Over).then_some(Ended::Over),
                }
            }
            Err(broken) => {
                let sends = matches!(broken, Broken::Origin(_)) && !notes.lock().is_cut;
                let patience = sends.then_some(patience);
                // A limit, or the origin: the tunnel knows.
                if let Some(Err(error)) = exchange.outcome() {
                    return left(Step::Relay, error).sending(patience);
                }
                let kind = match broken.is_of_origin() {
                    true => RelayErrorKind::Target,
                    false => RelayErrorKind::Client,
                };
                drop(exchange);
                let traffic = dropped::left().unwrap_or_default();
                let error = RelayError::broken(kind, traffic, broken.into());
                left(Step::Relay, error).sending(patience)
            }
        }
    }

    /// Tells the client why there is no response.
    async fn no_response(
        &mut self,
        reply: Reply,
        mut exchange: Exchange,
        error: BoxError,
        watch: &Watch,
    ) -> Forwarded<TunnelOf<M>> {
        if watch.malformed.load(Ordering::Relaxed) {
            let problem = Problem::Malformed("a body that ends early, or chunks that are none");
            let error = SessionError::new(Step::Request, problem);
            let ended = self.tell(reply, problem.into(), true).await;
            return Forwarded::told(error, ended);
        }
        let (page, error) = match exchange.outcome() {
            Some(Err(error)) => (page(&error), error.into()),
            _ => (Page::NO_RESPONSE, error),
        };
        drop(exchange);
        let ended = self.tell(reply, page, true).await;
        Forwarded::told(SessionError::new(Step::Relay, error), ended)
    }
}

/// The client has not got all of a response, and must not take what it has for all.
fn left<T>(step: Step, error: io::Error) -> Forwarded<T> {
    Forwarded {
        outcome: Err(SessionError::new(step, error)),
        ended: Some(Ended::Cut(None)),
    }
}

/// What the tunnel has moved; nothing is known of one that was left.
fn moved(outcome: Option<io::Result<Traffic>>) -> Result<Traffic, SessionError> {
    match outcome {
        Some(Ok(traffic)) => Ok(traffic),
        // The response was complete before it broke.
        Some(Err(error)) => match find::<RelayError>(&error) {
            Some(broken) if !broken.kind().is_refusal() => Ok(broken.traffic()),
            _ => Err(SessionError::new(Step::Relay, error)),
        },
        None => Ok(dropped::left().unwrap_or_default()),
    }
}

/// What a client is told of a tunnel that has broken off before there was a response.
fn page(error: &io::Error) -> Page {
    match find::<RelayError>(error).map(RelayError::kind) {
        Some(RelayErrorKind::Limit | RelayErrorKind::Closed) => Page::LIMITED,
        Some(RelayErrorKind::Idle | RelayErrorKind::HalfClosed) => Page::SLOW_RESPONSE,
        Some(RelayErrorKind::Drained) => Page::DRAINING,
        _ if reply_code(error) == ReplyCode::NOT_ALLOWED => Page::DENIED,
        _ => Page::NO_RESPONSE,
    }
}
