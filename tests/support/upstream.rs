//! Ways to proxies that have said everything in advance, and proxies of few lines.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tower::service_fn;
use tower_socks::{
    BoxError, Refusal, Request,
    connector::{resolve::Lookup, upstream::Transport},
    proto::{Address, Command},
    session::{Connected, Policy},
};

use crate::support::canned::{Canned, Log, Then};

/// Each time it is asked it leads to the next of these proxies. Counts who was asked for.
pub fn canned<P: AsRef<[u8]>>(
    proxies: impl IntoIterator<Item = P>,
) -> (impl Transport<Io = Canned> + Sync, Vec<Log>) {
    let (streams, logs): (VecDeque<_>, Vec<_>) = proxies
        .into_iter()
        .map(|said| Canned::new([said], Then::Ends))
        .unzip();
    let streams = Arc::new(Mutex::new(streams));
    let way = service_fn(move |_: Address| {
        let next = streams.lock().unwrap().pop_front();
        async move {
            match next {
                Some(stream) => Ok(Connected::new(stream, Address::UNSPECIFIED)),
                None => Err(BoxError::from("nobody is asked that often")),
            }
        }
    });
    (way, logs)
}

/// A resolver for which every name has these addresses.
pub fn resolver(
    addresses: &[&str],
) -> impl tower_socks::connector::resolve::Resolve + Sync + use<> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    service_fn(move |_: Lookup| {
        let addresses = addresses.clone();
        async { Ok::<_, Infallible>(addresses) }
    })
}

/// What a policy was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Stated(String),
    Address(SocketAddr),
    Name(String),
}

/// Writes down what it is asked, and refuses some of it.
#[derive(Clone, Debug, Default)]
pub struct Diary {
    pub asked: Arc<Mutex<Vec<Asked>>>,
    pub refuses: Vec<Asked>,
}

impl Diary {
    pub fn refusing(refuses: impl IntoIterator<Item = Asked>) -> Self {
        Self {
            refuses: refuses.into_iter().collect(),
            ..Self::default()
        }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn ask(&self, question: Asked) -> Result<(), Refusal> {
        self.asked.lock().unwrap().push(question.clone());
        match self.refuses.contains(&question) {
            true => Err(Refusal::not_allowed("it is written down")),
            false => Ok(()),
        }
    }
}

impl Policy for Diary {
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        self.ask(Asked::Stated(request.target.to_string()))
    }

    fn check_address(&self, _: &Request, address: SocketAddr) -> Result<(), Refusal> {
        self.ask(Asked::Address(address))
    }

    fn check_name(&self, request: &Request) -> Result<(), Refusal> {
        self.ask(Asked::Name(request.target.to_string()))
    }
}

/// A request whose guard asks `policy`.
pub fn guarded(target: &str, policy: impl Policy) -> Request {
    let mut request = Request::new(Command::CONNECT, target.parse().unwrap());
    request.guard = request.guard.and(Arc::new(policy));
    request
}

/// An HTTP proxy of few lines, for which every name below `example` is 127.0.0.1. Tells every
/// request's head.
pub async fn http_proxy(heads: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, Arc::clone(&heads)));
        }
    });
    address
}

async fn serve(client: TcpStream, heads: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let target = head.split(' ').nth(1).unwrap().to_owned();
    heads.lock().unwrap().push(head);
    let target = match target.split_once(".example:") {
        Some((_, port)) => format!("127.0.0.1:{port}"),
        None => target,
    };
    match TcpStream::connect(&*target).await {
        Ok(mut stream) => {
            client
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .await?;
            copy_bidirectional(&mut client, &mut stream).await?;
        }
        Err(_) => {
            client
                .write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                .await?
        }
    }
    Ok(())
}

/// A way that leads to a stream of which the far end is here, once.
pub fn by_hand() -> (
    impl Transport<Io = tokio::io::DuplexStream> + Sync,
    tokio::io::DuplexStream,
) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let near = Arc::new(Mutex::new(Some(near)));
    let way = service_fn(move |_: Address| {
        let near = near.lock().unwrap().take();
        async move {
            let near = near.ok_or("nobody is asked that often")?;
            Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED))
        }
    });
    (way, far)
}

/// A request as it goes over the wire.
pub fn asks(command: Command, target: &str) -> Vec<u8> {
    let target = target.parse().unwrap();
    let request = tower_socks::proto::Request { command, target };
    request.encode().to_vec()
}
