use std::{io, time::Duration};

use tracing::Span;

use crate::{
    error::{BoxError, Chain, find},
    proto::{Address, Command, ReplyCode},
    relay::{RelayError, Traffic},
    session::Request,
};

/// Makes the span of a request. `Fn(&Request) -> Span` does.
pub trait MakeSpan: Clone + Send + 'static {
    /// The span in which the request is carried out and its tunnel runs.
    fn make_span(&self, request: &Request) -> Span;
}

/// Called with each request. `Fn(&Request, &Span)` is.
pub trait OnRequest: Clone + Send + 'static {
    /// Inside the span.
    fn on_request(&self, request: &Request, span: &Span);
}

/// Called when a request has been carried out. `Fn(&Address, Duration, &Span)` is.
pub trait OnReply: Clone + Send + 'static {
    /// With BND of the reply, and the time that it took.
    fn on_reply(&self, bound: &Address, latency: Duration, span: &Span);
}

/// Called when a request could not be carried out. `Fn(&BoxError, ReplyCode, Duration, &Span)` is.
pub trait OnError: Clone + Send + 'static {
    /// Called with the reply code that the client is sent, by
    /// [`HandshakeLayer::reply_code`](crate::HandshakeLayer::reply_code) or the
    /// [table](crate::error), and the time that it took.
    fn on_error(&self, error: &BoxError, code: ReplyCode, latency: Duration, span: &Span);
}

/// Called when a tunnel has ended. `Fn(&io::Result<Traffic>, Duration, &Span)` is. Not called for one
/// that is dropped.
pub trait OnClose: Clone + Send + 'static {
    /// With what it has moved, or why it broke off, and for how long it was open.
    fn on_close(&self, outcome: &io::Result<Traffic>, open: Duration, span: &Span);
}

/// What [`TraceLayer`](super::TraceLayer) does unless told otherwise: everything at debug.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultHooks;

impl MakeSpan for DefaultHooks {
    fn make_span(&self, request: &Request) -> Span {
        let transport = match request.command {
            Command::UDP_ASSOCIATE => "udp",
            _ => "tcp",
        };
        let span = tracing::debug_span!(
            "request",
            client.address = %request.peer.ip(),
            client.port = request.peer.port(),
            server.address = tracing::field::Empty,
            server.port = request.target.port(),
            network.transport = transport,
            user.name = %request.identity,
            socks.command = %request.command,
            socks.reply_code = tracing::field::Empty,
        );
        if !span.is_disabled() {
            match &request.target {
                Address::Ip(address) => {
                    span.record("server.address", tracing::field::display(address.ip()))
                }
                // A client must not be able to write into the log what it likes.
                Address::Name(name, _) => span.record(
                    "server.address",
                    tracing::field::display(name.as_str().escape_debug()),
                ),
            };
        }
        span
    }
}

impl OnRequest for DefaultHooks {
    fn on_request(&self, _: &Request, _: &Span) {
        tracing::debug!("started");
    }
}

impl OnReply for DefaultHooks {
    fn on_reply(&self, bound: &Address, latency: Duration, span: &Span) {
        span.record("socks.reply_code", ReplyCode::SUCCEEDED.0);
        tracing::debug!(%bound, ?latency, "carried out");
    }
}

impl OnError for DefaultHooks {
    fn on_error(&self, error: &BoxError, code: ReplyCode, latency: Duration, span: &Span) {
        span.record("socks.reply_code", code.0);
        tracing::debug!(%code, ?latency, error = %Chain(&**error), "not carried out");
    }
}

impl OnClose for DefaultHooks {
    fn on_close(&self, outcome: &io::Result<Traffic>, open: Duration, _: &Span) {
        match outcome {
            Ok(Traffic { up, down }) => tracing::debug!(up, down, ?open, "closed"),
            Err(error) => {
                let traffic = find::<RelayError>(error).map(RelayError::traffic);
                let Traffic { up, down } = traffic.unwrap_or_default();
                tracing::debug!(up, down, ?open, error = %Chain(error), "broken off");
            }
        }
    }
}

impl<F: Fn(&Request) -> Span + Clone + Send + 'static> MakeSpan for F {
    fn make_span(&self, request: &Request) -> Span {
        self(request)
    }
}

impl<F: Fn(&Request, &Span) + Clone + Send + 'static> OnRequest for F {
    fn on_request(&self, request: &Request, span: &Span) {
        self(request, span);
    }
}

impl<F: Fn(&Address, Duration, &Span) + Clone + Send + 'static> OnReply for F {
    fn on_reply(&self, bound: &Address, latency: Duration, span: &Span) {
        self(bound, latency, span);
    }
}

impl<F: Fn(&BoxError, ReplyCode, Duration, &Span) + Clone + Send + 'static> OnError for F {
    fn on_error(&self, error: &BoxError, code: ReplyCode, latency: Duration, span: &Span) {
        self(error, code, latency, span);
    }
}

impl<F: Fn(&io::Result<Traffic>, Duration, &Span) + Clone + Send + 'static> OnClose for F {
    fn on_close(&self, outcome: &io::Result<Traffic>, open: Duration, span: &Span) {
        self(outcome, open, span);
    }
}
