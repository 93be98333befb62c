//! fast-socks5, set up as the example server of its authors: `fast-socks5 ADDRESS`.
//!
//! No authentication, UDP allowed, a request timeout of 10 s, env_logger at its default level.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context as _;
use fast_socks5::{
    ReplyError, Socks5Command,
    server::{DnsResolveHelper as _, Socks5ServerProtocol, run_tcp_proxy, run_udp_proxy},
};
use tokio::net::{TcpListener, TcpStream};

const REQUEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    env_logger::init();
    let address: SocketAddr = std::env::args().nth(1).context("which address?")?.parse()?;
    let listener = TcpListener::bind(address).await?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(async move {
                if let Err(error) = serve(stream, address.ip()).await {
                    log::error!("{error:#}");
                }
            })),
            Err(error) => log::error!("accept: {error}"),
        }
    }
}

async fn serve(stream: TcpStream, reply_ip: IpAddr) -> fast_socks5::Result<()> {
    let (protocol, command, target) = Socks5ServerProtocol::accept_no_auth(stream)
        .await?
        .read_command()
        .await?
        .resolve_dns()
        .await?;
    match command {
        Socks5Command::TCPConnect => {
            run_tcp_proxy(protocol, &target, REQUEST_TIMEOUT, false).await?;
        }
        Socks5Command::UDPAssociate => {
            run_udp_proxy(protocol, &target, None, reply_ip, None).await?;
        }
        Socks5Command::TCPBind => {
            let error = ReplyError::CommandNotSupported;
            protocol.reply_error(&error).await?;
            return Err(error.into());
        }
    }
    Ok(())
}
