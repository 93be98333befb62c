//! What either end of a connection says and has to hear. No wait is longer than [`LIMIT`].

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::case::{Miss, Outcome};

pub const CONNECT: u8 = 1;
pub const BIND: u8 = 2;
pub const ASSOCIATE: u8 = 3;

pub const LIMIT: Duration = Duration::from_secs(5);

/// Bounds a wait.
pub async fn within<T>(what: &str, wait: impl Future<Output = io::Result<T>>) -> Result<T, Miss> {
    match timeout(LIMIT, wait).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Miss::Fails(format!("{what}: {error}"))),
        Err(_) => Err(Miss::Fails(format!("{what}: nothing within {LIMIT:?}"))),
    }
}

/// Octets for a reason, the first of them. Text where it is text.
pub fn shown(bytes: &[u8]) -> String {
    let text = |octet: &u8| octet.is_ascii_graphic() || *octet == b' ';
    if !bytes.is_empty() && bytes.len() < 40 && bytes.iter().all(text) {
        return format!("'{}'", bytes.escape_ascii());
    }
    let start = bytes.get(..12).unwrap_or(bytes);
    let octets: Vec<_> = start.iter().map(|octet| format!("{octet:02x}")).collect();
    match bytes.len() {
        0 => "nothing".into(),
        len if len > start.len() => format!("{}.. ({len} octets)", octets.join(" ")),
        _ => octets.join(" "),
    }
}

/// ATYP, a name of any octets, and a port.
pub fn name(name: impl AsRef<[u8]>, port: u16) -> Vec<u8> {
    let name = name.as_ref();
    let length = u8::try_from(name.len()).unwrap();
    [&[3, length], name, &port.to_be_bytes()].concat()
}

/// A reply.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    pub code: u8,
    /// BND. `None` for a name.
    pub bound: Option<SocketAddr>,
}

pub trait Talk {
    async fn say(&mut self, bytes: &[u8]) -> Outcome;
    /// One write for each octet, with time to look at it.
    async fn say_bytewise(&mut self, bytes: &[u8]) -> Outcome;
    async fn octets(&mut self, len: usize) -> Result<Vec<u8>, Miss>;
    async fn hear(&mut self, expected: &[u8]) -> Outcome;
    /// The end, without another octet.
    async fn ends(&mut self) -> Outcome;
    /// The end or a reset, without another octet.
    async fn closes(&mut self) -> Outcome;
    /// A complete reply.
    async fn reply(&mut self) -> Result<Reply, Miss>;
    /// BND of a reply that has to be a success.
    async fn bound(&mut self) -> Result<SocketAddr, Miss>;
    /// A complete failure reply with this code, and the end or a reset.
    async fn refused(&mut self, code: u8) -> Outcome;
    /// Nothing has come so far.
    fn is_silent(&self) -> Outcome;
}

impl Talk for TcpStream {
    async fn say(&mut self, bytes: &[u8]) -> Outcome {
        within("writing", self.write_all(bytes)).await
    }

    async fn say_bytewise(&mut self, bytes: &[u8]) -> Outcome {
        self.set_nodelay(true).unwrap();
        for byte in bytes {
            self.say(&[*byte]).await?;
            // Whether the other end gets one or two at a time is all the same to the outcome.
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    async fn octets(&mut self, len: usize) -> Result<Vec<u8>, Miss> {
        let mut heard = Vec::new();
        while heard.len() < len {
            let mut more = vec![0; len - heard.len()];
            let read = within("reading", self.read(&mut more)).await;
            let what = format!("{} of {len} octets, and then ", shown(&heard));
            match read {
                Ok(0) => return Err(Miss::Fails(what + "the end")),
                Ok(read) => heard.extend(&more[..read]),
                Err(Miss::Fails(why)) if heard.is_empty() => return Err(Miss::Fails(why)),
                Err(Miss::Fails(why)) => return Err(Miss::Fails(what + &why)),
                Err(skipped) => return Err(skipped),
            }
        }
        Ok(heard)
    }

    async fn hear(&mut self, expected: &[u8]) -> Outcome {
        let heard = self.octets(expected.len()).await?;
        let (is, should) = (shown(&heard), shown(expected));
        ensure!(heard == expected, "{is} instead of {should}");
        Ok(())
    }

    async fn ends(&mut self) -> Outcome {
        let mut more = [0; 64];
        let read = within("waiting for the end", self.read(&mut more)).await?;
        ensure!(read == 0, "{} instead of the end", shown(&more[..read]));
        Ok(())
    }

    async fn closes(&mut self) -> Outcome {
        let mut more = [0; 64];
        let read = async {
            match self.read(&mut more).await {
                Err(error) if is_reset(&error) => Ok(0),
                read => read,
            }
        };
        let read = within("waiting for the end", read).await?;
        ensure!(read == 0, "{} instead of the end", shown(&more[..read]));
        Ok(())
    }

    async fn reply(&mut self) -> Result<Reply, Miss> {
        let start = self.octets(4).await?;
        let ip_len = match start[..] {
            [5, _, 0, 1] => 4,
            [5, _, 0, 4] => 16,
            [5, code, 0, 3] => {
                let length = self.octets(1).await?[0];
                self.octets(usize::from(length) + 2).await?;
                return Ok(Reply { code, bound: None });
            }
            _ => return Err(Miss::Fails(format!("a reply of {}", shown(&start)))),
        };
        let bound = self.octets(ip_len + 2).await?;
        let (ip, port) = bound.split_at(ip_len);
        let ip = match <[u8; 4]>::try_from(ip) {
            Ok(v4) => IpAddr::from(v4),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(ip).unwrap()),
        };
        let port = u16::from_be_bytes(port.try_into().unwrap());
        Ok(Reply {
            code: start[1],
            bound: Some(SocketAddr::new(ip, port)),
        })
    }

    async fn bound(&mut self) -> Result<SocketAddr, Miss> {
        let Reply { code, bound } = self.reply().await?;
        ensure!(code == 0, "reply {code:02x} instead of a success");
        bound.ok_or_else(|| Miss::Fails("BND is a name".into()))
    }

    async fn refused(&mut self, code: u8) -> Outcome {
        let reply = self.reply().await?.code;
        ensure!(reply == code, "reply {reply:02x} instead of {code:02x}");
        self.closes().await
    }

    fn is_silent(&self) -> Outcome {
        let mut early = [0; 64];
        match self.try_read(&mut early) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Ok(0) => Err(Miss::Fails("the end before its time".into())),
            Ok(len) => Err(Miss::Fails(format!("{} too early", shown(&early[..len])))),
            Err(error) => Err(Miss::Fails(format!("{error} before its time"))),
        }
    }
}

/// Leaves by a reset, once all has been heard. Thousands of connections that end otherwise would
/// keep the ports of this machine for a minute.
pub fn leave(stream: TcpStream) {
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

pub fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

/// A target on 127.0.0.1, and ATYP, address and port of it.
pub async fn target() -> (TcpListener, Vec<u8>) {
    target_on("127.0.0.1").await
}

pub async fn target_on(ip: &str) -> (TcpListener, Vec<u8>) {
    let ip: IpAddr = ip.parse().unwrap();
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let dst = crate::support::udp::address(listener.local_addr().unwrap());
    (listener, dst)
}

/// The next connection to a target.
pub async fn arrival(listener: &TcpListener) -> Result<(TcpStream, SocketAddr), Miss> {
    within("nobody connects to the target", listener.accept()).await
}

/// Octets go both ways.
pub async fn echo(client: &mut TcpStream, target: &mut TcpStream) -> Outcome {
    client.say(b"from the client").await?;
    target.hear(b"from the client").await?;
    target.say(b"from the target").await?;
    client.hear(b"from the target").await
}
