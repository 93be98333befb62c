use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use super::{Recorder, future::ResponseFuture, tunnel::RecordTunnel};
use crate::{
    error::BoxError,
    session::{Accepted, Request, record::Recording},
};

impl Recorder {
    /// Creates the layer for sessions: it stands above all that serves the protocols, and below
    /// [`ProxyProtocolLayer`](crate::layer::proxy_protocol::ProxyProtocolLayer).
    #[must_use]
    pub fn sessions(&self) -> RecordSessionsLayer {
        RecordSessionsLayer::new(self.clone())
    }

    /// Creates the layer for requests: it stands above all other layers for requests but
    /// [`UdpOverTcpLayer`](crate::layer::udp_over_tcp::UdpOverTcpLayer), above a time limit for the dial as well.
    #[must_use]
    pub fn requests(&self) -> RecordRequestsLayer {
        RecordRequestsLayer::new(self.clone())
    }
}

/// Begins the record of each session: made by [`Recorder::sessions`].
#[derive(Clone, Debug)]
pub struct RecordSessionsLayer {
    recorder: Recorder,
    listener: Option<Arc<str>>,
}

impl RecordSessionsLayer {
    pub(super) const fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            listener: None,
        }
    }

    /// Names the listener for the records: what a file calls it, or its address.
    #[must_use]
    pub fn listener(mut self, name: impl Into<Arc<str>>) -> Self {
        self.listener = Some(name.into());
        self
    }
}

impl<S> Layer<S> for RecordSessionsLayer {
    type Service = RecordSessions<S>;

    fn layer(&self, inner: S) -> RecordSessions<S> {
        RecordSessions {
            inner,
            layer: self.clone(),
        }
    }
}

/// Begins the record of each session: the service of [`RecordSessionsLayer`].
#[derive(Clone, Debug)]
pub struct RecordSessions<S> {
    inner: S,
    layer: RecordSessionsLayer,
}

impl<S> RecordSessions<S> {
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

impl<S, Io> Service<Accepted<Io>> for RecordSessions<S>
where
    S: Service<Accepted<Io>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut accepted: Accepted<Io>) -> S::Future {
        let RecordSessionsLayer { recorder, listener } = &self.layer;
        if let Some(sinks) = recorder.sinks() {
            let shared = &recorder.shared;
            let (unspoken, id) = (shared.unspoken(), shared.ids().next());
            let recording = Recording::begin(sinks, unspoken, id, listener.clone(), &accepted);
            accepted.extensions.insert(recording);
        }
        self.inner.call(accepted)
    }
}

/// Fills in what becomes of requests: made by [`Recorder::requests`].
#[derive(Clone, Debug)]
pub struct RecordRequestsLayer {
    recorder: Recorder,
}

impl RecordRequestsLayer {
    pub(super) const fn new(recorder: Recorder) -> Self {
        Self { recorder }
    }
}

impl<S> Layer<S> for RecordRequestsLayer {
    type Service = RecordRequests<S>;

    fn layer(&self, inner: S) -> RecordRequests<S> {
        RecordRequests {
            inner,
            recorder: self.recorder.clone(),
        }
    }
}

/// Fills in what becomes of requests: the service of [`RecordRequestsLayer`].
#[derive(Clone, Debug)]
pub struct RecordRequests<S> {
    inner: S,
    recorder: Recorder,
}

impl<S> RecordRequests<S> {
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

impl<S> Service<Request> for RecordRequests<S>
where
    S: Service<Request>,
    S::Response: crate::session::Tunnel,
    S::Error: Into<BoxError>,
{
    type Response = RecordTunnel<S::Response>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let recording = Recording::of(&request.extensions).cloned();
        if let Some(recording) = &recording {
            recording.executes(&mut request);
        }
        let reply_codes = request.reply_codes.clone();
        let future = self.inner.call(request);
        let recorded = recording.map(|recording| (recording, self.recorder.clone()));
        ResponseFuture::new(future, reply_codes, recorded)
    }
}
