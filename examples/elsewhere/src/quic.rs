//! quinn over the datagrams of a proxy, be they those of UDP ASSOCIATE or frames in the stream to it.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind, IoSliceMut},
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker, ready},
};

use quinn::{
    AsyncUdpSocket, ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, UdpPoller,
    rustls::{
        RootCertStore,
        pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    },
    udp::{RecvMeta, Transmit},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_socks::{
    client::{ProxyReceiver, ProxySender, ProxySocket},
    proto::Address,
};

/// What the server's certificate is for.
pub const NAME: &str = "quic.test";

/// A stream to the proxy, as quinn's tasks need it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for Io {}

/// Makes an endpoint with a certificate of its own, on loopback.
///
/// # Errors
///
/// When there is no port.
pub fn server() -> Result<(Endpoint, CertificateDer<'static>), Box<dyn Error>> {
    let certified = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let certificate = certified.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let config = ServerConfig::with_single_cert(vec![certificate.clone()], key.into())?;
    let server = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into())?;
    Ok((server, certificate))
}

/// Makes an endpoint whose datagrams go through a proxy, and that believes one certificate.
///
/// # Errors
///
/// When quinn does not take the socket or the certificate.
pub fn client<Io: Stream>(
    socket: ProxySocket<Io>,
    certificate: CertificateDer<'static>,
) -> Result<Endpoint, Box<dyn Error>> {
    let mut client = Endpoint::new_with_abstract_socket(
        EndpointConfig::default(),
        None,
        Arc::new(ProxyUdp::new(socket)),
        Arc::new(TokioRuntime),
    )?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    client.set_default_client_config(ClientConfig::with_root_certificates(Arc::new(roots))?);
    Ok(client)
}

/// A socket for quinn whose datagrams go through a proxy.
struct ProxyUdp<Io> {
    sending: Mutex<Sending<Io>>,
    receiver: Mutex<ProxyReceiver<Io>>,
    /// Those of quinn's tasks that wait for room to send.
    waiting: Arc<Waiting>,
    local: SocketAddr,
}

struct Sending<Io> {
    sender: ProxySender<Io>,
    /// A datagram that found the socket full, and goes before any other.
    unsent: Option<(Vec<u8>, Address)>,
}

impl<Io: Stream> Sending<Io> {
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some((payload, target)) = &self.unsent {
            let sent = ready!(self.sender.poll_send_to(cx, payload, target));
            self.unsent = None;
            sent?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io> ProxyUdp<Io> {
    fn new(socket: ProxySocket<Io>) -> Self {
        // In a stream there is no socket, and quinn wants no more than something to print.
        let local = socket.local_addr();
        let local = local.unwrap_or_else(|_| (Ipv4Addr::UNSPECIFIED, 0).into());
        let (sender, receiver) = socket.into_split();
        Self {
            sending: Mutex::new(Sending {
                sender,
                unsent: None,
            }),
            receiver: Mutex::new(receiver),
            waiting: Arc::default(),
            local,
        }
    }
}

impl<Io: Stream> AsyncUdpSocket for ProxyUdp<Io> {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        // A task that has to wait for this says so by `poll_writable`.
        let waker = Waker::from(Arc::clone(&self.waiting));
        let cx = &mut Context::from_waker(&waker);
        let mut sending = lock(&self.sending);
        if sending.poll_unsent(cx)?.is_pending() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let target = Address::Ip(transmit.destination);
        match sending.sender.poll_send_to(cx, transmit.contents, &target) {
            Poll::Ready(sent) => sent,
            Poll::Pending => {
                sending.unsent = Some((transmit.contents.to_vec(), target));
                Ok(())
            }
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut receiver = lock(&self.receiver);
        let mut received = 0;
        while let (Some(buf), Some(meta)) = (bufs.get_mut(received), meta.get_mut(received)) {
            match receiver.poll_recv_from(cx, buf) {
                Poll::Ready(Ok((len, Address::Ip(addr)))) => {
                    *meta = RecvMeta {
                        addr,
                        len,
                        stride: len,
                        ..RecvMeta::default()
                    };
                    received += 1;
                }
                // A source that is a name can be none of our peers, which we know by address.
                Poll::Ready(Ok((_, Address::Name(..)))) => {}
                Poll::Ready(Err(error)) if received == 0 => return Poll::Ready(Err(error)),
                Poll::Pending if received == 0 => return Poll::Pending,
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(received))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

impl<Io> fmt::Debug for ProxyUdp<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyUdp").finish_non_exhaustive()
    }
}

/// Waits for room to send.
struct Writable<Io>(Arc<ProxyUdp<Io>>);

impl<Io: Stream> UdpPoller for Writable<Io> {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &self.0;
        // A socket wakes one task alone, and quinn has one for each connection.
        socket.waiting.add(cx.waker());
        let waker = Waker::from(Arc::clone(&socket.waiting));
        lock(&socket.sending).poll_unsent(&mut Context::from_waker(&waker))
    }
}

impl<Io> fmt::Debug for Writable<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writable").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Waiting(Mutex<Vec<Waker>>);

impl Waiting {
    fn add(&self, waker: &Waker) {
        let mut wakers = lock(&self.0);
        if !wakers.iter().any(|other| other.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        std::mem::take(&mut *lock(&self.0))
            .into_iter()
            .for_each(Waker::wake);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
