//! One request to an origin, through a tunnel of its own.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::atomic::Ordering,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, Connection},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until},
};

use super::{
    conversation::BUFFER,
    notes::Notes,
    outgoing::{Upload, Watch},
    pipe::{Near, pipe},
};
use crate::{
    error::{BoxError, find},
    io::{PrefixedStream, poll_discard},
    relay::{RelayError, RelayErrorKind, Traffic},
    session::Tunnel,
};

/// For how long the end of the tunnel is awaited, once the response is complete.
const END: Duration = Duration::from_millis(500);

/// For how long it is awaited while the client has another request.
const END_BEFORE_NEXT: Duration = Duration::from_millis(50);

/// A tunnel that runs, and hyper at its near end.
pub(super) struct Exchange {
    tunnel: Option<Running>,
    outcome: Option<io::Result<Traffic>>,
    connection: Option<Connection<TokioIo<Near>, Upload>>,
    is_done: bool,
    near: Near,
    watch: Watch,
    notes: Notes,
    /// Whether the client has asked for another protocol.
    upgrades: bool,
    is_half_closed: bool,
}

/// A tunnel that runs.
pub(super) type Running = Pin<Box<dyn Future<Output = io::Result<Traffic>> + Send>>;

/// Why there is no response.
#[derive(Debug)]
pub(super) enum NoResponse {
    /// hyper has given up.
    Broken(hyper::Error),
    /// Interim responses without end.
    Flood,
}

impl From<NoResponse> for BoxError {
    fn from(none: NoResponse) -> Self {
        match none {
            NoResponse::Broken(error) => error.into(),
            NoResponse::Flood => "interim responses without end".into(),
        }
    }
}

impl Exchange {
    /// Sends the request, and awaits the head of the response.
    pub(super) async fn begin<T>(
        tunnel: T,
        request: Request<Upload>,
        upgrades: bool,
        watch: &Watch,
        notes: &Notes,
    ) -> (Self, Result<Response<Incoming>, NoResponse>)
    where
        T: Tunnel + 'static,
    {
        notes.lock().is_cut = false;
        let (near, far) = pipe();
        let mut exchange = Self {
            tunnel: Some(Box::pin(tunnel.run(PrefixedStream::new(far)))),
            outcome: None,
            connection: None,
            is_done: false,
            near: near.clone(),
            watch: watch.clone(),
            notes: notes.clone(),
            upgrades,
            is_half_closed: false,
        };
        let begun = Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(near))
            .await;
        let mut sender = match begun {
            Ok((sender, connection)) => {
                exchange.connection = Some(connection);
                sender
            }
            Err(error) => return (exchange, Err(NoResponse::Broken(error))),
        };
        let response = {
            let mut response = pin!(sender.send_request(request));
            poll_fn(|cx| {
                exchange.poll(cx);
                if watch.is_flooded() {
                    return Poll::Ready(Err(NoResponse::Flood));
                }
                response.as_mut().poll(cx).map_err(NoResponse::Broken)
            })
            .await
        };
        (exchange, response)
    }

    /// Moves bytes.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && !self.is_done
        {
            // How it failed, the response says, or its body.
            self.is_done = connection.poll_without_shutdown(cx).is_ready();
        }
        if !self.is_half_closed && self.has_nothing_to_say() {
            self.is_half_closed = Pin::new(&mut self.near).poll_shutdown(cx).is_ready();
        }
        if let Some(tunnel) = &mut self.tunnel
            && let Poll::Ready(outcome) = tunnel.as_mut().poll(cx)
        {
            self.tunnel = None;
            if let Err(error) = &outcome {
                let kind = find::<RelayError>(error).map(RelayError::kind);
                self.notes.lock().is_cut = kind != Some(RelayErrorKind::Target);
                self.near.break_off();
            }
            self.outcome = Some(outcome);
        }
    }

    /// Whether the client has ended its direction, and its request is out: then so does the tunnel, whose limit on
    /// half-closed ones it is up to.
    fn has_nothing_to_say(&self) -> bool {
        let notes = self.notes.lock();
        // What is behind a request for another protocol is for the origin.
        notes.half_closed
            && !(self.upgrades && notes.ahead)
            && self.watch.uploaded.load(Ordering::Relaxed)
            && self.near.is_flushed()
    }

    /// Ends the tunnel, since the response is complete: an origin that keeps its end open is left. Returns how the tunnel
    /// ended, if it did by itself.
    pub(super) async fn finish(mut self) -> Option<io::Result<Traffic>> {
        let Some(connection) = self.connection.take() else {
            return self.outcome;
        };
        let mut near = connection.into_parts().io.into_inner();
        let Some(tunnel) = &mut self.tunnel else {
            return self.outcome;
        };
        let end = async {
            let _ = near.shutdown().await;
            poll_fn(|cx| {
                // What comes behind a response is nobody's.
                while let Poll::Ready(Ok(true)) = poll_discard(cx, &mut near) {}
                tunnel.as_mut().poll(cx)
            })
            .await
        };
        let started = Instant::now();
        let notes = &self.notes;
        let next = async {
            // Who watches the client wakes this one.
            poll_fn(|_| match notes.lock().ahead {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            sleep_until(started + END_BEFORE_NEXT).await;
        };
        tokio::select! {
            biased;
            outcome = end => Some(outcome),
            () = next => None,
            () = sleep_until(started + END) => None,
        }
    }

    /// How the tunnel has ended, if it has.
    pub(super) const fn outcome(&mut self) -> Option<io::Result<Traffic>> {
        self.outcome.take()
    }

    /// Ends HTTP. Returns the tunnel, and its near end with what was read behind the response.
    pub(super) fn into_parts(self) -> Option<(Running, PrefixedStream<Near>)> {
        let parts = self.connection?.into_parts();
        let near = PrefixedStream::with_bytes(parts.io.into_inner(), parts.read_buf.to_vec());
        Some((self.tunnel?, near))
    }
}
