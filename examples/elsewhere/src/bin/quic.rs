//! QUIC through a SOCKS5 proxy: quinn's endpoint over a `ProxySocket`, the datagrams of a UDP ASSOCIATE.
//!
//! ```text
//! cargo run --release --bin quic      # in examples/elsewhere
//! ```
//!
//! Proxy, server and client are all in this program. It prints what the server has echoed, and ends.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker, ready},
};

use quinn::{
    AsyncUdpSocket, ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, UdpPoller,
    rustls::{RootCertStore, pki_types::PrivatePkcs8KeyDer},
    udp::{RecvMeta, Transmit},
};
use tokio::net::TcpStream;
use tower_socks::{
    Client,
    client::{ProxyReceiver, ProxySender, ProxySocket},
    proto::Address,
};

/// A socket for quinn whose datagrams go through a proxy.
struct ProxyUdp {
    sending: Mutex<Sending>,
    receiver: Mutex<ProxyReceiver<TcpStream>>,
    /// Those of quinn's tasks that wait for room to send.
    waiting: Arc<Waiting>,
    local: SocketAddr,
}

struct Sending {
    sender: ProxySender<TcpStream>,
    /// A datagram that found the socket full, and goes before any other.
    unsent: Option<(Vec<u8>, Address)>,
}

impl Sending {
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some((payload, target)) = &self.unsent {
            let sent = ready!(self.sender.poll_send_to(cx, payload, target));
            self.unsent = None;
            sent?;
        }
        Poll::Ready(Ok(()))
    }
}

impl ProxyUdp {
    fn new(socket: ProxySocket<TcpStream>) -> io::Result<Self> {
        let local = socket.local_addr()?;
        let (sender, receiver) = socket.into_split();
        Ok(Self {
            sending: Mutex::new(Sending {
                sender,
                unsent: None,
            }),
            receiver: Mutex::new(receiver),
            waiting: Arc::default(),
            local,
        })
    }
}

impl AsyncUdpSocket for ProxyUdp {
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

impl fmt::Debug for ProxyUdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyUdp").finish_non_exhaustive()
    }
}

/// Waits for room to send.
#[derive(Debug)]
struct Writable(Arc<ProxyUdp>);

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &self.0;
        // A socket wakes one task alone, and quinn has one for each connection.
        socket.waiting.add(cx.waker());
        let waker = Waker::from(Arc::clone(&socket.waiting));
        lock(&socket.sending).poll_unsent(&mut Context::from_waker(&waker))
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let proxy = elsewhere::proxy().await?;
    let certified = rcgen::generate_simple_self_signed(["quic.test".to_owned()])?;
    let certificate = certified.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let config = ServerConfig::with_single_cert(vec![certificate.clone()], key.into())?;
    let server = Endpoint::server(config, "127.0.0.1:0".parse()?)?;
    let target = server.local_addr()?;
    tokio::spawn(echo(server));

    let control = TcpStream::connect(proxy).await?;
    let socket = ProxyUdp::new(Client::new().associate(control).await?)?;
    let mut client = Endpoint::new_with_abstract_socket(
        EndpointConfig::default(),
        None,
        Arc::new(socket),
        Arc::new(TokioRuntime),
    )?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    client.set_default_client_config(ClientConfig::with_root_certificates(Arc::new(roots))?);

    let connection = client.connect(target, "quic.test")?.await?;
    let (mut send, mut receive) = connection.open_bi().await?;
    // Enough for many datagrams in flight, in both directions.
    let sent: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    let message = sent.clone();
    let sending = tokio::spawn(async move {
        send.write_all(&message).await?;
        send.finish()?;
        Ok::<_, io::Error>(())
    });
    let heard = receive.read_to_end(sent.len()).await?;
    sending.await??;
    assert!(heard == sent, "the echo differs");
    println!("{} octets came back through the proxy", heard.len());

    // The server has seen the proxy's socket, and not ours.
    let mut seen = String::new();
    let mut note = connection.accept_uni().await?;
    seen.push_str(&String::from_utf8(note.read_to_end(100).await?)?);
    println!("and the server saw {seen}");
    assert_ne!(seen, client.local_addr()?.to_string());
    connection.close(0_u32.into(), b"done");
    client.wait_idle().await;
    Ok(())
}

/// Sends back what comes on a stream, and then tells the client where its datagrams come from.
async fn echo(server: Endpoint) -> Result<(), Box<dyn Error + Send + Sync>> {
    while let Some(incoming) = server.accept().await {
        let connection = incoming.await?;
        let (mut send, mut receive) = connection.accept_bi().await?;
        send.write_all(&receive.read_to_end(10_000_000).await?)
            .await?;
        send.finish()?;
        let mut note = connection.open_uni().await?;
        note.write_all(connection.remote_address().to_string().as_bytes())
            .await?;
        note.finish()?;
        connection.closed().await;
    }
    Ok(())
}
