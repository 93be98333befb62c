//! The resolver of the feature `hickory`, against a name server of a few lines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use tokio::net::{TcpListener, UdpSocket};
use tower::ServiceExt;
use tower_socks::{
    connector::{direct::Direct, resolve::HickoryResolver},
    error::reply_code,
    proto::{Address, DomainName, ReplyCode},
};

/// Knows `two.example`, at an address of each family, and no other name.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (len, client) = socket.recv_from(&mut buffer).await.unwrap();
            socket
                .send_to(&answer(&buffer[..len]), client)
                .await
                .unwrap();
        }
    });
    address
}

/// An answer (RFC 1035 section 4) to a query with one question.
fn answer(query: &[u8]) -> Vec<u8> {
    let name_len = query[12..].iter().position(|octet| *octet == 0).unwrap() + 1;
    let question = &query[12..12 + name_len + 4];
    let known = question
        .to_ascii_lowercase()
        .starts_with(b"\x03two\x07example\0");
    let kind = question[name_len + 1];
    let data = match (known, kind) {
        (true, 1) => Ipv4Addr::LOCALHOST.octets().to_vec(),
        (true, 28) => Ipv6Addr::LOCALHOST.octets().to_vec(),
        _ => Vec::new(),
    };
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, if known { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, u8::from(!data.is_empty()), 0, 0, 0, 0]);
    answer.extend(question);
    if !data.is_empty() {
        answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        answer.extend(data);
    }
    answer
}

async fn resolver() -> HickoryResolver {
    let server = name_server().await;
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let servers = vec![NameServerConfig::new(server.ip(), true, vec![connection])];
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    builder.build().unwrap().into()
}

#[tokio::test]
async fn both_families_are_looked_up() {
    let name = DomainName::new("two.example").unwrap();
    let mut addresses = resolver().await.oneshot(name).await.unwrap();
    addresses.sort();
    let expected: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    assert_eq!(addresses, expected);
}

#[tokio::test]
async fn it_leads_to_a_connection_or_to_the_right_reply() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let direct = Direct::new().resolver(resolver().await);
    let connected = direct
        .clone()
        .oneshot(Address::new("two.example", port).unwrap())
        .await;
    assert_eq!(
        connected.unwrap().get_ref().peer_addr().unwrap().port(),
        port
    );
    let unknown = direct
        .oneshot(Address::new("three.example", port).unwrap())
        .await;
    assert_eq!(
        reply_code(&*unwrap_err(unknown)),
        ReplyCode::HOST_UNREACHABLE
    );
}

fn unwrap_err<T, E>(result: Result<T, E>) -> E {
    match result {
        Ok(_) => panic!("expected a failure"),
        Err(error) => error,
    }
}
