use std::{future::poll_fn, io, pin::pin, task::Poll, time::Duration};

use tokio::time::{Instant, sleep};
use tower_socks::{
    Traffic, Tunnel,
    datagram::{DatagramTransport, Datagrams},
    io::ClientStream,
    proto::Address,
};

use super::session::Outlet;

/// Moves the datagrams of one session: the tunnel of [`Sessions`](super::Sessions).
pub struct SessionTunnel<D> {
    pub(super) transport: D,
    pub(super) session: Outlet,
    pub(super) idle: Duration,
}

impl<D: DatagramTransport> Tunnel for SessionTunnel<D> {
    fn bound(&self) -> Address {
        Address::UNSPECIFIED
    }

    // There is no stream: a session ends when its client has been silent for too long.
    async fn run<W: ClientStream>(self, _: W) -> io::Result<Traffic> {
        let Self {
            mut transport,
            mut session,
            idle,
        } = self;
        let mut traffic = Traffic::default();
        let (mut out, mut heard) = (Datagrams::new(), Datagrams::new());
        let mut is_sending = false;
        let mut silence = pin!(sleep(idle));
        loop {
            let has_heard = poll_fn(|cx| {
                if !is_sending && let Poll::Ready(taken) = session.poll_take(cx, &mut out) {
                    let Some(octets) = taken else {
                        return Poll::Ready(Ok(false));
                    };
                    traffic.up += octets;
                    silence.as_mut().reset(Instant::now() + idle);
                    is_sending = true;
                }
                if is_sending && let Poll::Ready(sent) = transport.poll_send(cx, &mut out) {
                    sent?;
                    is_sending = false;
                    // There may be more, once what has come back has had its turn.
                    cx.waker().wake_by_ref();
                }
                if transport.poll_recv(cx, &mut heard)?.is_ready() {
                    return Poll::Ready(Ok(true));
                }
                silence
                    .as_mut()
                    .poll(cx)
                    .map(|()| Ok::<_, io::Error>(false))
            });
            if !has_heard.await? {
                return Ok(traffic);
            }
            for (source, payload) in heard.iter() {
                if session.send(source, payload).await {
                    traffic.down += payload.len() as u64;
                }
            }
            heard.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        task::{Context, Poll},
        time::Duration,
    };

    use tokio::time::{Instant, sleep};
    use tower_socks::{
        Tunnel,
        datagram::{DatagramTransport, Datagrams},
        io::PrefixedStream,
    };

    use super::SessionTunnel;
    use crate::server::session::tests::{inlet_and_outlet, received};

    /// Takes everything, and hears nothing.
    struct Silent;

    impl DatagramTransport for Silent {
        fn poll_send(&mut self, _: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
            out.clear();
            Poll::Ready(Ok(()))
        }

        fn poll_recv(&mut self, _: &mut Context<'_>, _: &mut Datagrams) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_its_client_has_been_silent_for_too_long() {
        let (inlet, session) = inlet_and_outlet().await;
        let tunnel = SessionTunnel {
            transport: Silent,
            session,
            idle: Duration::from_secs(300),
        };
        let started = Instant::now();
        let running = tokio::spawn(tunnel.run(PrefixedStream::new(tokio::io::duplex(1).0)));
        for _ in 0..3 {
            sleep(Duration::from_secs(200)).await;
            inlet.push(received(b"alive"));
        }
        assert_eq!(running.await.unwrap().unwrap().up, 15);
        assert_eq!(started.elapsed().as_secs(), 600 + 300);
        assert!(inlet.is_closed());
    }
}
