//! How a client reaches a target: the bytes of SOCKS, written by hand.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream, UdpSocket},
};

/// RSV, FRAG, ATYP, an IPv4 address and a port.
const HEADER: usize = 10;

/// A name and a password.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login {
    /// In front of a number, where they are many.
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
    /// So many users take turns.
    pub(crate) many: usize,
}

impl Login {
    /// The name of one of them.
    fn next(self) -> String {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        match self.many {
            1 => self.name.to_owned(),
            many => format!("{}{}", self.name, TURN.fetch_add(1, Relaxed) % many),
        }
    }
}

/// What stands between client and target.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Between {
    /// Nothing.
    Direct,
    /// Something that forwards to a target of its own choice.
    Fixed(SocketAddrV4),
    /// A SOCKS5 proxy, which may ask who it is.
    Socks(SocketAddrV4, Option<Login>),
}

impl Between {
    /// A stream to the target.
    pub(crate) async fn open(self, target: SocketAddrV4) -> io::Result<TcpStream> {
        self.open_as(Ipv4Addr::UNSPECIFIED, target).await
    }

    /// The same of a client with this address.
    pub(crate) async fn open_as(
        self,
        client: Ipv4Addr,
        target: SocketAddrV4,
    ) -> io::Result<TcpStream> {
        let first = match self {
            Self::Direct => target,
            Self::Fixed(server) | Self::Socks(server, _) => server,
        };
        let mut stream = if client.is_unspecified() {
            TcpStream::connect(SocketAddr::V4(first)).await?
        } else {
            let socket = TcpSocket::new_v4()?;
            socket.bind((client, 0).into())?;
            socket.connect(first.into()).await?
        };
        stream.set_nodelay(true)?;
        if let Self::Socks(_, login) = self {
            ask(&mut stream, login, 1, target).await?;
        }
        Ok(stream)
    }

    /// Asks for a stream to a name, and closes. The reply code.
    pub(crate) async fn ask_for_name(self, name: &str, port: u16) -> io::Result<u8> {
        let Self::Socks(server, None) = self else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let mut stream = TcpStream::connect(SocketAddr::V4(server)).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&[5, 1, 0]).await?;
        expect(&mut stream, [5, 0]).await?;
        let mut request = vec![5, 1, 0, 3, name.len() as u8];
        request.extend(name.as_bytes());
        request.extend(port.to_be_bytes());
        stream.write_all(&request).await?;
        let mut reply = [0; 10];
        stream.read_exact(&mut reply).await?;
        let [5, code, 0, 1, ..] = reply else {
            return Err(io::Error::other(format!("reply {reply:?}")));
        };
        Ok(code)
    }

    /// A path for datagrams to the target.
    pub(crate) async fn associate(self, target: SocketAddrV4) -> io::Result<Datagrams> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        make_room(&socket)?;
        let (header, control, relay) = match self {
            Self::Direct => (Vec::new(), None, target),
            Self::Fixed(_) => return Err(io::ErrorKind::Unsupported.into()),
            Self::Socks(server, login) => {
                let SocketAddr::V4(own) = socket.local_addr()? else {
                    unreachable!("bound to an IPv4 address");
                };
                let mut stream = TcpStream::connect(SocketAddr::V4(server)).await?;
                let mut relay = ask(&mut stream, login, 3, own).await?;
                if relay.ip().is_unspecified() {
                    relay.set_ip(*server.ip());
                }
                let mut header = vec![0, 0, 0];
                header.extend(address(target));
                debug_assert_eq!(header.len(), HEADER);
                (header, Some(stream), relay)
            }
        };
        socket.connect(SocketAddr::V4(relay)).await?;
        Ok(Datagrams {
            socket,
            header,
            _control: control,
        })
    }
}

/// A client's end of an association.
pub(crate) struct Datagrams {
    pub(crate) socket: UdpSocket,
    /// What stands before the payload.
    pub(crate) header: Vec<u8>,
    /// The association ends with it.
    _control: Option<TcpStream>,
}

/// Datagrams are to be lost at the server, if anywhere.
pub(crate) fn make_room(socket: &UdpSocket) -> io::Result<()> {
    socket2::SockRef::from(socket).set_recv_buffer_size(4 << 20)
}

/// Greeting, login and request, and the address of the reply.
async fn ask(
    stream: &mut TcpStream,
    login: Option<Login>,
    command: u8,
    about: SocketAddrV4,
) -> io::Result<SocketAddrV4> {
    let method = if login.is_some() { 2 } else { 0 };
    stream.write_all(&[5, 1, method]).await?;
    expect(stream, [5, method]).await?;
    if let Some(login) = login {
        let mut said = vec![1];
        for part in [&login.next(), login.password] {
            said.push(part.len() as u8);
            said.extend(part.as_bytes());
        }
        stream.write_all(&said).await?;
        expect(stream, [1, 0]).await?;
    }
    let mut request = [5, command, 0, 0, 0, 0, 0, 0, 0, 0];
    request[3..].copy_from_slice(&address(about));
    stream.write_all(&request).await?;
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).await?;
    let [5, 0, 0, 1, a, b, c, d, high, low] = reply else {
        return Err(io::Error::other(format!("reply {reply:?}")));
    };
    Ok(SocketAddrV4::new(
        Ipv4Addr::new(a, b, c, d),
        u16::from_be_bytes([high, low]),
    ))
}

async fn expect(stream: &mut TcpStream, wanted: [u8; 2]) -> io::Result<()> {
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await?;
    if answer != wanted {
        return Err(io::Error::other(format!("answer {answer:?}")));
    }
    Ok(())
}

/// ATYP, address and port.
fn address(address: SocketAddrV4) -> [u8; 7] {
    let [a, b, c, d] = address.ip().octets();
    let [high, low] = address.port().to_be_bytes();
    [1, a, b, c, d, high, low]
}
