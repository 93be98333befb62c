//! When the relay takes a pipe, and what it does without one.
//!
//! Pipes and the limit of descriptors belong to the process, so this is one test in a process of
//! its own.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower_socks::Relay;

/// Ends of pipes that this process has open.
fn pipe_ends() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("pipe:"))
        .count()
}

async fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(
        TcpStream::connect(listener.local_addr().unwrap()),
        listener.accept()
    );
    (near.unwrap(), far.unwrap().0)
}

struct Tunnel {
    client: TcpStream,
    target: TcpStream,
}

impl Tunnel {
    async fn open() -> Self {
        let (client, near) = socket_pair().await;
        let (far, target) = socket_pair().await;
        tokio::spawn(Relay::new().run(near, far));
        Self { client, target }
    }

    async fn carry(&mut self, len: usize) {
        let sent: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let mut heard = vec![0; len];
        let (write, read) = tokio::join!(
            self.client.write_all(&sent),
            self.target.read_exact(&mut heard)
        );
        write.unwrap();
        read.unwrap();
        assert!(sent == heard, "bytes are lost, invented or out of order");
    }
}

#[tokio::test]
async fn only_bulk_data_takes_a_pipe_and_none_is_no_harm() {
    let before = pipe_ends();
    let mut tunnel = Tunnel::open().await;
    for _ in 0..2_000 {
        tunnel.carry(1_000).await;
    }
    assert_eq!(pipe_ends(), before, "small messages took a pipe");

    // Not one descriptor more: bulk data takes the other way.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(3), // those that are open stay open
            maximum: limit.maximum,
        },
    )
    .unwrap();
    tunnel.carry(16_000_000).await;
    setrlimit(Resource::Nofile, limit).unwrap();
    assert_eq!(pipe_ends(), before, "a pipe came from nowhere");

    tunnel.carry(16_000_000).await;
    let after = pipe_ends();
    assert!(after > before, "bulk data was not spliced");

    // One after the other, tunnels use the same pipes.
    for _ in 0..20 {
        let mut next = Tunnel::open().await;
        next.carry(4_000_000).await;
    }
    assert_eq!(pipe_ends(), after, "pipes are not used again");
}
