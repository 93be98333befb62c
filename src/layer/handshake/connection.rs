//! A connection's messages, in the order of RFC 1928.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::timeout_at,
};
use tracing::Span;

use crate::{
    error::{AuthError, BoxError, ForeignProtocol, Refusal, ReplyCodes, SessionError, Step},
    io::{PrefixedStream, ReadError, lingering_close, read_message, refuse, write_reply},
    layer::connection::{
        Lines, Party, admit, deadline, dial, hold, malformed, record, recording, span,
    },
    proto::{self, Address, Command, Decode, Greeting, Method, Reply, ReplyCode, Selection},
    relay::Traffic,
    session::{
        Accepted, CloneService, Dial, Extensions, Negotiate, Negotiation, Protocol, Replies,
        Request, Tunnel, count_for_user, leave_handshake,
    },
};

/// The settings of a [`HandshakeLayer`](super::HandshakeLayer).
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(super) deadline: Duration,
    pub(super) reply_codes: ReplyCodes,
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
    M: Negotiate<PrefixedStream<Io>, Service: Dial<Future: Send> + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let recording = recording(&accepted, Protocol::Socks5);
    let span = span(Protocol::Socks5, accepted.peer, recording.as_ref());
    let opening = Box::pin(establish(config, Some(negotiator), accepted, span.clone()));
    hold(lines, span, recording, opening)
}

/// Performs everything up to the reply. Returns who the client is, the tunnel, and the client's stream to
/// run it with.
///
/// One function for all of it: each further future would hold the stack a second time.
async fn establish<M, Io>(
    config: Config,
    mut negotiator: Option<M>,
    mut accepted: Accepted<PrefixedStream<Io>>,
    span: Span,
) -> (
    Party,
    Result<(<M::Service as Dial>::Tunnel, M::Stream), SessionError>,
)
where
    M: Negotiate<PrefixedStream<Io>, Service: Dial<Future: Send> + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut party = Party::stranger(accepted.peer);
    let replies = Replies::new(Protocol::Socks5, config.reply_codes);
    let mut step = Step::Greeting;
    let limit = deadline(accepted.started(), config.deadline);
    let opening = timeout_at(limit, open(&mut negotiator, accepted, &mut step)).await;
    let (mut client, service, mut request, share) = match opening {
        Ok(Ok(Opened::Asks(client, service, request, share))) => (client, service, request, share),
        Ok(Ok(Opened::Garbles(client, counted, refusal))) => {
            refuse(client, &replies.failure(&refusal)).await;
            drop(counted);
            return (party, Err(SessionError::new(step, refusal)));
        }
        Ok(Err(error)) => return (party, Err(SessionError::new(step, error))),
        Err(elapsed) => return (party, Err(SessionError::new(step, elapsed))),
    };
    party = party.identified(&request.identity);
    record(&span, &request);

    if let Err(refusal) = share {
        refuse(client, &replies.failure(&refusal)).await;
        return (party, Err(SessionError::new(Step::Dial, refusal)));
    }
    let command = request.command;
    // For tunnels that write another reply, and for layers that label this one.
    request.reply_codes = replies.codes().clone();
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
        // What other commands lead to is of no use without it.
        _ => tunnel.bound(),
    };
    let (named, plain);
    let reply: &[u8] = match command {
        Command::RESOLVE_PTR => {
            let code = ReplyCode::SUCCEEDED;
            named = Reply { code, bound }.encode_with_name().to_vec();
            &named
        }
        _ => {
            plain = replies.success(bound);
            &plain
        }
    };
    let written = write_reply(&mut client, reply).await;
    let opened = written.map(|()| (tunnel, client));
    (
        party,
        opened.map_err(|error| SessionError::new(Step::Reply, error)),
    )
}

/// A client within its deadline.
enum Opened<W, S> {
    /// With a request, or with more sessions than its user may have.
    Asks(W, S, Request, Result<(), Refusal>),
    /// With something else in its place. What counts the connection counts it until the client is told.
    Garbles(W, Extensions, Refusal),
}

/// Performs everything up to the request, which the deadline bounds.
async fn open<M, Io>(
    negotiator: &mut Option<M>,
    accepted: Accepted<PrefixedStream<Io>>,
    step: &mut Step,
) -> Result<Opened<M::Stream, M::Service>, BoxError>
where
    M: Negotiate<PrefixedStream<Io>, Service: Dial<Future: Send> + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Accepted {
        mut io,
        peer,
        local,
        extensions,
        ..
    } = accepted;
    let seen = io.peek(1).await.map_err(ReadError::Io)?;
    if let Some(protocol) = ForeignProtocol::of(seen)
        && protocol != ForeignProtocol::Socks5
    {
        return Err(protocol.into());
    }
    let greeting: Greeting = read_message(&mut io, &mut [0; Greeting::MAX_LEN]).await?;
    if greeting.methods.is_empty() {
        let selection = Selection {
            method: Method::NO_ACCEPTABLE,
        };
        io.write_all(&selection.encode()).await?;
        lingering_close(io).await;
        return Err(AuthError::NoAcceptableMethod.into());
    }

    *step = Step::Authentication;
    let negotiation = Negotiation {
        io,
        offered: greeting.methods,
        peer,
        local,
        extensions: extensions.clone(),
    };
    // Not before: a stack that is held while something is awaited has room of its own in the future.
    let Some(negotiator) = negotiator.take() else {
        return Err(io::Error::other("the connection was negotiated before").into());
    };
    let session = negotiator.negotiate(negotiation).await?;
    // Refused once the client can be told so.
    let share = count_for_user(&extensions, &session.identity);

    *step = Step::Request;
    let mut client = session.io;
    let request = match read_message(&mut client, &mut [0; proto::Request::MAX_LEN]).await {
        Ok(proto::Request { command, target }) => {
            admit(command, target).map(|target| proto::Request { command, target })
        }
        Err(ReadError::Malformed(error)) => Err(malformed(error)),
        Err(error) => return Err(error.into()),
    };
    match request {
        Ok(proto::Request { command, target }) => {
            let mut request = Request::new(command, target);
            request.peer = peer;
            request.local = local;
            request.identity = session.identity;
            request.extensions = extensions;
            leave_handshake(&mut request.extensions);
            Ok(Opened::Asks(client, session.service, request, share))
        }
        Err(refusal) => Ok(Opened::Garbles(client, extensions, refusal)),
    }
}
