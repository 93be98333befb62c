//! The requests of a connection, one after the other, until one of them becomes a tunnel.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, error::Elapsed, timeout, timeout_at},
};
use tracing::Span;

use super::{
    authorization::Authorization,
    client::Client,
    config::Config,
    conversation::{Asked, Broken, Conversation},
    page::Page,
    problem::Problem,
    target::Target,
    tunnel::HttpTunnel,
};
use crate::{
    error::{SessionError, Step},
    io::{PrefixedStream, Raw, lingering_close, sent},
    layer::connection::{Lines, Opened},
    relay::Traffic,
    session::{CloneService, Dial, Draining, Identify},
};

/// What a connection has come to, with the stream of the client.
pub(super) type Outcome<M, Io> =
    Result<Opened<HttpTunnel<TunnelOf<M>>, PrefixedStream<Io>>, SessionError>;

/// The tunnel of CONNECT.
pub(super) type TunnelOf<M> = <<M as Identify>::Service as Dial>::Tunnel;

/// A connection that has sent a head.
pub(super) struct Session<M, Io>
where
    M: Identify,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    pub(super) conversation: Conversation<Io>,
    pub(super) client: Client<M>,
    pub(super) config: Config,
    pub(super) lines: Arc<Lines>,
    pub(super) span: Span,
    /// The deadline of a client that has not authenticated.
    pub(super) limit: Option<Instant>,
    /// Tells when there are to be no more requests.
    pub(super) draining: Draining,
    /// What forwarded requests have moved.
    pub(super) traffic: Traffic,
    /// Why the last attempt to authenticate failed, if none has succeeded since, and when it began.
    pub(super) refused: Option<(SessionError, Instant)>,
}

/// How the requests of a connection ended.
pub(super) enum Ended<T> {
    /// In a tunnel, of which the client has been told.
    Tunnel(HttpTunnel<T>),
    /// By the client, between two requests, or by what it was told.
    Over,
    /// In a failure that the client has been told of: it has to read that.
    Told(SessionError),
    /// In a failure.
    Failed(SessionError),
    /// In the middle of a response, which has a line of its own. What was written of it may take so long to be sent.
    Cut(Option<Duration>),
}

impl<M, Io> Session<M, Io>
where
    M: Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// Executes one request after the other.
    pub(super) async fn run(&mut self) -> Ended<TunnelOf<M>> {
        loop {
            let asked = match self.next().await {
                Ok(Ok(Some(asked))) => asked,
                Ok(Ok(None)) => return Ended::Over,
                Ok(Err(broken)) => return failed(Step::Request, broken),
                // Nothing was asked.
                Err(elapsed) if self.limit.is_some() => {
                    return Ended::Failed(SessionError::new(Step::Request, elapsed));
                }
                Err(_) => return Ended::Over,
            };
            if let Some(ended) = self.execute(asked).await {
                return ended;
            }
            self.conversation.allow_next();
        }
    }

    /// Waits for the next request, as long as a client has for that.
    async fn next(&mut self) -> Result<Result<Option<Asked>, Broken>, Elapsed> {
        let waited = match self.limit {
            Some(limit) => timeout_at(limit, self.conversation.next()).await,
            None => match timeout(self.config.idle, self.next_unless_drained()).await {
                Err(_) if self.conversation.notes().lock().begun => {
                    timeout(self.config.deadline, self.conversation.next()).await
                }
                waited => waited,
            },
        };
        match waited {
            Err(_) if self.conversation.notes().lock().begun => {
                self.conversation.notes().lock().refuse = Some(Problem::TooSlow);
                // It takes one poll, unless the client takes nothing of what it was told before.
                timeout(self.config.deadline, self.conversation.next()).await
            }
            waited => waited,
        }
    }

    /// Waits for the next request; there is none once the server drains, unless it has begun.
    async fn next_unless_drained(&mut self) -> Result<Option<Asked>, Broken> {
        let begun = tokio::select! {
            biased;
            asked = self.conversation.next() => return asked,
            () = self.draining.begun() => self.conversation.notes().lock().begun,
        };
        match begun {
            true => self.conversation.next().await,
            false => Ok(None),
        }
    }

    /// Executes a request. Returns how the connection ended, if it did.
    async fn execute(&mut self, asked: Asked) -> Option<Ended<TunnelOf<M>>> {
        let Asked {
            mut request,
            target,
            reply,
        } = asked;
        let parsed = target.and_then(|target| {
            let authorization = Authorization::take(request.headers_mut())?;
            let target = Target::parse(request.method().as_str(), &target)?;
            Ok((authorization, target))
        });
        let (authorization, target) = match parsed {
            Ok(parsed) => parsed,
            Err(problem) => {
                let error = SessionError::new(Step::Request, problem);
                return Some(self.tell_last(reply, problem.into(), error).await);
            }
        };
        if self.limit.is_none() && self.draining.is_begun() {
            return self.tell(reply, Page::DRAINING, true).await;
        }
        let has_body = !hyper::body::Body::is_end_stream(request.body());
        match self.authenticate(authorization).await {
            Ok(()) => {}
            Err(ended) => match ended {
                Refused::Told(page) => return self.tell(reply, page, has_body).await,
                Refused::Ended(ended) => return Some(ended),
            },
        }
        match target {
            Target::Tunnel(address) => Some(self.connect(reply, address).await),
            Target::Origin(address, path) => self.forward(request, reply, address, path).await,
        }
    }

    /// Ends the connection, or hands over its stream.
    pub(super) async fn end(mut self, ended: Ended<TunnelOf<M>>) -> Outcome<M, Io> {
        let guessed = self.guessed();
        if matches!(ended, Ended::Tunnel(_) | Ended::Told(_) | Ended::Cut(_)) {
            self.log_refused();
        }
        let refused = self.refused.take().map(|(error, _)| error);
        let Some(mut stream) = self.conversation.into_stream() else {
            return Ok(Opened::Over(self.traffic));
        };
        match ended {
            Ended::Tunnel(tunnel) => Ok(Opened::Tunnel(tunnel, stream)),
            Ended::Over => {
                lingering_close(stream).await;
                match refused {
                    Some(error) => Err(error),
                    None => Ok(Opened::Over(self.traffic)),
                }
            }
            Ended::Told(error) => {
                lingering_close(stream).await;
                Err(error)
            }
            // Who guesses and says no more has guessed wrong.
            Ended::Failed(error) => Err(refused.filter(|_| guessed).unwrap_or(error)),
            Ended::Cut(patience) => {
                // The end alone would make half of a response look like all of it.
                if let Some(socket) = Raw::beneath(&stream) {
                    let _ = socket.reset();
                }
                if let Some(patience) = patience {
                    sent(&mut stream, patience).await;
                }
                Ok(Opened::Over(self.traffic))
            }
        }
    }
}

/// What becomes of a request whose client is not let in.
pub(super) enum Refused<T> {
    /// It is answered with this page.
    Told(Page),
    /// Nothing: the connection has ended.
    Ended(Ended<T>),
}

pub(super) fn failed<T>(step: Step, broken: Broken) -> Ended<T> {
    Ended::Failed(SessionError::new(step, io::Error::from(broken)))
}
