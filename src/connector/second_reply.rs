//! The second half of BIND: the wait for the peer, the second reply (RFC 1928 section 6) in the client's protocol,
//! the relay.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    task::Poll,
};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    error::{Fault, Refusal},
    io::{ClientStream, MeteredStream, refuse, write_reply},
    proto::{Address, ReplyCode},
    relay::{Relay, Traffic},
    session::Replies,
};

/// Waits for `peer`, a stream and the address that it comes from, sends the client the second reply,
/// and relays.
///
/// The wait ends early when the client closes. `peer` is dropped, and with it the listener, before
/// the reply leaves.
///
/// # Errors
///
/// Those of `peer` and of the relay, and when the client is gone.
#[expect(
    clippy::manual_async_fn,
    reason = "the future of an async fn has room for its parameters twice"
)]
pub(super) fn second_reply<W, Io>(
    mut client: W,
    peer: impl Future<Output = io::Result<(Io, Address)>> + Send,
    replies: Replies,
    relay: Relay,
) -> impl Future<Output = io::Result<Traffic>> + Send
where
    W: ClientStream,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    async move {
        let outcome = {
            let mut peer = pin!(peer);
            poll_fn(|cx| match peer.as_mut().poll(cx) {
                Poll::Ready(outcome) => Poll::Ready(outcome),
                Poll::Pending => client.poll_closed(cx).map(|closed| Err(left(closed))),
            })
            .await
        };
        match outcome {
            Ok((stream, bound)) => {
                // A reply is no traffic: it counts for no quota and waits for no bandwidth.
                let meters = MeteredStream::take(&mut client);
                write_reply(&mut client, &replies.success(bound)).await?;
                MeteredStream::give_back(&mut client, meters);
                relay.run(client, stream).await
            }
            Err(error) => {
                drop(MeteredStream::take(&mut client));
                refuse(client, &replies.failure(&error)).await;
                Err(error)
            }
        }
    }
}

/// The error of a wait that the client has ended.
fn left(closed: io::Result<()>) -> io::Error {
    closed.err().unwrap_or_else(|| {
        let code = ReplyCode::GENERAL_FAILURE;
        let refusal = Refusal::new(code, "the client closed before the peer came");
        io::Error::other(refusal.with_fault(Fault::Client))
    })
}
