//! The load: workers of several kinds, each of which does its piece again and again.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::dialogue::{ASSOCIATE, BIND, CONNECT, address, ask, echoes, reply, udp_echo, within};

/// A kind of traffic, and how many workers have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// CONNECT, up to 16 KiB there and back, and the end.
    Short,
    /// CONNECT, 1 to 8 MiB there and back.
    Bulk,
    /// One tunnel for all of the time, with a little traffic.
    Long,
    /// CONNECT, and a reset with bytes on the way.
    Reset,
    /// CONNECT to where nobody listens.
    Refused,
    /// BIND, a peer, and up to 512 KiB there and back.
    Bind,
    /// An association with up to 100 datagrams of up to 65,497 octets.
    Udp,
}

pub(crate) const KINDS: [(Kind, usize); 7] = [
    (Kind::Short, 8),
    (Kind::Bulk, 3),
    (Kind::Long, 50),
    (Kind::Reset, 2),
    (Kind::Refused, 1),
    (Kind::Bind, 4),
    (Kind::Udp, 6),
];

/// What has come of a kind.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Sessions that went as they have to.
    pub(crate) sessions: AtomicU64,
    /// Payload that came back, each byte checked.
    pub(crate) bytes: AtomicU64,
    /// Datagrams that came back.
    pub(crate) datagrams: AtomicU64,
    pub(crate) failures: Mutex<Vec<String>>,
}

pub(crate) type Tallies = [Tally; KINDS.len()];

/// Where everything is.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    pub(crate) server: SocketAddr,
    pub(crate) echo: SocketAddr,
    /// Nobody listens here.
    pub(crate) closed: SocketAddr,
}

/// Runs all workers for this long, and waits until each has finished its piece.
pub(crate) async fn run(places: Places, tallies: &Arc<Tallies>, time: Duration) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = JoinSet::new();
    for (index, (kind, count)) in KINDS.into_iter().enumerate() {
        for number in 0..count {
            let (stop, tallies) = (stop.clone(), tallies.clone());
            let random = Random::new((index * 1000 + number) as u64);
            // Of its own: one for all would drop what its queue has no room for.
            let datagrams = udp_echo().await;
            workers.spawn(async move {
                let datagrams = datagrams;
                let tally = &tallies[index];
                let mut worker = Worker {
                    places,
                    datagrams: datagrams.address,
                    tally,
                    stop: &stop,
                    random,
                };
                while !stop.load(Ordering::Relaxed) {
                    let piece = worker.piece(kind);
                    match within(&format!("{kind:?}"), piece).await {
                        Ok(()) => _ = tally.sessions.fetch_add(1, Ordering::Relaxed),
                        Err(error) => tally.failures.lock().unwrap().push(error.to_string()),
                    }
                    // Ports come back to the system a second after they were used.
                    sleep(Duration::from_millis(5)).await;
                }
            });
        }
    }
    sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = workers.join_next().await {
        ended.unwrap();
    }
}

struct Worker<'a> {
    places: Places,
    datagrams: SocketAddr,
    tally: &'a Tally,
    stop: &'a AtomicBool,
    random: Random,
}

impl Worker<'_> {
    async fn piece(&mut self, kind: Kind) -> io::Result<()> {
        match kind {
            Kind::Short => self.tunnel(1..16 << 10).await,
            Kind::Bulk => self.tunnel(1 << 20..8 << 20).await,
            Kind::Long => self.long().await,
            Kind::Reset => self.reset().await,
            Kind::Refused => self.refused().await,
            Kind::Bind => self.bind().await,
            Kind::Udp => self.associate().await,
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let Places { server, echo, .. } = self.places;
        ask(server, CONNECT, echo).await.map(|(client, _)| client)
    }

    fn moved(&self, bytes: usize) {
        self.tally.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    async fn tunnel(&mut self, sizes: std::ops::Range<usize>) -> io::Result<()> {
        let mut client = self.connect().await?;
        let said = self.random.bytes(sizes);
        let (mut read, mut write) = client.split();
        echoes(&mut read, &mut write, &said).await?;
        write.shutdown().await?;
        ends(&mut read).await?;
        self.moved(said.len());
        Ok(())
    }

    async fn long(&mut self) -> io::Result<()> {
        let mut client = self.connect().await?;
        let (mut read, mut write) = client.split();
        // A piece has a limit, and is then begun anew.
        for _ in 0..1000 {
            let said = self.random.bytes(1..1024);
            echoes(&mut read, &mut write, &said).await?;
            self.moved(said.len());
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn reset(&mut self) -> io::Result<()> {
        let mut client = self.connect().await?;
        let said = self.random.bytes(1..1 << 20);
        // As much as there is room for; what comes back is not waited for.
        _ = timeout(Duration::from_millis(20), client.write_all(&said)).await;
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO))
    }

    async fn refused(&mut self) -> io::Result<()> {
        let Places { server, closed, .. } = self.places;
        match ask(server, CONNECT, closed).await {
            Err(error) if error.to_string().contains("reply [5, 5, ") => Ok(()),
            other => Err(io::Error::other(format!("expected reply 5: {other:?}"))),
        }
    }

    async fn bind(&mut self) -> io::Result<()> {
        let anyone = (Ipv4Addr::LOCALHOST, 0).into();
        let (mut client, bound) = ask(self.places.server, BIND, anyone).await?;
        let mut peer = TcpStream::connect(bound).await?;
        if reply(&mut client).await? != peer.local_addr()? {
            return Err(io::Error::other("the second reply names another peer"));
        }
        let (mut peer_read, mut peer_write) = peer.split();
        let (mut read, mut write) = client.split();
        let (up, down) = (
            self.random.bytes(1..512 << 10),
            self.random.bytes(1..512 << 10),
        );
        // Each direction on its own, at the same time.
        tokio::try_join!(
            echoes(&mut peer_read, &mut write, &up),
            echoes(&mut read, &mut peer_write, &down),
        )?;
        write.shutdown().await?;
        ends(&mut peer_read).await?;
        peer_write.shutdown().await?;
        ends(&mut read).await?;
        self.moved(up.len() + down.len());
        Ok(())
    }

    async fn associate(&mut self) -> io::Result<()> {
        let anywhere = (Ipv4Addr::UNSPECIFIED, 0).into();
        let (mut control, relay) = ask(self.places.server, ASSOCIATE, anywhere).await?;
        let client = UdpSocket::bind("127.0.0.1:0").await?;
        client.connect(relay).await?;
        let mut header = b"\x00\x00\x00".to_vec();
        header.extend(address(self.datagrams));
        let mut heard = vec![0; 65_536];
        for _ in 0..self.random.below(100) {
            let size = [1, 512, 1400, 9000, 65_497][self.random.below(5)];
            let mut said = header.clone();
            said.extend(self.random.bytes(0..size));
            client.send(&said).await?;
            let length = client.recv(&mut heard).await?;
            if heard[..length] != said {
                return Err(io::Error::other(
                    "another datagram than the one that was sent",
                ));
            }
            self.moved(length - header.len());
            self.tally.datagrams.fetch_add(1, Ordering::Relaxed);
        }
        control.shutdown().await?;
        ends(&mut control).await
    }
}

/// Nothing more comes.
async fn ends(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<()> {
    match stream.read(&mut [0; 1]).await? {
        0 => Ok(()),
        _ => Err(io::Error::other("more bytes than were sent")),
    }
}

/// Numbers that are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (seed + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    /// Bytes of their own, so that those of another session are not taken for them.
    fn bytes(&mut self, sizes: std::ops::Range<usize>) -> Vec<u8> {
        let size = sizes.start + self.below(sizes.len());
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(size);
        bytes
    }
}
