use std::task::{Context, Poll};

use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    DefaultHooks, MakeSpan, OnClose, OnError, OnReply, OnRequest, TraceTunnel,
    future::ResponseFuture,
};
use crate::{error::BoxError, session::Request};

/// Calls hooks around requests and tunnels. See the [module](super).
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceLayer<
    M = DefaultHooks,
    Q = DefaultHooks,
    R = DefaultHooks,
    E = DefaultHooks,
    C = DefaultHooks,
> {
    make_span: M,
    on_request: Q,
    on_reply: R,
    on_error: E,
    on_close: C,
}

impl TraceLayer {
    /// Creates a layer with the default hooks.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            make_span: DefaultHooks,
            on_request: DefaultHooks,
            on_reply: DefaultHooks,
            on_error: DefaultHooks,
            on_close: DefaultHooks,
        }
    }
}

impl<M, Q, R, E, C> TraceLayer<M, Q, R, E, C> {
    /// Replaces what makes the span of a request.
    #[must_use]
    pub fn make_span<T: MakeSpan>(self, make_span: T) -> TraceLayer<T, Q, R, E, C> {
        TraceLayer {
            make_span,
            on_request: self.on_request,
            on_reply: self.on_reply,
            on_error: self.on_error,
            on_close: self.on_close,
        }
    }

    /// Replaces what is called with each request.
    #[must_use]
    pub fn on_request<T: OnRequest>(self, on_request: T) -> TraceLayer<M, T, R, E, C> {
        TraceLayer {
            make_span: self.make_span,
            on_request,
            on_reply: self.on_reply,
            on_error: self.on_error,
            on_close: self.on_close,
        }
    }

    /// Replaces what is called when a request has succeeded.
    #[must_use]
    pub fn on_reply<T: OnReply>(self, on_reply: T) -> TraceLayer<M, Q, T, E, C> {
        TraceLayer {
            make_span: self.make_span,
            on_request: self.on_request,
            on_reply,
            on_error: self.on_error,
            on_close: self.on_close,
        }
    }

    /// Replaces what is called when a request has failed.
    #[must_use]
    pub fn on_error<T: OnError>(self, on_error: T) -> TraceLayer<M, Q, R, T, C> {
        TraceLayer {
            make_span: self.make_span,
            on_request: self.on_request,
            on_reply: self.on_reply,
            on_error,
            on_close: self.on_close,
        }
    }

    /// Replaces what is called when a tunnel has ended.
    #[must_use]
    pub fn on_close<T: OnClose>(self, on_close: T) -> TraceLayer<M, Q, R, E, T> {
        TraceLayer {
            make_span: self.make_span,
            on_request: self.on_request,
            on_reply: self.on_reply,
            on_error: self.on_error,
            on_close,
        }
    }
}

impl<S, M, Q, R, E, C> Layer<S> for TraceLayer<M, Q, R, E, C>
where
    Self: Clone,
{
    type Service = Trace<S, M, Q, R, E, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace {
            inner,
            hooks: self.clone(),
        }
    }
}

/// Calls hooks around requests and tunnels: the service of [`TraceLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Trace<
    S,
    M = DefaultHooks,
    Q = DefaultHooks,
    R = DefaultHooks,
    E = DefaultHooks,
    C = DefaultHooks,
> {
    inner: S,
    hooks: TraceLayer<M, Q, R, E, C>,
}

impl<S, M, Q, R, E, C> Trace<S, M, Q, R, E, C> {
    /// Returns a reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, M, Q, R, E, C> Service<Request> for Trace<S, M, Q, R, E, C>
where
    S: Service<Request>,
    S::Error: Into<BoxError>,
    S::Response: crate::session::Tunnel,
    M: MakeSpan,
    Q: OnRequest,
    R: OnReply,
    E: OnError,
    C: OnClose,
{
    type Response = TraceTunnel<S::Response, C>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, R, E, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let started = Instant::now();
        let reply_codes = request.reply_codes.clone();
        let hooks = &self.hooks;
        let span = hooks.make_span.make_span(&request);
        let future = {
            let _inside = span.enter();
            hooks.on_request.on_request(&request, &span);
            self.inner.call(request)
        };
        ResponseFuture {
            future,
            span,
            reply_codes,
            started,
            on_reply: hooks.on_reply.clone(),
            on_error: hooks.on_error.clone(),
            on_close: Some(hooks.on_close.clone()),
        }
    }
}
