//! The control connection of an association, on which nothing is to be sent (RFC 1928 section 7).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::prefixed_stream::LARGE;

/// Octets that the peer may send all the same, which mean nothing: some send one now and then, to keep
/// a NAT from forgetting the connection.
const MOST: usize = 64 * 1024;

/// Octets that are read at once. It is little, since they have come before anybody counts them, and enough for a buffer
/// of what was read ahead to be freed.
const AT_ONCE: usize = LARGE;

/// Reads from control connections until they end.
#[derive(Debug, Default)]
pub(crate) struct Control {
    heard: usize,
}

impl Control {
    pub(crate) const fn new() -> Self {
        Self { heard: 0 }
    }

    /// Discards what comes, and calls `each` with the number of octets. Ready at the end of the stream.
    ///
    /// # Errors
    ///
    /// That of the stream or of `each`, and when the peer sends too much.
    pub(crate) fn poll_end<Io>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
        mut each: impl FnMut(usize) -> io::Result<()>,
    ) -> Poll<io::Result<()>>
    where
        Io: AsyncRead + Unpin,
    {
        loop {
            let mut room = [std::mem::MaybeUninit::uninit(); AT_ONCE];
            let mut room = ReadBuf::uninit(&mut room);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut room))?;
            let octets = room.filled().len();
            if octets == 0 {
                return Poll::Ready(Ok(()));
            }
            each(octets)?;
            self.heard += octets;
            if self.heard > MOST {
                let error = format!("more than {MOST} octets on a control connection");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
        }
    }
}
