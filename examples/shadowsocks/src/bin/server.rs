//! A shadowsocks server in front of a stack of tower-socks.
//!
//! ```text
//! server                                                      shows itself on loopback, and ends
//! KEY=... USERS='joe=... jane=...' server 0.0.0.0:8388        serves streams and datagrams at that port
//! ```
//!
//! The method is `2022-blake3-aes-256-gcm`; a key is what `openssl rand -base64 32` prints. A client of joe's has
//! `KEY:` and joe's as its password. Targets on loopback and in private networks are refused, unless
//! `--allow-private` is behind the address.

use std::{env, future::poll_fn};

use shadowsocks_example::{
    keys::Keys,
    loopback::{both_sockets, datagram_echo, stream_echo},
    server::{run, stack},
    upstream::ShadowsocksUpstream,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
};
use tower::{Service, ServiceExt};
use tower_socks::{
    BoxError, Refusal, Request, Rules,
    datagram::{DatagramTransport, Datagrams},
    proto::{Address, Command},
    rules::Action,
    session::Check,
};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let rules = Rules::builder(Action::Allow);
    let (address, rules) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => return show().await,
        [address] => (address, rules),
        [address, "--allow-private"] => (address, rules.allow_private()),
        _ => return Err("server [ADDRESS:PORT [--allow-private]]".into()),
    };
    let key = env::var("KEY").map_err(|_| "the variable KEY is not set")?;
    let users = env::var("USERS").map_err(|_| "the variable USERS is not set")?;
    let users = users.split_whitespace().map(|user| user.split_once('='));
    let users: Option<Vec<(&str, &str)>> = users.collect();
    let keys = Keys::of_server(&key, users.ok_or("a user is NAME=KEY")?)?;
    let streams = TcpListener::bind(address).await?;
    let datagrams = UdpSocket::bind(streams.local_addr()?).await?;
    run(streams, datagrams, keys, stack(rules.build())).await
}

const KEY: &str = "c2VydmVyIHNlcnZlciBzZXJ2ZXIgc2VydmVyIHNlcnY=";
const JOE: &str = "am9lIGpvZSBqb2Ugam9lIGpvZSBqb2Ugam9lIGpvZSE=";

/// Joe goes to an echo by a stream and by datagrams, and the policy says no to a port.
async fn show() -> Result<(), BoxError> {
    let (stream_target, _running) = stream_echo().await?;
    let (datagram_target, _running) = datagram_echo().await?;
    let policy = move |request: &Request, check: Check| match (check, check.address()) {
        (Check::Address(_), Some(address)) if address.port() == stream_target.port() => {
            println!("{} is let through to the echo", request.identity);
            Ok(())
        }
        (Check::Address(_), Some(address)) if address.port() != datagram_target.port() => {
            println!("{} is refused port {}", request.identity, address.port());
            Err(Refusal::not_allowed("not there"))
        }
        _ => Ok(()),
    };
    let (streams, datagrams, server) = both_sockets().await?;
    let keys = Keys::of_server(KEY, [("joe", JOE)])?;
    tokio::spawn(run(streams, datagrams, keys, stack(policy)));

    let mut client = ShadowsocksUpstream::new(Keys::of_user(server, KEY, Some(JOE))?);
    let mut stream = client.call(Address::Ip(stream_target)).await?;
    stream.write_all(b"a stream").await?;
    let mut heard = [0; 8];
    stream.read_exact(&mut heard).await?;
    println!("{}", String::from_utf8_lossy(&heard));

    let mut refused = client.call(Address::Ip(([127, 0, 0, 1], 9).into())).await?;
    let ended = refused.read(&mut heard).await;
    assert!(matches!(ended, Ok(0) | Err(_)));

    let association = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
    let mut transport = client.into_transports().oneshot(association).await?;
    let mut batch = Datagrams::new();
    batch.push(Address::Ip(datagram_target), b"a datagram");
    poll_fn(|cx| transport.poll_send(cx, &mut batch)).await?;
    poll_fn(|cx| transport.poll_recv(cx, &mut batch)).await?;
    for (source, payload) in batch.iter() {
        assert_eq!(source, &Address::Ip(datagram_target));
        println!("{}", String::from_utf8_lossy(payload));
    }
    Ok(())
}
