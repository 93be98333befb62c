//! The execution of a request.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    task::Poll,
};

use crate::{
    error::BoxError,
    io::ClientStream,
    session::{Dial, Request},
};

/// Executes the request unless the client is gone first.
///
/// # Errors
///
/// If the client is gone. The outcome of the request is inside.
pub(crate) async fn dial<S, W>(
    service: S,
    request: Request,
    client: &mut W,
) -> io::Result<Result<S::Tunnel, BoxError>>
where
    S: Dial<Future: Send>,
    W: ClientStream,
{
    let mut dial = pin!(service.dial(request));
    poll_fn(|cx| match dial.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Ok(outcome)),
        Poll::Pending => match client.poll_closed(cx) {
            Poll::Ready(Err(gone)) => Poll::Ready(Err(gone)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        },
    })
    .await
}
