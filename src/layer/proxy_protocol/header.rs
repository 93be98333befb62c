//! Reading a header.

use std::{error::Error, fmt, io};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    io::{CAPACITY, PrefixedStream},
    proto::{self, Decode, Decoded, ProxyHeader},
};

/// Why there is no header.
#[derive(Debug)]
pub(super) enum HeaderError {
    Malformed(proto::Error),
    TooLong { len: usize, most: usize },
    Ended,
    Late,
    Io(io::Error),
}

/// Reads a header of at most `most` octets. What is behind it stays in the stream. `None` for a peer that has closed
/// without a word.
///
/// # Cancel safety
///
/// Not cancel safe.
pub(super) async fn read<Io: AsyncRead + Unpin>(
    io: &mut PrefixedStream<Io>,
    most: usize,
) -> Result<Option<ProxyHeader>, HeaderError> {
    loop {
        let octets = io.buffered();
        if let Some(len) = ProxyHeader::stated_len(octets).filter(|len| *len > most) {
            return Err(HeaderError::TooLong { len, most });
        }
        let missing = match ProxyHeader::decode(octets).map_err(HeaderError::Malformed)? {
            Decoded::Done(header, taken) => {
                io.consume(taken);
                return Ok(Some(header));
            }
            Decoded::Need(missing) => missing,
        };
        let len = octets.len() + missing;
        if len > CAPACITY {
            return read_long(io, len).await.map(Some);
        }
        let is_silent = octets.is_empty();
        match io.read_ahead().await {
            Ok(true) => {}
            Ok(false) if is_silent => return Ok(None),
            // A check of the port alone, which has no use for an orderly end.
            Err(error) if is_silent && error.kind() == io::ErrorKind::ConnectionReset => {
                return Ok(None);
            }
            Ok(false) => return Err(HeaderError::Ended),
            Err(error) => return Err(HeaderError::Io(error)),
        }
    }
}

/// Reads a header that the buffer has no room for. Its memory grows with the octets that have come.
async fn read_long<Io: AsyncRead + Unpin>(
    io: &mut PrefixedStream<Io>,
    len: usize,
) -> Result<ProxyHeader, HeaderError> {
    let mut frame = io.buffered().to_vec();
    io.consume(frame.len());
    let missing = len.saturating_sub(frame.len());
    let mut rest = io.take(u64::try_from(missing).unwrap_or(u64::MAX));
    rest.read_to_end(&mut frame)
        .await
        .map_err(HeaderError::Io)?;
    match ProxyHeader::decode(&frame).map_err(HeaderError::Malformed)? {
        Decoded::Done(header, _) => Ok(header),
        Decoded::Need(_) => Err(HeaderError::Ended),
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::TooLong { len, most } => {
                write!(f, "PROXY header of {len} octets, where {most} are taken")
            }
            Self::Ended => f.write_str("closed within a PROXY header"),
            Self::Late => f.write_str("no PROXY header in time"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for HeaderError {}
