//! When the relay takes a pipe, and what it does without one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;
use tower_socks::relay::Relay;

use crate::support::{
    sockets::pair,
    splice::{alone, carry, pipe_ends},
};

struct Tunnel {
    client: TcpStream,
    target: TcpStream,
}

impl Tunnel {
    async fn open() -> Self {
        let (client, near) = pair().await;
        let (far, target) = pair().await;
        tokio::spawn(Relay::new().run(near, far));
        Self { client, target }
    }

    async fn carry(&mut self, len: usize) {
        carry(&mut self.client, &mut self.target, len).await;
    }
}

#[test]
fn only_bulk_data_takes_a_pipe_and_none_is_no_harm() {
    // The limit of descriptors belongs to the process as well.
    alone(small_messages_bulk_data_and_no_descriptors);
}

async fn small_messages_bulk_data_and_no_descriptors() {
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
