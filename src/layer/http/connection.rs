//! A connection: its requests one after the other, until one of them becomes a tunnel.

use std::{
    future::{Future, poll_fn},
    io,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, error::Elapsed, timeout, timeout_at},
};
use tracing::Span;

use super::{
    client::Client,
    conversation::{Asked, Broken, Conversation},
    gate::Gate,
    notes::Notes,
    page::Page,
    problem::Problem,
    target::Target,
    tunnel::HttpTunnel,
};
use crate::{
    error::{BoxError, ReplyCodes, SessionError, Step},
    io::{PrefixedStream, Raw, lingering_close},
    layer::connection::{Lines, Opened, Party, deadline, hold, span},
    relay::Traffic,
    session::{Accepted, CloneService, Dial, Draining, Identify, Protocol},
};

/// The settings of an [`HttpLayer`](super::HttpLayer).
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// From the accept to the first request of an authenticated client; of each later head likewise.
    pub(super) deadline: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
    pub(super) reply_codes: ReplyCodes,
    /// The name of this proxy in `Via`.
    pub(super) pseudonym: Arc<str>,
}

impl Config {
    pub(crate) const fn deadline(&self) -> Duration {
        self.deadline
    }
}

/// Serves a connection to its end, and logs how it ended.
pub(crate) fn serve<M, Io>(
    config: Config,
    lines: Arc<Lines>,
    negotiator: M,
    accepted: Accepted<PrefixedStream<Io>>,
) -> impl Future<Output = Result<Traffic, BoxError>> + Send + 'static
where
    M: Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let span = span(Protocol::Http, accepted.peer);
    let opening = Box::pin(establish(
        config,
        Arc::clone(&lines),
        negotiator,
        accepted,
        span.clone(),
    ));
    hold(lines, span, opening)
}

/// What a connection has come to, with the stream of the client.
type Outcome<M, Io> = Result<Opened<HttpTunnel<TunnelOf<M>>, PrefixedStream<Io>>, SessionError>;

/// The tunnel of CONNECT.
pub(super) type TunnelOf<M> = <<M as Identify>::Service as Dial>::Tunnel;

/// Serves the requests of a connection up to a tunnel.
async fn establish<M, Io>(
    config: Config,
    lines: Arc<Lines>,
    negotiator: M,
    mut accepted: Accepted<PrefixedStream<Io>>,
    span: Span,
) -> (Party, Outcome<M, Io>)
where
    M: Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = deadline(accepted.started(), config.deadline);
    let draining = accepted.draining();
    let Accepted {
        io,
        peer,
        local,
        extensions,
        ..
    } = accepted;
    let client = Client::new(negotiator, peer, local, extensions);
    let notes = Notes::default();
    let mut gate = Gate::new(io, notes.clone());
    // hyper has buffers of its own: it begins once there is something to read.
    let opened = match timeout_at(limit, poll_fn(|cx| gate.poll_head(cx))).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) if notes.lock().begun => {
            notes.lock().refuse = Some(Problem::TooSlow);
            Ok(())
        }
        Err(elapsed) => Err(BoxError::from(elapsed)),
    };
    if let Err(error) = opened {
        let error = SessionError::new(Step::Request, error);
        return (Party::stranger(peer), Err(error));
    }
    let mut session = Session {
        conversation: Conversation::new(gate, notes),
        client,
        config,
        lines,
        span,
        limit: Some(limit),
        draining,
        traffic: Traffic::default(),
        refused: None,
    };
    let ended = session.run().await;
    let party = session.client.party();
    let outcome = session.end(ended).await;
    (party, outcome)
}

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
    draining: Draining,
    /// What forwarded requests have moved.
    pub(super) traffic: Traffic,
    /// Why the last attempt to authenticate failed, if none has succeeded since.
    pub(super) refused: Option<SessionError>,
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
    /// In the middle of a response, which has a line of its own.
    Cut,
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
    async fn run(&mut self) -> Ended<TunnelOf<M>> {
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
                Ok(self.conversation.next().await)
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
            let authorization = super::authorization::Authorization::take(request.headers_mut())?;
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
    async fn end(mut self, ended: Ended<TunnelOf<M>>) -> Outcome<M, Io> {
        let refused = self.refused.take();
        let stream = self.conversation.into_stream();
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
            Ended::Failed(error) => Err(error),
            Ended::Cut => {
                // The end alone would make half of a response look like all of it.
                if let Some(socket) = Raw::beneath(&stream) {
                    let _ = socket.reset();
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
