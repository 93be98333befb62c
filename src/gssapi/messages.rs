//! The messages of the sub-negotiation, on both sides.

use std::{fmt, future::poll_fn, io};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::incoming::{Incoming, Unexpected};
use crate::{
    error::{BoxError, find},
    io::ReadError,
    proto::{self, GssapiHeader},
};

/// The most tokens that one side takes from the other until the context stands. Kerberos takes one or two.
pub(crate) const ROUNDS: usize = 8;

/// What is due in the sub-negotiation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    Context,
    Level,
}

/// Why a token did not come.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// The peer refuses us (RFC 1961 section 3.8).
    Aborted,
    /// Another message came.
    Unexpected(GssapiHeader),
    /// The stream ended, or failed, or what came is no message.
    Read(ReadError),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => Unexpected(GssapiHeader::Abort).fmt(f),
            Self::Unexpected(head) => Unexpected(*head).fmt(f),
            Self::Read(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TokenError {}

/// Reads the token of the message that is due, and no octet behind it.
///
/// # Errors
///
/// As soon as the head says that it is another message.
///
/// # Cancel safety
///
/// What was read is lost with the future.
pub(crate) async fn read_token<Io>(io: &mut Io, due: Due) -> Result<Vec<u8>, TokenError>
where
    Io: AsyncRead + Unpin,
{
    let mut incoming = Incoming::default();
    let head = poll_fn(|cx| incoming.poll_head(cx, io)).await;
    let head = head.map_err(failed)?;
    let len = match (head, due) {
        (Some(GssapiHeader::Context(len)), Due::Context)
        | (Some(GssapiHeader::Level(len)), Due::Level) => len,
        (Some(GssapiHeader::Abort), _) => return Err(TokenError::Aborted),
        (Some(other), _) => return Err(TokenError::Unexpected(other)),
        (None, _) => return Err(TokenError::Read(ReadError::Closed)),
    };
    let token = poll_fn(|cx| incoming.poll_body(cx, io, len)).await;
    token.map_err(failed)
}

fn failed(error: io::Error) -> TokenError {
    TokenError::Read(match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Closed,
        _ => match find::<proto::Error>(&error) {
            Some(malformed) => ReadError::Malformed(*malformed),
            None => ReadError::Io(error),
        },
    })
}

/// Writes a message with a token.
///
/// # Errors
///
/// That of the stream, or that the token is longer than a message can be.
///
/// # Cancel safety
///
/// A part of the message may have been written.
pub(crate) async fn write_token<Io>(io: &mut Io, due: Due, token: &[u8]) -> Result<(), BoxError>
where
    Io: AsyncWrite + Unpin,
{
    let Ok(len) = u16::try_from(token.len()) else {
        return Err("mechanism made a token above 65535 octets".into());
    };
    let head = match due {
        Due::Context => GssapiHeader::Context(len),
        Due::Level => GssapiHeader::Level(len),
    };
    io.write_all(&[&*head.encode(), token].concat()).await?;
    Ok(io.flush().await?)
}
