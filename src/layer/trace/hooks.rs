use std::{io, time::Duration};

use tracing::Span;

use crate::{
    error::{BoxError, Chain, find},
    proto::{Address, Command, ReplyCode},
    relay::{RelayError, Traffic},
    session::Request,
};

/// Makes the span of a request. `Fn(&Request) -> Span` implements it.
pub trait MakeSpan: Clone + Send + 'static {
    /// Makes the span in which the request is executed and its tunnel runs.
    fn make_span(&self, request: &Request) -> Span;
}

/// Is called with each request. `Fn(&Request, &Span)` implements it.
pub trait OnRequest: Clone + Send + 'static {
    /// Called with the span entered, before the inner service is called.
    fn on_request(&self, request: &Request, span: &Span);
}

/// Is called when a request has succeeded. `Fn(&Address, Duration, &Span)` implements it.
pub trait OnReply: Clone + Send + 'static {
    /// Called with BND of the reply and the time of the dial, with the span entered.
    fn on_reply(&self, bound: &Address, latency: Duration, span: &Span);
}

/// Is called when a request has failed. `Fn(&BoxError, ReplyCode, Duration, &Span)` implements it.
pub trait OnError: Clone + Send + 'static {
    /// Called with the reply code that the client is sent, by
    /// [`HandshakeLayer::reply_code`](crate::HandshakeLayer::reply_code) or the
    /// [table](crate::error), and the time of the dial, with the span entered.
    fn on_error(&self, error: &BoxError, code: ReplyCode, latency: Duration, span: &Span);
}

/// Is called when a tunnel has ended. `Fn(&io::Result<Traffic>, Duration, &Span)` implements it. It is
/// not called for a tunnel that is dropped.
pub trait OnClose: Clone + Send + 'static {
    /// Called with the tunnel's traffic or its error, and the time that it was open.
    fn on_close(&self, outcome: &io::Result<Traffic>, open: Duration, span: &Span);
}

/// Implements the default hooks of [`TraceLayer`](super::TraceLayer): everything at debug.
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
            network.protocol.name = request.protocol.name(),
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
        tracing::debug!("request started");
    }
}

impl OnReply for DefaultHooks {
    fn on_reply(&self, bound: &Address, latency: Duration, span: &Span) {
        span.record("socks.reply_code", ReplyCode::SUCCEEDED.0);
        tracing::debug!(%bound, ?latency, "request succeeded");
    }
}

impl OnError for DefaultHooks {
    fn on_error(&self, error: &BoxError, code: ReplyCode, latency: Duration, span: &Span) {
        span.record("socks.reply_code", code.0);
        tracing::debug!(%code, ?latency, error = %Chain(&**error), "request failed");
    }
}

impl OnClose for DefaultHooks {
    fn on_close(&self, outcome: &io::Result<Traffic>, open: Duration, _: &Span) {
        match outcome {
            Ok(Traffic { up, down }) => tracing::debug!(up, down, ?open, "tunnel closed"),
            Err(error) => {
                let traffic = find::<RelayError>(error).map(RelayError::traffic);
                let Traffic { up, down } = traffic.unwrap_or_default();
                tracing::debug!(up, down, ?open, error = %Chain(error), "tunnel broken");
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
