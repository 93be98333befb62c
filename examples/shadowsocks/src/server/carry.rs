//! A session between its client, in datagrams of shadowsocks, and a stack, in frames.

use std::{convert::Infallible, future::poll_fn, io};

use tokio::io::DuplexStream;
use tower_socks::{
    client::ProxySocket,
    datagram::{DatagramTransport, Datagrams},
    proto::Address,
};

use super::session::{FRAMES, Outlet};
use crate::address::theirs;

impl Outlet {
    /// Moves datagrams between the client and a stack that takes them in frames, until the stack has ended.
    pub(super) async fn carry(mut self, frames: DuplexStream) -> io::Result<Infallible> {
        let mut frames = ProxySocket::over_stream(frames, FRAMES);
        let (mut out, mut heard) = (Datagrams::new(), Datagrams::new());
        let mut is_sending = false;
        loop {
            let receiving = poll_fn(|cx| {
                if !is_sending && self.poll_take(cx, &mut out).is_ready() {
                    is_sending = true;
                }
                if is_sending && frames.poll_send(cx, &mut out)?.is_ready() {
                    is_sending = false;
                    // There may be more, once what has come back has had its turn.
                    cx.waker().wake_by_ref();
                }
                frames.poll_recv(cx, &mut heard)
            });
            receiving.await?;
            for (source, payload) in heard.iter() {
                self.send(source, payload).await;
            }
            heard.clear();
        }
    }

    /// Sends a datagram to the client, as one from `source`. One that cannot be sent is dropped.
    async fn send(&mut self, source: &Address, payload: &[u8]) {
        let peer = self.peer();
        let (source, control) = (theirs(source), &self.control);
        let sent = self
            .socket
            .send_to_with_ctrl(peer, &source, control, payload)
            .await;
        self.control.packet_id += 1;
        if let Err(error) = sent {
            tracing::debug!(%error, "datagram to a client");
        }
    }
}
