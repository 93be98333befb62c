//! A SOCKS5 proxy whose requests go through a shadowsocks server.
//!
//! ```text
//! upstream                                                shows itself on loopback, and ends
//! KEY=... USER_KEY=... upstream 127.0.0.1:1080 192.0.2.1:8388
//! ```
//!
//! The second serves SOCKS5 at the first address, through the server at the second, of the method
//! `2022-blake3-aes-256-gcm`. Without `USER_KEY` the server has no users, and one key. Addresses of loopback and of
//! private networks, which are those of the server, are refused, unless `--allow-private` is behind all that.

use std::env;

use shadowsocks_example::{
    keys::Keys,
    loopback::{both_sockets, datagram_echo, stream_echo},
    server,
    upstream::run,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower_socks::{
    BoxError, Client, Refusal, Request, Rules, proto::Address, rules::Action, session::Check,
};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();
    let arguments: Vec<String> = env::args().skip(1).collect();
    // Names are resolved by the server: nothing here knows their addresses.
    let rules = Rules::builder(Action::Allow).allow_unresolved();
    let (listen, server, rules) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        [] => return show().await,
        [listen, server] => (listen, server, rules),
        [listen, server, "--allow-private"] => (listen, server, rules.allow_private()),
        _ => return Err("upstream [ADDRESS:PORT SERVER:PORT [--allow-private]]".into()),
    };
    let key = env::var("KEY").map_err(|_| "the variable KEY is not set")?;
    let user = env::var("USER_KEY").ok();
    let keys = Keys::of_user(server.parse()?, &key, user.as_deref())?;
    let listener = TcpListener::bind(listen).await?;
    if !listener.local_addr()?.ip().is_loopback() {
        return Err("it asks nobody for a password, so it serves this machine alone".into());
    }
    run(listener, keys, rules.build()).await
}

const KEY: &str = "c2VydmVyIHNlcnZlciBzZXJ2ZXIgc2VydmVyIHNlcnY=";
const JOE: &str = "am9lIGpvZSBqb2Ugam9lIGpvZSBqb2Ugam9lIGpvZSE=";

/// A client of SOCKS5 reaches an echo through the proxy and a shadowsocks server, by a stream and by datagrams, and
/// is refused one port by the proxy.
async fn show() -> Result<(), BoxError> {
    let (stream_target, _running) = stream_echo().await?;
    let (datagram_target, _running) = datagram_echo().await?;

    let (streams, datagrams, server) = both_sockets().await?;
    let anywhere = |_: &Request, _: Check| Ok(());
    let keys = Keys::of_server(KEY, [("joe", JOE)])?;
    tokio::spawn(server::run(
        streams,
        datagrams,
        keys,
        server::stack(anywhere),
    ));

    let proxy = TcpListener::bind("127.0.0.1:0").await?;
    let address = proxy.local_addr()?;
    let not_port_9 = |request: &Request, _: Check| match request.destination().map(Address::port) {
        Some(9) => Err(Refusal::not_allowed("not there")),
        _ => Ok(()),
    };
    tokio::spawn(run(
        proxy,
        Keys::of_user(server, KEY, Some(JOE))?,
        not_port_9,
    ));

    let client = Client::new();
    let connect = || TcpStream::connect(address);
    let mut stream = client.connect(connect().await?, stream_target).await?;
    stream.write_all(b"a stream").await?;
    let mut heard = [0; 8];
    stream.read_exact(&mut heard).await?;
    println!("{}", String::from_utf8_lossy(&heard));

    let refused = client.connect(connect().await?, "127.0.0.1:9").await;
    println!("{}", refused.err().ok_or("port 9 was not refused")?);

    let mut socket = client.associate(connect().await?).await?;
    socket.send_to(b"a datagram", datagram_target).await?;
    let mut payload = [0; 64];
    let (len, source) = socket.recv_from(&mut payload).await?;
    assert_eq!(source, Address::Ip(datagram_target));
    println!("{}", String::from_utf8_lossy(&payload[..len]));
    Ok(())
}
