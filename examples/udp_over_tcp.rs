//! A question to a name server, as UDP, where there is TCP alone: through HTTP CONNECT over TLS.
//!
//! * [`UdpOverTcpLayer`] takes a CONNECT to a name that stands for no host for what it is: a UDP association whose
//!   datagrams travel in the client's stream. Policies, limits and metrics below see UDP ASSOCIATE;
//! * any connector can open that stream: here [`HttpUpstream`], over TLS;
//! * [`ProxySocket`] sends and receives in it, as it does by a relay.
//!
//! ```text
//! cargo run --features tls,http-server,http-connect --example udp_over_tcp
//! ```
//!
//! Certificate, server, name server and client are all in this program. It prints the answer, and ends.

#![allow(clippy::print_stdout)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use rcgen::generate_simple_self_signed;
use tokio::{
    net::{TcpListener, UdpSocket},
    time::timeout,
};
use tower::{ServiceBuilder, ServiceExt};
use tower_socks::{
    AuthLayer, BoxError, Connector, NoAuth,
    client::ProxySocket,
    connector::{tls::TlsConnector, upstream::HttpUpstream},
    layer::{http::HttpLayer, tls::TlsLayer, udp_over_tcp::UdpOverTcpLayer},
    proto::{Address, UdpOverTcp},
    serve,
    tls::{Authorities, CertifiedKey, ClientSettings, ServerSettings},
};

/// Asks for the IPv4 address of `tower.test`: a header with one question, and the question.
const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
    \x05tower\x04test\x00\x00\x01\x00\x01";

/// What stands in front of the address in the answer: for the name at octet 12, type A, class IN, good for a minute,
/// 4 octets.
const RECORD: &[u8] = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04";

/// What the name server says of it.
const ANSWER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (proxy, authority) = proxy().await?;
    let name_server = UdpSocket::bind("127.0.0.1:0").await?;
    let target = name_server.local_addr()?;
    tokio::spawn(answer_one(name_server));

    // A stream to the name that stands for UDP. A chain of proxies can open it as well.
    let tls = TlsConnector::new(ClientSettings::new(authority).build()?);
    let proxy = Address::new("localhost", proxy.port())?;
    let connector = HttpUpstream::new(proxy).via(tls);
    let protocol = UdpOverTcp::V2;
    let stream = connector.oneshot(protocol.target()).await?;
    let mut socket = ProxySocket::over_stream(stream, protocol);

    socket.send_to(QUESTION, target).await?;
    let mut answer = vec![0; 512];
    let receiving = timeout(Duration::from_secs(5), socket.recv_from(&mut answer));
    let (len, source) = receiving.await??;
    answer.truncate(len);
    assert_eq!(source, Address::Ip(target));
    println!("{len} octets came from {source}, through TLS and HTTP");
    let address = address_in(&answer).ok_or("that is no answer")?;
    println!("tower.test is {address}");
    assert_eq!(address, ANSWER);
    Ok(())
}

/// HTTP CONNECT over TLS, with UDP behind it.
async fn proxy() -> Result<(SocketAddr, Authorities), BoxError> {
    let own = generate_simple_self_signed(["localhost".to_owned()])?;
    let (chain, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let key = CertifiedKey::from_pem(chain.as_bytes(), key.as_bytes())?;
    let stack = ServiceBuilder::new()
        .layer(TlsLayer::new(ServerSettings::new(key).build()?))
        .layer(HttpLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .layer(UdpOverTcpLayer::new()) // above policies and limits, which are asked about UDP
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());
    Ok((address, Authorities::from_pem(chain.as_bytes())?))
}

/// Returns the address that an answer to the question has, if it is one without an error.
fn address_in(message: &[u8]) -> Option<Ipv4Addr> {
    let rest = message.strip_prefix(b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00")?;
    let question = QUESTION.get(12..)?;
    let record = rest.strip_prefix(question)?;
    let octets: [u8; 4] = record.strip_prefix(RECORD)?.try_into().ok()?;
    Some(octets.into())
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
    message.extend(RECORD);
    message.extend(ANSWER.octets());
    socket.send_to(&message, client).await?;
    Ok(())
}
