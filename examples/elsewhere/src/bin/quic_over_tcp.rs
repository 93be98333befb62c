//! QUIC through a SOCKS5 proxy without UDP to it: quinn's datagrams travel in the stream, by UDP over TCP.
//!
//! ```text
//! cargo run --release --bin quic_over_tcp                 # in examples/elsewhere
//! cargo run --release --bin quic_over_tcp -- --associate  # the same by UDP ASSOCIATE, to compare
//! ```
//!
//! Proxy, server and client are all in this program. A hundred megabytes go to the server and come back; it checks each
//! octet, prints how long that took, and ends.

use std::{error::Error, io, time::Instant};

use elsewhere::{proxy, quic};
use quinn::{Endpoint, RecvStream, SendStream};
use tokio::net::TcpStream;
use tower_socks::Client;

/// Octets in each direction.
const TOTAL: usize = 100_000_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let by_associate = std::env::args().any(|flag| flag == "--associate");
    let (server, certificate) = quic::server()?;
    let target = server.local_addr()?;
    tokio::spawn(echo(server));

    let stream = TcpStream::connect(proxy().await?).await?;
    let socket = match by_associate {
        true => Client::new().associate(stream).await?,
        false => Client::new().udp_over_tcp(stream).await?,
    };
    let client = quic::client(socket, certificate)?;
    let connection = client.connect(target, quic::NAME)?.await?;
    let (send, receive) = connection.open_bi().await?;
    let started = Instant::now();
    let sending = tokio::spawn(send_all(send));
    receive_all(receive).await?;
    sending.await??;

    let seconds = started.elapsed().as_secs_f64();
    let rate = TOTAL as f64 / 1e6 / seconds;
    let lost = connection.stats().path.lost_packets;
    println!(
        "{TOTAL} octets came back in {seconds:.1} s: {rate:.0} MB/s each way, {lost} packets sent again"
    );
    connection.close(0_u32.into(), b"done");
    client.wait_idle().await;
    Ok(())
}

/// The octet at a place: what is lost, doubled or out of order shows.
fn octet(place: usize) -> u8 {
    (place % 251) as u8
}

async fn send_all(mut send: SendStream) -> io::Result<()> {
    let mut place = 0;
    while place < TOTAL {
        let end = TOTAL.min(place + 64 * 1024);
        let piece: Vec<u8> = (place..end).map(octet).collect();
        send.write_all(&piece).await?;
        place = end;
    }
    Ok(send.finish()?)
}

async fn receive_all(mut receive: RecvStream) -> Result<(), Box<dyn Error>> {
    let mut place = 0;
    while let Some(chunk) = receive.read_chunk(64 * 1024, true).await? {
        let expected = (place..).map(octet);
        let is_same = chunk
            .bytes
            .iter()
            .copied()
            .zip(expected)
            .all(|(is, was)| is == was);
        assert!(is_same, "an octet from {place} on is another one");
        place += chunk.bytes.len();
    }
    assert_eq!(place, TOTAL, "the end came early");
    Ok(())
}

/// Sends back what comes, while it comes.
async fn echo(server: Endpoint) -> Result<(), Box<dyn Error + Send + Sync>> {
    while let Some(incoming) = server.accept().await {
        let connection = incoming.await?;
        let (mut send, mut receive) = connection.accept_bi().await?;
        while let Some(chunk) = receive.read_chunk(64 * 1024, true).await? {
            send.write_chunk(chunk.bytes).await?;
        }
        send.finish()?;
        connection.closed().await;
    }
    Ok(())
}
