//! The messages up to the reply, in the order of RFC 1928, from the client's side.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::{ClientAuth, ClientError, reply::ClientReply};
use crate::{
    admission::answered,
    error::{AuthError, BoxError, Step},
    io::{ReadError, Sealing, read_message},
    proto::{Address, Command, Decode, Greeting, Method, MethodSet, Request, Selection},
};

/// Whether messages wait for the answers to those before them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pipelining {
    /// Each message once the one before it is answered.
    Sequential,
    /// All messages in one write, where the method allows that.
    Optimistic,
}

/// What a reply of success leaves.
pub(super) struct Replied<Io> {
    pub(super) io: Io,
    pub(super) bound: Address,
    /// What protects datagrams beside the stream.
    pub(super) sealing: Sealing,
}

/// Exchanges all messages up to the reply, and returns the stream behind it, and BND.
pub(super) async fn request<L, Io>(
    auth: &L,
    pipelining: Pipelining,
    io: Io,
    request: &Request,
    step: &mut Step,
) -> Result<Replied<L::Stream>, ClientError>
where
    L: ClientAuth<Io>,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let early = match pipelining {
        Pipelining::Sequential => None,
        Pipelining::Optimistic => auth.early(),
    };
    let (mut io, sealing) = match early {
        Some(method) => optimistic(auth, method, io, request, step).await?,
        None => sequential(auth, io, request, step).await?,
    };
    *step = Step::Reply;
    let bound = read_reply(&mut io, *step).await?;
    Ok(Replied { io, bound, sealing })
}

/// Sends greeting, sub-negotiation and request, each once the one before it is answered.
async fn sequential<L, Io>(
    auth: &L,
    io: Io,
    request: &Request,
    step: &mut Step,
) -> Result<(L::Stream, Sealing), ClientError>
where
    L: ClientAuth<Io>,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let (mut io, sealing) = authenticate(auth, request.command, io, step).await?;
    *step = Step::Request;
    send(&mut io, &request.encode(), *step).await?;
    Ok((io, sealing))
}

/// Sends greeting and sub-negotiation, and returns the stream behind it.
pub(super) async fn authenticate<L, Io>(
    auth: &L,
    command: Command,
    mut io: Io,
    step: &mut Step,
) -> Result<(L::Stream, Sealing), ClientError>
where
    L: ClientAuth<Io>,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let offered = auth.methods();
    send(&mut io, &Greeting { methods: offered }.encode(), *step).await?;
    let selected = read_selection(&mut io, offered).await?;
    if !offered.contains(selected) {
        return Err(ClientError::NotOffered { selected, offered });
    }

    *step = Step::Authentication;
    let message = auth.first_message(selected);
    if !message.is_empty() {
        send(&mut io, &message, *step).await?;
    }
    auth.finish(selected, command, io).await.map_err(auth_error)
}

/// Sends the same in one write, on the assumption that the proxy selects `method` and grants access.
async fn optimistic<L, Io>(
    auth: &L,
    method: Method,
    mut io: Io,
    request: &Request,
    step: &mut Step,
) -> Result<(L::Stream, Sealing), ClientError>
where
    L: ClientAuth<Io>,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let offered = MethodSet::from(method);
    let greeting = Greeting { methods: offered };
    let all = [
        &*greeting.encode(),
        &auth.first_message(method),
        &request.encode(),
    ]
    .concat();
    send(&mut io, &all, *step).await?;
    let selected = read_selection(&mut io, offered).await?;
    if selected != method {
        return Err(ClientError::NotPipelined { selected, method });
    }

    *step = Step::Authentication;
    let finished = auth.finish(method, request.command, io).await;
    finished.map_err(auth_error)
}

/// Reads the method that the proxy selected.
async fn read_selection<Io>(io: &mut Io, offered: MethodSet) -> Result<Method, ClientError>
where
    Io: AsyncRead + Unpin,
{
    let selection = read_message(io, &mut [0; Selection::MAX_LEN]).await;
    let selection = selection.map_err(|error| read_error(Step::Greeting, error))?;
    answered();
    match selection {
        Selection {
            method: Method::NO_ACCEPTABLE,
        } => Err(ClientError::NoAcceptableMethod { offered }),
        Selection { method } => Ok(method),
    }
}

/// Reads a reply, and returns its BND if it is one of success.
pub(super) async fn read_reply<Io>(io: &mut Io, step: Step) -> Result<Address, ClientError>
where
    Io: AsyncRead + Unpin,
{
    let reply = read_message(io, &mut [0; ClientReply::MAX_LEN]).await;
    match reply.map_err(|error| read_error(step, error))? {
        ClientReply::Succeeded(bound) => Ok(bound),
        ClientReply::Failed(code) => Err(ClientError::Refused(code)),
    }
}

pub(super) async fn send<Io>(io: &mut Io, message: &[u8], step: Step) -> Result<(), ClientError>
where
    Io: AsyncWrite + Unpin,
{
    let write = async {
        io.write_all(message).await?;
        io.flush().await
    };
    write
        .await
        .map_err(|source| ClientError::Io { step, source })
}

pub(super) fn read_error(step: Step, error: ReadError) -> ClientError {
    match error {
        ReadError::Closed => ClientError::Closed { step },
        ReadError::Malformed(source) => ClientError::NotSocks { step, source },
        ReadError::Io(source) => ClientError::Io { step, source },
    }
}

/// Tells a denial and a broken stream apart from the other errors of a method.
fn auth_error(error: BoxError) -> ClientError {
    let step = Step::Authentication;
    let error = match error.downcast::<ReadError>() {
        Ok(error) => return read_error(step, *error),
        Err(error) => error,
    };
    let error = match error.downcast::<io::Error>() {
        Ok(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return ClientError::Closed { step };
        }
        Ok(error) => {
            let source = *error;
            return ClientError::Io { step, source };
        }
        Err(error) => error,
    };
    match error.downcast_ref() {
        Some(AuthError::Denied) => ClientError::Denied,
        Some(AuthError::NoAcceptableMethod | AuthError::Unproven(_) | AuthError::Verifier(_))
        | None => ClientError::Authentication(error),
    }
}
