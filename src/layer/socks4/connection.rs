//! A connection's messages: a request, a reply, and for BIND another one.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout_at,
};
use tracing::Span;

use crate::{
    error::{BoxError, Refusal, ReplyCodes, SessionError, Step},
    io::{PrefixedStream, ReadError, read_message, refuse, write_reply},
    layer::connection::{
        Lines, Party, admit, deadline, dial, hold, malformed, record, recording, span,
    },
    proto::{self, Address, Command, Decode, MethodSet, ReplyCode, socks4},
    relay::Traffic,
    session::{
        Accepted, CloneService, Dial, Identify, Negotiation, Protocol, Replies, Request, Stated,
        Tunnel, count_for_user, leave_handshake,
    },
};

/// The settings of a [`Socks4Layer`](super::Socks4Layer).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(super) deadline: Duration,
    /// Whether the reply to CONNECT has the address that the target is connected from.
    pub(super) reply_bound: bool,
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
    M: Identify<Service: Dial<Future: Send> + Send, Future: Send> + CloneService + Send + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let recording = recording(&accepted, Protocol::Socks4);
    let span = span(Protocol::Socks4, accepted.peer, recording.as_ref());
    let opening = Box::pin(establish(config, Some(negotiator), accepted, span.clone()));
    hold(lines, span, recording, opening)
}

/// Performs everything up to the reply. Returns who the client is, the tunnel, and the client's stream to
/// run it with.
async fn establish<M, Io>(
    config: Config,
    mut negotiator: Option<M>,
    mut accepted: Accepted<PrefixedStream<Io>>,
    span: Span,
) -> (
    Party,
    Result<(<M::Service as Dial>::Tunnel, PrefixedStream<Io>), SessionError>,
)
where
    M: Identify<Service: Dial<Future: Send> + Send, Future: Send> + CloneService + Send + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut party = Party::stranger(accepted.peer);
    let replies = Replies::new(Protocol::Socks4, ReplyCodes::built_in());
    let mut step = Step::Request;
    let limit = deadline(accepted.started(), config.deadline);
    let opening = timeout_at(limit, open(&mut negotiator, &mut accepted, &mut step)).await;
    let opened = opening.unwrap_or_else(|elapsed| Err(elapsed.into()));
    let Accepted { io: mut client, .. } = accepted;
    let (service, request, share) = match opened {
        Ok(Opened::Asks(service, request, share)) => (service, request, share),
        Ok(Opened::Garbles(refusal)) => {
            refuse(client, &replies.failure(&refusal)).await;
            return (party, Err(SessionError::new(step, refusal)));
        }
        Err(error) => {
            // Whatever it is, there is a request to reply to.
            if step == Step::Authentication {
                refuse(client, &replies.failure(&*error)).await;
            }
            return (party, Err(SessionError::new(step, error)));
        }
    };
    party = party.identified(&request.identity);
    record(&span, &request);

    if let Err(refusal) = share.and_then(|()| executable(request.command)) {
        refuse(client, &replies.failure(&refusal)).await;
        return (party, Err(SessionError::new(Step::Dial, refusal)));
    }
    let command = request.command;
    let tunnel = match dial(service, request, &mut client).await {
        Ok(Ok(tunnel)) => tunnel,
        Ok(Err(error)) => {
            refuse(client, &replies.failure(&*error)).await;
            return (party, Err(SessionError::new(Step::Dial, error)));
        }
        Err(gone) => return (party, Err(SessionError::new(Step::Reply, gone))),
    };
    let bound = match command {
        Command::CONNECT if !config.reply_bound => Address::UNSPECIFIED,
        _ => tunnel.bound(),
    };
    let reply = socks4::Reply::granted(&bound);
    // The address is all that was asked for.
    if command == Command::RESOLVE && reply.bound.ip().is_unspecified() {
        let refusal = Refusal::new(
            ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED,
            "SOCKS4 has no place for an address that is not IPv4",
        );
        refuse(client, &replies.failure(&refusal)).await;
        return (party, Err(SessionError::new(Step::Dial, refusal)));
    }
    let written = write_reply(&mut client, &reply.encode()).await;
    let opened = written.map(|()| (tunnel, client));
    (
        party,
        opened.map_err(|error| SessionError::new(Step::Reply, error)),
    )
}

/// Refuses what is no command of SOCKS4. A number may mean another command in SOCKS5.
fn executable(command: Command) -> Result<(), Refusal> {
    match command {
        Command::CONNECT | Command::BIND | Command::RESOLVE => Ok(()),
        _ => Err(Refusal::new(
            ReplyCode::COMMAND_NOT_SUPPORTED,
            "SOCKS4 has no such command",
        )),
    }
}

/// A client within its deadline.
enum Opened<S> {
    /// With a request, or with more sessions than its user may have.
    Asks(S, Request, Result<(), Refusal>),
    /// With something else in its place.
    Garbles(Refusal),
}

/// Reads the request and authenticates the client by what it states, which the deadline bounds. The extensions of
/// the connection stay with it until the client is told: what counts it counts it until then.
async fn open<M, Io>(
    negotiator: &mut Option<M>,
    accepted: &mut Accepted<PrefixedStream<Io>>,
    step: &mut Step,
) -> Result<Opened<M::Service>, BoxError>
where
    M: Identify<Future: Send> + Send,
    Io: AsyncRead + AsyncWrite + Unpin + Send,
{
    let message = read_message(&mut accepted.io, &mut [0; socks4::Request::MAX_LEN]).await;
    let (command, target, user_id) = match message {
        Ok(socks4::Request {
            command,
            target,
            user_id,
        }) => match admit(command, target) {
            Ok(target) => (command, target, user_id),
            Err(refusal) => return Ok(Opened::Garbles(refusal)),
        },
        // What does not speak SOCKS4 has no use for a reply of SOCKS4.
        Err(ReadError::Malformed(error)) if !matches!(error, proto::Error::Version { .. }) => {
            return Ok(Opened::Garbles(malformed(error)));
        }
        Err(error) => return Err(error.into()),
    };

    *step = Step::Authentication;
    let mut negotiation = Negotiation::new(
        Stated::UserId(user_id),
        MethodSet::new(),
        accepted.peer,
        accepted.local,
    );
    negotiation.extensions = accepted.extensions.clone();
    // Not before: a stack that is held while something is awaited has room of its own in the future.
    let Some(negotiator) = negotiator.take() else {
        return Err(io::Error::other("the connection was negotiated before").into());
    };
    let session = negotiator.identify(negotiation).await?;
    // Refused once the client can be told so.
    let share = count_for_user(&accepted.extensions, &session.identity);
    leave_handshake(&mut accepted.extensions);
    let mut request = Request::new(command, target);
    request.peer = accepted.peer;
    request.local = accepted.local;
    request.protocol = Protocol::Socks4;
    request.identity = session.identity;
    request.extensions = std::mem::take(&mut accepted.extensions);
    Ok(Opened::Asks(session.service, request, share))
}
