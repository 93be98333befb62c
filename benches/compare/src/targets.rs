//! What the tunnels lead to.
//!
//! A target listens at many addresses of loopback, so that a server that closes first does not run out
//! of ports while its last connections are in TIME_WAIT. The first byte says what it is to do.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use rustix::net::RecvFlags;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpListener, TcpStream, UdpSocket},
};

use crate::{
    batch::{self, Received},
    between::make_room,
    name_server::NameServer,
};

/// Says what it hears.
pub(crate) const ECHO: u8 = b'E';
/// Sends as much as it can.
pub(crate) const SOURCE: u8 = b'D';
/// Takes as much as it can.
pub(crate) const SINK: u8 = b'U';

/// What is moved at once.
const CHUNK: usize = 256 * 1024;
static ZEROES: [u8; CHUNK] = [0; CHUNK];

/// The targets, which work on the runtime that started them.
pub(crate) struct Targets {
    tcp: Vec<SocketAddrV4>,
    pub(crate) udp: SocketAddrV4,
    /// For servers that ask it.
    pub(crate) names: NameServer,
    next: AtomicUsize,
    /// Bytes that the sinks have taken.
    pub(crate) sunk: Arc<AtomicU64>,
}

impl Targets {
    /// Starts them, at a port of each of these addresses.
    pub(crate) async fn start(at: &[Ipv4Addr]) -> io::Result<Self> {
        let port = free_port().await?;
        let sunk = Arc::new(AtomicU64::new(0));
        let mut tcp: Vec<SocketAddrV4> = Vec::new();
        for &address in at {
            let address = SocketAddrV4::new(address, port);
            let listener = listen(address)?;
            tokio::spawn(accept(listener, Arc::clone(&sunk)));
            tcp.push(address);
        }
        let udp = UdpSocket::bind((
            tcp.first().map_or(Ipv4Addr::LOCALHOST, |first| *first.ip()),
            0,
        ))
        .await?;
        make_room(&udp)?;
        let SocketAddr::V4(address) = udp.local_addr()? else {
            unreachable!("bound to an IPv4 address");
        };
        tokio::spawn(echo_datagrams(udp));
        let names = NameServer::start(*address.ip()).await?;
        Ok(Self {
            tcp,
            names,
            udp: address,
            next: AtomicUsize::new(0),
            sunk,
        })
    }

    /// One address after the other.
    pub(crate) fn next(&self) -> SocketAddrV4 {
        self.tcp[self.next.fetch_add(1, Ordering::Relaxed) % self.tcp.len()]
    }

    pub(crate) fn all(&self) -> &[SocketAddrV4] {
        &self.tcp
    }
}

/// A port for a server. Not from the range that connections take theirs from: it stays free until the
/// server has started.
pub(crate) async fn free_port() -> io::Result<u16> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let first = std::process::id() as usize % 50 * 200;
    loop {
        let offset = first + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (offset % 10_000) as u16;
        // Also of use for targets, which want it at all addresses.
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
            .await
            .is_ok()
        {
            return Ok(port);
        }
    }
}

fn listen(address: SocketAddrV4) -> io::Result<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address.into())?;
    socket.listen(1024)
}

async fn accept(listener: TcpListener, sunk: Arc<AtomicU64>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, Arc::clone(&sunk)))),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

/// Ends where the client does.
async fn serve(mut stream: TcpStream, sunk: Arc<AtomicU64>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut said = [0; 128];
    let read = stream.read(&mut said).await?;
    match said[..read] {
        [ECHO, ref message @ ..] => {
            stream.write_all(message).await?;
            loop {
                match stream.read(&mut said).await? {
                    0 => return Ok(()),
                    read => stream.write_all(&said[..read]).await?,
                }
            }
        }
        [SOURCE, ..] => pour(&mut stream).await,
        [SINK, ..] => drain(&stream, &sunk).await,
        _ => Ok(()),
    }
}

/// Writes until nobody reads.
pub(crate) async fn pour(stream: &mut TcpStream) -> io::Result<()> {
    loop {
        stream.write_all(&ZEROES).await?;
    }
}

/// Reads to the end, and counts.
///
/// The kernel drops the bytes instead of copying them: the generator is to be as light as it can.
pub(crate) async fn drain(stream: &TcpStream, count: &AtomicU64) -> io::Result<()> {
    let mut room = vec![0; CHUNK];
    loop {
        let read = stream
            .async_io(Interest::READABLE, || {
                let (_, read) = rustix::net::recv(stream, &mut room[..], RecvFlags::TRUNC)?;
                Ok(read)
            })
            .await?;
        if read == 0 {
            return Ok(());
        }
        count.fetch_add(read as u64, Ordering::Relaxed);
        tokio::task::coop::consume_budget().await;
    }
}

async fn echo_datagrams(socket: UdpSocket) {
    let mut received = Received::new();
    loop {
        // What comes back by ICMP from clients that have gone is no reason to end.
        if received.more(&socket).await.is_ok() {
            let _ = batch::send(&socket, received.iter()).await;
        }
    }
}
