//! A tunnel in memory: a client's stream that takes so much and no more, and a transport that does what it is told.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    task::JoinHandle,
};
use tower::{Service, ServiceExt, service_fn};
use tower_socks::{
    BoxError, Request, Traffic, Tunnel, TunnelExt,
    connector::associate::Associate,
    datagram::{DatagramTransport, Datagrams},
    io::{Meter, PrefixedStream},
    proto::{Address, Command, UdpOverTcp},
};

/// A transport, seen from its other end.
#[derive(Clone, Debug, Default)]
pub struct Far(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    arriving: VecDeque<(Address, Vec<u8>)>,
    sent: Vec<(String, Vec<u8>)>,
    takes_nothing: bool,
    wakers: Vec<Waker>,
}

impl Far {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock().unwrap();
        let changed = change(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        changed
    }

    /// A datagram comes from there.
    pub fn answer(&self, source: &str, payload: &[u8]) {
        let source = source.parse().unwrap();
        self.change(|state| state.arriving.push_back((source, payload.to_vec())));
    }

    /// Datagrams that nobody has received yet.
    pub fn unread(&self) -> usize {
        self.0.lock().unwrap().arriving.len()
    }

    /// Takes nothing until it is told otherwise.
    pub fn stall(&self, takes_nothing: bool) {
        self.change(|state| state.takes_nothing = takes_nothing);
    }

    /// What was sent since the last call.
    pub fn sent(&self) -> Vec<(String, Vec<u8>)> {
        self.change(|state| std::mem::take(&mut state.sent))
    }
}

impl DatagramTransport for Far {
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        if state.takes_nothing {
            state.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        for (address, payload) in out.iter() {
            state.sent.push((address.to_string(), payload.to_vec()));
        }
        out.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        let mut state = self.0.lock().unwrap();
        let arriving = std::mem::take(&mut state.arriving);
        for (source, payload) in arriving {
            into.push(source, &payload);
        }
        if into.is_empty() {
            state.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

/// Associations whose transports are this one.
pub fn associate(
    far: &Far,
) -> Associate<
    impl Service<Request, Response = Far, Error = BoxError, Future: Send> + Clone + Send + use<>,
> {
    let far = far.clone();
    Associate::with_transports(service_fn(move |_: Request| {
        let far = far.clone();
        async { Ok::<_, BoxError>(far) }
    }))
}

/// A request for it, as the layer makes it.
pub fn request(protocol: UdpOverTcp) -> Request {
    let mut request = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
    request.extensions.insert(protocol);
    request
}

/// Runs a tunnel for a client behind a pipe of so many octets.
pub async fn run<S>(
    associate: S,
    protocol: UdpOverTcp,
    meter: impl Meter,
    octets: usize,
) -> (DuplexStream, JoinHandle<io::Result<Traffic>>)
where
    S: Service<Request, Response: Tunnel + Send + 'static, Error = BoxError>,
{
    let (client, near) = tokio::io::duplex(octets);
    (client, run_on(associate, protocol, meter, near).await)
}

/// Runs a tunnel on a stream.
pub async fn run_on<S, Io>(
    associate: S,
    protocol: UdpOverTcp,
    meter: impl Meter,
    near: Io,
) -> JoinHandle<io::Result<Traffic>>
where
    S: Service<Request, Response: Tunnel + Send + 'static, Error = BoxError>,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tunnel = associate.oneshot(request(protocol)).await.unwrap();
    assert_eq!(tunnel.bound(), Address::UNSPECIFIED);
    tokio::spawn(tunnel.metered(meter).run(PrefixedStream::new(near)))
}
