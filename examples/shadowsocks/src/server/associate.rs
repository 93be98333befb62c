use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tower::{Service, ServiceExt};
use tower_socks::{
    BoxError, Refusal, Request, connector::associate::MakeDirect, datagram::DatagramTransport,
    proto::ReplyCode,
};

use super::{SessionTunnel, session::Outlet};

/// How long a datagram could be sent again by somebody who has recorded it. No session ends sooner.
pub(super) const STAMPED: Duration = Duration::from_secs(60);

/// Executes UDP ASSOCIATE for the sessions of [`serve_datagrams`](super::serve_datagrams): what
/// [`Associate`](tower_socks::connector::associate::Associate) is for SOCKS5, at the bottom of the stack.
///
/// `M` makes the transport by which the datagrams of a session are sent.
#[derive(Clone, Debug)]
pub struct Sessions<M = MakeDirect> {
    make_transport: M,
    idle: Duration,
}

impl<M> Sessions<M> {
    /// Sends by the transports that `make_transport` makes, and ends a session after 5 min of silence.
    pub const fn new(make_transport: M) -> Self {
        let idle = Duration::from_secs(5 * 60);
        Self {
            make_transport,
            idle,
        }
    }

    /// Ends a session whose client has sent nothing for so long; after a minute at least.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle = limit.max(STAMPED);
        self
    }
}

/// A session on its way through the stack, in the extensions of its request. It is taken out once.
pub(super) struct Handed(Mutex<Option<Outlet>>);

impl Handed {
    pub(super) const fn new(session: Outlet) -> Self {
        Self(Mutex::new(Some(session)))
    }

    fn take(&self) -> Option<Outlet> {
        let mut session = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        session.take()
    }
}

impl<M> Service<Request> for Sessions<M>
where
    M: Service<Request, Response: DatagramTransport, Error: Into<BoxError>, Future: Send>,
    M: Clone + Send + 'static,
{
    type Response = SessionTunnel<M::Response>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self {
            make_transport,
            idle,
        } = self.clone();
        Box::pin(async move {
            let session = request.extensions.get::<Handed>().and_then(Handed::take);
            let Some(session) = session else {
                let code = ReplyCode::COMMAND_NOT_SUPPORTED;
                return Err(Refusal::new(code, "no session of shadowsocks").into());
            };
            let transport = make_transport.oneshot(request).await.map_err(Into::into)?;
            Ok(SessionTunnel {
                transport,
                session,
                idle,
            })
        })
    }
}
