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
        let len = match ready!(self.poll_head(cx, io))? {
            Some(GssapiHeader::Data(len)) => len,
            Some(other) => return Poll::Ready(Err(invalid(Unexpected(other)))),
            None => return Poll::Ready(Ok(None)),
        };
        self.poll_body(cx, io, len).map_ok(Some)
    }

    /// Polls for the head of the next message; `None` at the end of the stream. It stays until the token has come.
    ///
    /// # Errors
    ///
    /// That of the stream; where the stream ends within a head; where it is none.
    pub(super) fn poll_head<Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
    ) -> Poll<io::Result<Option<GssapiHeader>>>
    where
        Io: AsyncRead + Unpin,
    {
        loop {
            let have = self.head.get(..self.filled).unwrap_or_default();
            let missing = match GssapiHeader::decode(have).map_err(invalid)? {
                Decoded::Done(head, _) => return Poll::Ready(Ok(Some(head))),
                Decoded::Need(missing) => missing,
            };
            let room = self.head.get_mut(self.filled..self.filled + missing);
            match ready!(poll_some(cx, io, room.unwrap_or_default()))? {
                0 if self.filled == 0 => return Poll::Ready(Ok(None)),
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                read => self.filled += read,
            }
        }
    }

    /// Polls for the token behind a head, which says its length.
    ///
    /// # Errors
    ///
    /// That of the stream; where the stream ends before.
    pub(super) fn poll_body<Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
        len: u16,
    ) -> Poll<io::Result<Vec<u8>>>
    where
        Io: AsyncRead + Unpin,
    {
        let len = usize::from(len);
        while self.arrived < len {
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
        self.filled = 0;
        self.arrived = 0;
        Poll::Ready(Ok(std::mem::take(&mut self.token)))
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

/// A message that has no place here.
#[derive(Debug)]
pub(super) struct Unexpected(pub(super) GssapiHeader);

impl std::fmt::Display for Unexpected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            GssapiHeader::Abort => "peer aborted",
            GssapiHeader::Context(_) => "token of a context where another message was due",
            GssapiHeader::Level(_) => "protection level where another message was due",
            GssapiHeader::Data(_) => "data where a message of the sub-negotiation was due",
        })
    }
}

impl std::error::Error for Unexpected {}

pub(super) fn invalid(error: impl Into<crate::error::BoxError>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
