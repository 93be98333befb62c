//! A server, a proxy in front of it, and the keys of both.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use shadowsocks_example::{keys::Keys, loopback::both_sockets, server, upstream};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tower_socks::{
    Client, ClientError, Refusal, Request,
    client::ProxySocket,
    proto::IntoAddress,
    session::{Check, Connected},
};

pub const KEY: &str = "c2VydmVyIHNlcnZlciBzZXJ2ZXIgc2VydmVyIHNlcnY=";
pub const JOE: &str = "am9lIGpvZSBqb2Ugam9lIGpvZSBqb2Ugam9lIGpvZSE=";
pub const JANE: &str = "amFuZSBqYW5lIGphbmUgamFuZSBqYW5lIGphbmUgamE=";
pub const NOBODY: &str = "bm9ib2R5IG5vYm9keSBub2JvZHkgbm9ib2R5IG5vYm8=";

/// Longer than anything takes here.
pub const LONG: Duration = Duration::from_secs(20);

/// Long enough for what does not come, where something that came behind it is there already.
pub const SHORT: Duration = Duration::from_millis(50);

pub fn server_keys() -> Keys {
    Keys::of_server(KEY, [("joe", JOE), ("jane", JANE)]).unwrap()
}

/// What a policy was asked about, as text, and what it refuses.
#[derive(Clone, Default)]
pub struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    /// A policy that notes every question, and refuses ports.
    pub fn refusing(
        &self,
        ports: impl IntoIterator<Item = u16>,
    ) -> impl Fn(&Request, Check) -> Result<(), Refusal> + Send + Sync + 'static {
        let (asked, ports) = (self.0.clone(), ports.into_iter().collect::<Vec<_>>());
        move |request, check| {
            let Some(target) = request.destination() else {
                return Ok(());
            };
            let (user, command) = (&request.identity, request.command);
            let what = match check {
                Check::Stated => return Ok(()),
                Check::Address(address) => format!("{user} {command} {target} at {}", address.ip()),
                Check::Name => format!("{user} {command} {target} handed on"),
            };
            asked.lock().unwrap().push(what);
            match ports.contains(&target.port()) {
                true => Err(Refusal::not_allowed("not there")),
                false => Ok(()),
            }
        }
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Starts a server, for streams and datagrams at one port.
pub async fn server(asked: &Asked, refused: &[u16]) -> SocketAddr {
    let (streams, datagrams, address) = both_sockets().await.unwrap();
    let stack = server::stack(asked.refusing(refused.iter().copied()));
    tokio::spawn(server::run(streams, datagrams, server_keys(), stack));
    address
}

/// Starts a SOCKS5 proxy through a server.
pub async fn proxy(server: SocketAddr, user: &str, asked: &Asked, refused: &[u16]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let keys = Keys::of_user(server, KEY, Some(user)).unwrap();
    let policy = asked.refusing(refused.iter().copied());
    tokio::spawn(upstream::run(listener, keys, policy));
    address
}

/// Connects to a target through a proxy.
pub async fn reach(
    proxy: SocketAddr,
    target: impl IntoAddress,
) -> Result<Connected<TcpStream>, ClientError> {
    let stream = TcpStream::connect(proxy).await.unwrap();
    soon(Client::new().connect(stream, target)).await
}

/// Opens an association at a proxy.
pub async fn associate(proxy: SocketAddr) -> ProxySocket<TcpStream> {
    let stream = TcpStream::connect(proxy).await.unwrap();
    soon(Client::new().associate(stream)).await.unwrap()
}

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.expect("it takes too long")
}
