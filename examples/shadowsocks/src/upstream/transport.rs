use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use shadowsocks::{
    ProxySocket,
    net::UdpSocket,
    relay::udprelay::{options::UdpSocketControlData, proxy_socket::UdpSocketType},
};
use tower::Service;
use tower_socks::{
    BoxError, Refusal, Request,
    datagram::{DatagramTransport, Datagrams},
    io::DropReason,
    proto::Address,
};

use super::server_sessions::ServerSessions;
use crate::{
    address::theirs,
    keys::{Keys, random_id},
    receive::{is_passing, poll_receive},
};

/// Datagrams that are received in one turn.
const BATCH: usize = 32;

/// Makes a transport through a shadowsocks server for each association:
/// [`ShadowsocksUpstream::into_transports`](super::ShadowsocksUpstream::into_transports).
#[derive(Clone)]
pub struct MakeShadowsocks {
    keys: Keys,
}

impl MakeShadowsocks {
    pub(super) const fn new(keys: Keys) -> Self {
        Self { keys }
    }
}

impl Service<Request> for MakeShadowsocks {
    type Response = ShadowsocksTransport;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<ShadowsocksTransport, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Keys {
            server,
            config,
            context,
        } = self.keys.clone();
        Box::pin(async move {
            let any = match server.is_ipv4() {
                true => "0.0.0.0:0",
                false => "[::]:0",
            };
            let socket = tokio::net::UdpSocket::bind(any).await?;
            socket.connect(server).await?;
            let (client, socket) = (UdpSocketType::Client, UdpSocket::from(socket));
            let mut control = UdpSocketControlData::default();
            control.client_session_id = random_id();
            Ok(ShadowsocksTransport {
                socket: ProxySocket::from_socket(client, context, &config, socket),
                request,
                control,
                servers: ServerSessions::default(),
            })
        })
    }
}

/// The datagrams of one association, as a session at a shadowsocks server.
///
/// The policies are asked about each of them. The filtering is the server's.
pub struct ShadowsocksTransport {
    socket: ProxySocket<UdpSocket>,
    request: Request,
    /// Our session, and the number of the next datagram.
    control: UdpSocketControlData,
    servers: ServerSessions,
}

impl ShadowsocksTransport {
    /// Whether a datagram may go to `target`: the very address or name that the server gets.
    fn approve(&self, target: &Address) -> Result<(), Refusal> {
        let datagram = self.request.for_datagram(target.clone())?;
        match target {
            Address::Ip(address) => datagram.approve(*address),
            Address::Name(..) => datagram.approve_name(),
        }
    }

    fn poll_send_one(
        &mut self,
        cx: &mut Context<'_>,
        target: &Address,
        payload: &[u8],
    ) -> Poll<Result<(), DropReason>> {
        let target = self.request.complete(target.clone());
        if let Err(refusal) = self.approve(&target) {
            tracing::debug!(%target, %refusal, "datagram refused");
            return Poll::Ready(Err(DropReason::Refused));
        }
        let (to, control) = (theirs(&target), &self.control);
        let sent = ready!(self.socket.poll_send_with_ctrl(&to, control, payload, cx));
        self.control.packet_id += 1;
        // Too large with what goes around it, or there is no server now.
        Poll::Ready(sent.map(drop).map_err(|_| DropReason::Unsendable))
    }
}

impl DatagramTransport for ShadowsocksTransport {
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        loop {
            let sent = match out.iter().next() {
                Some((target, payload)) => ready!(self.poll_send_one(cx, target, payload)),
                None => return Poll::Ready(Ok(())),
            };
            out.take_first(1);
            if let Err(reason) = sent {
                out.dropped(reason, 1);
            }
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        let Self {
            socket,
            control,
            servers,
            ..
        } = self;
        while into.len() < BATCH {
            let received = poll_receive(socket, cx, |datagram| {
                let session = &datagram.control;
                let is_ours = session.client_session_id == control.client_session_id;
                if is_ours && servers.take(session.server_session_id, session.packet_id) {
                    into.push(datagram.address, datagram.payload);
                } else {
                    into.dropped(DropReason::Stranger, 1);
                }
            });
            match received {
                Poll::Ready(Ok(Some(()))) => {}
                Poll::Ready(Ok(None)) => into.dropped(DropReason::Malformed, 1),
                Poll::Ready(Err(error)) if is_passing(&error) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        match into.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    }
}
