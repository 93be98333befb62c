//! The dialogue, in the order in which RFC 1928 has it, as a client holds it.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::{ClientAuth, ClientError, reply::Answer};
use crate::{
    error::{AuthError, BoxError, Step},
    io::{ReadError, read_message},
    proto::{Address, Decode, Greeting, Method, MethodSet, Request, Selection},
};

/// Who speaks when.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// One message, one answer.
    Turns,
    /// Everything at once, where the method can do that.
    Optimistic,
}

/// Holds the dialogue up to the reply: the stream behind it, and BND.
pub(super) async fn ask<L, Io>(
    login: &L,
    pace: Pace,
    io: Io,
    request: &Request,
    step: &mut Step,
) -> Result<(L::Stream, Address), ClientError>
where
    L: ClientAuth<Io>,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let pipelined = match pace {
        Pace::Turns => None,
        Pace::Optimistic => login.pipelined(),
    };
    let mut io = match pipelined {
        Some(method) => go_ahead(login, method, io, request, step).await?,
        None => take_turns(login, io, request, step).await?,
    };
    *step = Step::Reply;
    let bound = answer(&mut io, *step).await?;
    Ok((io, bound))
}

/// Greeting, sub-negotiation and request, each once the one before it is answered.
async fn take_turns<L, Io>(
    login: &L,
    mut io: Io,
    request: &Request,
    step: &mut Step,
) -> Result<L::Stream, ClientError>
where
    L: ClientAuth<Io>,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let offered = login.offers();
    send(&mut io, &Greeting { methods: offered }.encode(), *step).await?;
    let selected = selection(&mut io, offered).await?;
    if !offered.contains(selected) {
        return Err(ClientError::NotOffered { selected, offered });
    }

    *step = Step::Authentication;
    let said = login.say(selected);
    if !said.is_empty() {
        send(&mut io, &said, *step).await?;
    }
    let mut io = login.hear(selected, io).await.map_err(login_error)?;

    *step = Step::Request;
    send(&mut io, &request.encode(), *step).await?;
    Ok(io)
}

/// The same in one write, in the belief that the proxy selects `method` and lets us in.
async fn go_ahead<L, Io>(
    login: &L,
    method: Method,
    mut io: Io,
    request: &Request,
    step: &mut Step,
) -> Result<L::Stream, ClientError>
where
    L: ClientAuth<Io>,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let offered = MethodSet::from(method);
    let greeting = Greeting { methods: offered };
    let all = [&*greeting.encode(), &login.say(method), &request.encode()].concat();
    send(&mut io, &all, *step).await?;
    let selected = selection(&mut io, offered).await?;
    if selected != method {
        return Err(ClientError::NotPipelined { selected, method });
    }

    *step = Step::Authentication;
    login.hear(method, io).await.map_err(login_error)
}

/// The method that the proxy selected.
async fn selection<Io>(io: &mut Io, offered: MethodSet) -> Result<Method, ClientError>
where
    Io: AsyncRead + Unpin,
{
    let selection = read_message(io, &mut [0; Selection::MAX_LEN]).await;
    match selection.map_err(|error| read_error(Step::Greeting, error))? {
        Selection {
            method: Method::NO_ACCEPTABLE,
        } => Err(ClientError::NoAcceptableMethod { offered }),
        Selection { method } => Ok(method),
    }
}

/// BND of the next reply, if it says yes.
pub(super) async fn answer<Io>(io: &mut Io, step: Step) -> Result<Address, ClientError>
where
    Io: AsyncRead + Unpin,
{
    let answer = read_message(io, &mut [0; Answer::MAX_LEN]).await;
    match answer.map_err(|error| read_error(step, error))? {
        Answer::Yes(bound) => Ok(bound),
        Answer::No(code) => Err(ClientError::Refused(code)),
    }
}

async fn send<Io>(io: &mut Io, message: &[u8], step: Step) -> Result<(), ClientError>
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

fn read_error(step: Step, error: ReadError) -> ClientError {
    match error {
        ReadError::Closed => ClientError::Closed { step },
        ReadError::Malformed(source) => ClientError::NotSocks { step, source },
        ReadError::Io(source) => ClientError::Io { step, source },
    }
}

/// What is known of why a method failed.
fn login_error(error: BoxError) -> ClientError {
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
        Some(AuthError::NoAcceptableMethod | AuthError::Verifier(_)) | None => {
            ClientError::Authentication(error)
        }
    }
}
