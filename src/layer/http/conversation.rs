//! Requests and responses with a client, one after the other, by hyper.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::http1::{Builder, Connection},
    service::Service,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::{body::Body, gate::Gate, notes::Notes, problem::Problem};
use crate::io::PrefixedStream;

/// Octets that hyper keeps of one direction at most: a head of the longest kind fits.
pub(super) const BUFFER: usize = 64 * 1024;

/// A client's connection, once its first head is complete.
///
/// hyper runs inside it, and its owner decides what happens next: there is no service that is called, and no
/// task. A response is awaited like anything else.
pub(super) struct Conversation<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    connection: Connection<Gate<Io>, Post>,
    post: Post,
    notes: Notes,
    is_over: bool,
}

/// A request, and where its response goes.
pub(super) struct Asked {
    pub(super) request: Request<Incoming>,
    /// The request target as it was sent, or what is wrong with the request.
    pub(super) target: Result<String, Problem>,
    pub(super) reply: Reply,
}

/// Takes the response to a request.
pub(super) type Reply = oneshot::Sender<Response<Body>>;

/// Whether another request can follow a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Next,
    /// HTTP has nothing more to say on this connection.
    Over,
}

/// Why a conversation broke off.
#[derive(Debug)]
pub(super) enum Broken {
    /// The client's stream failed, or a body that it sent.
    Client(hyper::Error),
    /// The client's stream failed in the middle of a body that nobody reads.
    Gone(io::ErrorKind),
    /// The origin failed in the middle of its response.
    Origin(hyper::Error),
    /// The client takes no response.
    Stalled(Duration),
}

impl<Io> Conversation<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    pub(super) fn new(gate: Gate<Io>, notes: Notes) -> Self {
        let post = Post::default();
        let connection = Builder::new()
            .auto_date_header(false)
            .header_read_timeout(None)
            .max_buf_size(BUFFER)
            .serve_connection(gate, post.clone());
        Self {
            connection,
            post,
            notes,
            is_over: false,
        }
    }

    /// Waits for the next request; `None` once there will be none.
    pub(super) async fn next(&mut self) -> Result<Option<Asked>, Broken> {
        poll_fn(|cx| {
            let polled = self.poll(cx)?;
            if let Some((request, reply)) = self.post.take() {
                let target = self.notes.lock().head.take();
                return Poll::Ready(Ok(Some(Asked {
                    request,
                    target: target.unwrap_or(Err(Problem::Malformed("a request without a head"))),
                    reply,
                })));
            }
            let notes = self.notes.lock();
            match polled.is_ready() || (notes.ended && !notes.blocked) {
                true => Poll::Ready(Ok(None)),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Does something while the client is watched.
    pub(super) async fn during<F: Future>(&mut self, work: F) -> Result<F::Output, Broken> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            // A client that is over is not gone: it has half-closed.
            let _ = self.poll(cx)?;
            if let Some(kind) = self.notes.lock().gone {
                return Poll::Ready(Err(Broken::Gone(kind)));
            }
            work.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// Sends a response, for as long as the client takes it: it may stop for `patience`, and not longer. `work` is
    /// polled meanwhile, for what the response is made of.
    pub(super) async fn respond(
        &mut self,
        reply: Reply,
        response: Response<Body>,
        patience: Duration,
        mut work: impl FnMut(&mut Context<'_>),
    ) -> Result<Then, Broken> {
        self.notes.begin_response();
        // The connection has broken off if nobody takes it, and says so itself.
        let _ = reply.send(response.map(|body| body.noted(self.notes.clone())));
        let mut written = self.notes.lock().written;
        let mut stalled = pin!(sleep_until(Instant::now() + patience));
        poll_fn(|cx| {
            work(cx);
            if self.poll(cx)?.is_ready() {
                self.notes.lock().responding = false;
                return Poll::Ready(Ok(Then::Over));
            }
            let mut notes = self.notes.lock();
            let is_out = !notes.blocked || notes.is_cut;
            if let Some(error) = notes.failed.take_if(|_| is_out) {
                return Poll::Ready(Err(Broken::Origin(error)));
            }
            if notes.responded && !notes.blocked {
                notes.responding = false;
                return Poll::Ready(Ok(Then::Next));
            }
            while stalled.as_mut().poll(cx).is_ready() {
                if notes.blocked && notes.written == written {
                    return Poll::Ready(Err(Broken::Stalled(patience)));
                }
                written = notes.written;
                stalled.as_mut().reset(Instant::now() + patience);
            }
            Poll::Pending
        })
        .await
    }

    /// Lets the next head come.
    pub(super) fn allow_next(&mut self) {
        self.notes.lock().next = true;
    }

    /// What the gate has seen.
    pub(super) const fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Ends HTTP, and returns the client's stream with what has been read and belongs to no message.
    pub(super) fn into_stream(self) -> Option<PrefixedStream<Io>> {
        self.connection.into_parts().io.into_stream()
    }

    /// Polls hyper. Ready once it is done.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Broken> {
        if self.is_over {
            return Ok(Poll::Ready(()));
        }
        let polled = self.connection.poll_without_shutdown(cx);
        // Where nothing is left to read, hyper is done before the end of the response is out, and flushes when
        // it is polled again.
        let is_unflushed = matches!(polled, Poll::Ready(Ok(()))) && self.notes.lock().blocked;
        if is_unflushed {
            return Ok(Poll::Pending);
        }
        self.is_over = polled.is_ready();
        match polled {
            Poll::Ready(Err(error)) => Err(Broken::Client(error)),
            Poll::Ready(Ok(())) => Ok(Poll::Ready(())),
            Poll::Pending => Ok(Poll::Pending),
        }
    }
}

/// Takes requests from hyper.
#[derive(Clone, Default)]
struct Post(Arc<Mutex<Option<Letter>>>);

/// A request, and where its response goes.
type Letter = (Request<Incoming>, Reply);

impl Post {
    fn take(&self) -> Option<Letter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Service<Request<Incoming>> for Post {
    type Response = Response<Body>;
    type Error = oneshot::error::RecvError;
    type Future = oneshot::Receiver<Response<Body>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (reply, response) = oneshot::channel();
        let mut post = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *post = Some((request, reply));
        response
    }
}

impl Broken {
    /// Whether it was what the response is made of, and not the client.
    pub(super) fn is_of_origin(&self) -> bool {
        match self {
            Self::Client(error) => error.is_user(),
            Self::Origin(_) => true,
            Self::Gone(_) | Self::Stalled(_) => false,
        }
    }
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Client(error) | Broken::Origin(error) => Self::other(error),
            Broken::Gone(kind) => kind.into(),
            Broken::Stalled(patience) => Self::new(
                io::ErrorKind::TimedOut,
                format!("the client took nothing of a response for {patience:?}"),
            ),
        }
    }
}
