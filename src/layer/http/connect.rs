//! CONNECT (RFC 9110 section 9.3.6).

use http::Response;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    body::Body,
    conversation::Reply,
    page::Page,
    session::{Ended, Session, TunnelOf, failed},
    tunnel::HttpTunnel,
};
use crate::{
    error::{BoxError, SessionError, Step},
    layer::connection::{admit, asks, record},
    proto::{Address, Command},
    session::{CloneService, Dial, Identify, Request},
};

impl<M, Io> Session<M, Io>
where
    M: Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// Dials, tells the client the outcome, and has its tunnel if that is a success.
    pub(super) async fn connect(&mut self, reply: Reply, address: Address) -> Ended<TunnelOf<M>> {
        let dial = match self.prepare(address) {
            Ok((request, service)) => {
                record(&self.span, &request);
                // A client that is gone cancels it.
                self.conversation.during(service.dial(request)).await
            }
            Err(error) => Ok(Err(error)),
        };
        let tunnel = match dial {
            Ok(Ok(tunnel)) => tunnel,
            Ok(Err(error)) => {
                let page = Page::of(&self.config.reply_codes, &*error);
                return self
                    .tell_last(reply, page, SessionError::new(Step::Dial, error))
                    .await;
            }
            Err(broken) => return failed(Step::Reply, broken),
        };
        // Without a length: what follows is the tunnel's.
        match self.respond(reply, Response::new(Body::empty())).await {
            Ok(_) => Ended::Tunnel(HttpTunnel::Connect(tunnel)),
            Err(broken) => failed(Step::Reply, broken),
        }
    }

    /// Makes the request for an address, as of a client that may have one more session.
    pub(super) fn prepare(&mut self, address: Address) -> Result<(Request, M::Service), BoxError> {
        let share = self.client.admit();
        let asked = admit(Command::CONNECT, address)
            .map_err(BoxError::from)
            .and_then(|target| self.client.request(target, &self.config.reply_codes));
        if let (Err(_), Ok((request, _))) = (&share, &asked) {
            asks(request);
        }
        share?;
        asked
    }
}
