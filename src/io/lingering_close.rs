use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};

use super::scratch::with_scratch;

/// How long a peer may take to close its side, well within the 10 s of RFC 1928 section 6.
const LIMIT: Duration = Duration::from_secs(2);

/// Closes a stream so that what was written last arrives.
///
/// A socket that is closed while bytes of the peer are unread resets the connection, and the reset
/// may overtake the last message. So the write side is shut down first, and what the peer still
/// sends is discarded until it closes, for 2 seconds at most.
///
/// # Cancel safety
///
/// Dropping the future closes the stream at once.
pub async fn lingering_close<Io>(mut io: Io)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let close = async {
        if io.shutdown().await.is_ok() {
            let _ = poll_fn(|cx| poll_drain(cx, &mut io)).await;
        }
    };
    // Done or too slow: the stream is dropped in both cases.
    let _ = timeout(LIMIT, close).await;
}

/// Discards what comes. Ready at the end of the stream.
fn poll_drain<Io>(cx: &mut Context<'_>, io: &mut Io) -> Poll<io::Result<()>>
where
    Io: AsyncRead + Unpin,
{
    while ready!(poll_discard(cx, io))? {}
    Poll::Ready(Ok(()))
}

/// Discards what the source has; `false` at its end.
pub(crate) fn poll_discard<S>(cx: &mut Context<'_>, source: &mut S) -> Poll<io::Result<bool>>
where
    S: AsyncRead + Unpin,
{
    with_scratch(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(source).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(!buffer.filled().is_empty()))
    })
}
