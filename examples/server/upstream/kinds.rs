//! Services of any type, in boxes: what routes, failover and balancing choose among.

use std::task::{Context, Poll};

use tower::{Service, ServiceExt, util::BoxCloneSyncService};
use tower_socks::{BoxError, Request, Tunnel, datagram::DatagramTransport, session::BoxTunnel};

type Boxed<T> = BoxCloneSyncService<Request, T, BoxError>;

/// Executes a request.
#[derive(Clone, Debug)]
pub(crate) struct Tunnels(Boxed<BoxTunnel>);

impl Tunnels {
    pub(crate) fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response: Tunnel + 'static, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<BoxError>,
    {
        let boxed = service.map_response(BoxTunnel::new).map_err(Into::into);
        Self(Boxed::new(boxed))
    }
}

/// Opens what an association's datagrams go by.
#[derive(Clone, Debug)]
pub(crate) struct Transports(Boxed<Box<dyn DatagramTransport>>);

impl Transports {
    pub(crate) fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response: DatagramTransport, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<BoxError>,
    {
        let boxed = |transport| -> Box<dyn DatagramTransport> { Box::new(transport) };
        Self(Boxed::new(service.map_response(boxed).map_err(Into::into)))
    }
}

impl Service<Request> for Tunnels {
    type Response = BoxTunnel;
    type Error = BoxError;
    type Future = <Boxed<BoxTunnel> as Service<Request>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0.call(request)
    }
}

impl Service<Request> for Transports {
    type Response = Box<dyn DatagramTransport>;
    type Error = BoxError;
    type Future = <Boxed<Box<dyn DatagramTransport>> as Service<Request>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0.call(request)
    }
}
