//! What tokio alone does, without SOCKS: `copy-loop ADDRESS TARGET..` forwards to fixed targets, one after
//! the other, with `copy_bidirectional`.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().context("which address?")?.parse()?;
    let targets = arguments
        .map(|target| target.parse())
        .collect::<Result<Vec<SocketAddr>, _>>()?;
    let listener = TcpListener::bind(address).await?;
    for target in targets.iter().cycle().copied() {
        let (mut client, _) = listener.accept().await?;
        tokio::spawn(async move {
            client.set_nodelay(true)?;
            let mut target = TcpStream::connect(target).await?;
            target.set_nodelay(true)?;
            copy_bidirectional(&mut client, &mut target).await
        });
    }
    Ok(())
}
