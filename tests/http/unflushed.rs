//! A client that takes nothing, behind a stream that takes everything, as one of TLS does.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    time::{Instant, sleep, timeout},
};
use tower::ServiceExt;
use tower_socks::{NoAuth, UserPass, Users, session::Accepted};

use super::stack;
use crate::support::targets::targets;

/// Takes what is written, and never has it out.
struct Unflushed(DuplexStream);

impl AsyncRead for Unflushed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Unflushed {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// How long the session lasts of a client that sends these pieces, and takes nothing.
async fn lasts(users: bool, pieces: &[&[u8]]) -> Duration {
    let (mut client, server) = tokio::io::duplex(4096);
    let peer = ([192, 0, 2, 1], 50_000).into();
    let accepted = Accepted::new(Unflushed(server), peer, ([192, 0, 2, 9], 8080).into());
    let started = Instant::now();
    let service = targets().0;
    let session = match users {
        true => {
            let users: Users = [("joe", "secret")].into_iter().collect();
            tokio::spawn(stack(UserPass::new(users), service).oneshot(accepted))
        }
        false => tokio::spawn(stack(NoAuth, service).oneshot(accepted)),
    };
    for piece in pieces {
        client.write_all(piece).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    let limit = Duration::from_secs(3600);
    let _ = timeout(limit, session).await.expect("an end");
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_holds_its_place_for_a_time() {
    let head: &[&[u8]] = &[
        b"GET http://192.0.2.1/ HT",
        b"TP/1.1\r\nHost: 192.0.2.1\r\n\r\n",
    ];
    let one: &[&[u8]] = &[b"GET http://192.0.2.1/ HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"];
    for pieces in [head, one] {
        // The page of 407, under the deadline, and its close.
        let lasted = lasts(true, pieces).await;
        assert!(lasted < Duration::from_secs(25), "{lasted:?}");
        // A forwarded request whose origin says nothing is held as any tunnel is.
        let lasted = lasts(false, pieces).await;
        assert!(lasted < Duration::from_secs(150), "{lasted:?}");
    }
}
