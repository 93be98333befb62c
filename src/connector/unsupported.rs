use std::{
    future::{Ready, ready},
    io,
    task::{Context, Poll},
};

use tower_service::Service;

use super::resolve::{ReverseLookup, ReverseResolve};
use crate::{
    error::{BoxError, Refusal},
    io::ClientStream,
    proto::{Address, Command, DomainName, ReplyCode},
    relay::Traffic,
    session::{Request, Target, Tunnel},
};

/// Refuses every request with 07, command not supported.
///
/// ```
/// use tower::ServiceExt;
/// use tower_socks::{Request, connector::Unsupported, proto::{Address, Command, ReplyCode}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let request = Request::new(Command::BIND, Address::UNSPECIFIED);
/// let refusal = Unsupported.oneshot(request).await.unwrap_err();
/// assert_eq!(refusal.code(), ReplyCode::COMMAND_NOT_SUPPORTED);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Unsupported;

pub(super) fn refusal(command: Command) -> Refusal {
    Refusal::new(
        ReplyCode::COMMAND_NOT_SUPPORTED,
        format!("command {command} is not supported"),
    )
}

/// Lets only CONNECT pass, for a service that does nothing else: it may stand where a
/// [`Connector`](super::Connector) should.
///
/// # Errors
///
/// The refusal with 07 of a request with another command, and of one for UDP over TCP: another proxy would execute
/// it, and no policy of ours would be asked about the destinations of datagrams.
pub(super) fn connect_only<T: Target>(target: &T) -> Result<(), Refusal> {
    match target.request() {
        Some(request) if request.command != Command::CONNECT => Err(refusal(request.command)),
        Some(request) => request.refuse_udp_over_tcp(),
        None => Ok(()),
    }
}

impl Service<Request> for Unsupported {
    type Response = NoTunnel;
    type Error = Refusal;
    type Future = Ready<Result<NoTunnel, Refusal>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        ready(Err(refusal(request.command)))
    }
}

/// In the place of a [reverse resolver](ReverseResolve): RESOLVE_PTR is refused.
impl ReverseResolve for Unsupported {
    async fn names_of(self, _: ReverseLookup) -> Result<Vec<DomainName>, BoxError> {
        Err(refusal(Command::RESOLVE_PTR).into())
    }
}

/// The tunnel of [`Unsupported`], of which there is never one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTunnel {}

impl Tunnel for NoTunnel {
    fn bound(&self) -> Address {
        match *self {}
    }

    async fn run<W: ClientStream>(self, _: W) -> io::Result<Traffic> {
        match self {}
    }
}
