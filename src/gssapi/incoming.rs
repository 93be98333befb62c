use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::proto::{Decode, Decoded, GssapiHeader};

/// Octets of a token for which there is room before the first of them has come. Then the room is doubled.
const FIRST: usize = 4 * 1024;

/// Reads whole messages, and no octet of the next.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    head: [u8; GssapiHeader::MAX_LEN],
    /// The octets of `head` that have come.
    filled: usize,
    /// Room for the token. It grows with what has come: nobody gets memory for a length alone.
    token: Vec<u8>,
    /// The octets of `token` that have come.
    arrived: usize,
}

impl Incoming {
    /// Polls for the token of the next message of data; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// That of the stream; where the stream ends within a message; where a message is no data.
    pub(super) fn poll_token<Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
    ) -> Poll<io::Result<Option<Vec<u8>>>>
    where
        Io: AsyncRead + Unpin,
    {
        loop {
            let have = self.head.get(..self.filled).unwrap_or_default();
            let len = match GssapiHeader::decode(have).map_err(invalid)? {
                Decoded::Done(GssapiHeader::Data(len), _) => usize::from(len),
                Decoded::Done(other, _) => return Poll::Ready(Err(invalid(Unexpected(other)))),
                Decoded::Need(missing) => {
                    let room = self.head.get_mut(self.filled..self.filled + missing);
                    match ready!(poll_some(cx, io, room.unwrap_or_default()))? {
                        0 if self.filled == 0 => return Poll::Ready(Ok(None)),
                        0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                        read => self.filled += read,
                    }
                    continue;
                }
            };
            if self.arrived == len {
                self.filled = 0;
                self.arrived = 0;
                return Poll::Ready(Ok(Some(std::mem::take(&mut self.token))));
            }
            if self.arrived == self.token.len() {
                let more = self.arrived.max(FIRST);
                self.token.resize(len.min(self.arrived + more), 0);
            }
            let room = self.token.get_mut(self.arrived..).unwrap_or_default();
            match ready!(poll_some(cx, io, room))? {
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                read => self.arrived += read,
            }
        }
    }
}

/// Reads what has come and fits; 0 at the end.
fn poll_some<Io>(cx: &mut Context<'_>, io: &mut Io, room: &mut [u8]) -> Poll<io::Result<usize>>
where
    Io: AsyncRead + Unpin,
{
    let mut room = ReadBuf::new(room);
    ready!(Pin::new(io).poll_read(cx, &mut room))?;
    Poll::Ready(Ok(room.filled().len()))
}

/// A message that has no place behind the sub-negotiation.
#[derive(Debug)]
struct Unexpected(GssapiHeader);

impl std::fmt::Display for Unexpected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            GssapiHeader::Abort => "peer aborted",
            _ => "message of the sub-negotiation where data was due",
        })
    }
}

impl std::error::Error for Unexpected {}

pub(super) fn invalid(error: impl Into<crate::error::BoxError>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
