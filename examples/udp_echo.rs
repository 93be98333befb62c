//! A question to a name server through UDP ASSOCIATE, with a client that is written by hand:
//!
//! * greeting and UDP ASSOCIATE go over TCP, and the reply says where the proxy takes datagrams,
//! * each datagram has a header with its destination in front; what comes back has one with its
//!   source,
//! * the association lasts as long as the TCP connection.
//!
//! ```text
//! cargo run --example udp_echo
//! ```
//!
//! It serves on a free port, plays the client and the name server too, prints what the client got,
//! and ends.

#![allow(clippy::print_stdout)]

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream, UdpSocket},
};
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth,
    io::read_message,
    proto::{
        Address, Command, Decode, Decoded, Greeting, Method, Reply, Request, Selection, UdpHeader,
    },
    serve,
};

/// Asks for the IPv4 address of `tower.test`: a header with one question, and the question.
const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
    \x05tower\x04test\x00\x00\x01\x00\x01";

/// What the name server says of it.
const ANSWER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());

    let server = UdpSocket::bind("127.0.0.1:0").await?;
    let name_server = server.local_addr()?;
    tokio::spawn(answer_one(server));

    let (control, relay) = associate(proxy).await?;
    println!("datagrams go to {relay}");

    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let header = UdpHeader {
        fragment: 0,
        address: Address::Ip(name_server),
    };
    let datagram = [&*header.encode(), QUESTION].concat();
    socket.send_to(&datagram, relay).await?;

    let mut datagram = vec![0; 2048];
    let len = socket.recv(&mut datagram).await?;
    datagram.truncate(len);
    let Decoded::Done(header, taken) = UdpHeader::decode(&datagram)? else {
        return Err("a datagram that is cut".into());
    };
    assert_eq!(header.address, Address::Ip(name_server));
    let message = datagram.split_off(taken);
    println!("{} octets came from {}", message.len(), header.address);
    // The address is at the end of the message.
    let Some(octets) = message.last_chunk::<4>() else {
        return Err("an answer without an address".into());
    };
    let address = Ipv4Addr::from(*octets);
    println!("tower.test is {address}");
    assert_eq!(address, ANSWER);

    drop(control); // and with it the association
    Ok(())
}

/// Opens an association: the connection to keep, and where to send datagrams.
async fn associate(proxy: SocketAddr) -> Result<(TcpStream, SocketAddr), BoxError> {
    let mut control = TcpStream::connect(proxy).await?;
    let greeting = Greeting {
        methods: [Method::NO_AUTHENTICATION].into_iter().collect(),
    };
    control.write_all(&greeting.encode()).await?;
    let selection: Selection = read_message(&mut control, &mut [0; Selection::MAX_LEN]).await?;
    assert_eq!(selection.method, Method::NO_AUTHENTICATION);

    let request = Request {
        command: Command::UDP_ASSOCIATE,
        // Where the datagrams will come from, which nobody knows yet.
        target: Address::UNSPECIFIED,
    };
    control.write_all(&request.encode()).await?;
    let reply: Reply = read_message(&mut control, &mut [0; Reply::MAX_LEN]).await?;
    match reply.bound.ip() {
        Some(relay) if reply.code.is_success() => Ok((control, relay)),
        _ => Err(format!("UDP ASSOCIATE: {}", reply.code).into()),
    }
}

/// The name server. It knows one name.
async fn answer_one(socket: UdpSocket) -> Result<(), BoxError> {
    let mut message = vec![0; 512];
    let (len, client) = socket.recv_from(&mut message).await?;
    message.truncate(len);
    assert_eq!(message, QUESTION);

    let question = message.split_off(12);
    // The number of the question; no error; one question and one answer.
    message.truncate(2);
    message.extend(b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00");
    message.extend(question);
    // For the name at octet 12: type A, class IN, good for a minute, 4 octets.
    message.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04");
    message.extend(ANSWER.octets());
    socket.send_to(&message, client).await?;
    Ok(())
}
