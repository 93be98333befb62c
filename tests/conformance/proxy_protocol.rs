//! P: the PROXY protocol, received and sent.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use tower::Layer;
use tower_socks::{
    AclLayer, AuthLayer, Connector, HandshakeLayer, NoAuth, Request,
    connector::{Announcement, direct::Direct},
    layer::proxy_protocol::{ProxyProtocolLayer, Untrusted},
    proto::{Network, ProxyHeader, ProxyTlv, ProxyVersion},
    serve,
    session::Check,
};

use crate::{
    case::{Outcome, Scope},
    server::{Server, ours},
    support::stack,
    talk::{CONNECT, Talk, arrival, echo, target},
};

const OURS: Scope = Scope::Ours("it is one behind a load balancer");

const LINE: &[u8] = b"PROXY TCP4 192.0.2.77 198.51.100.1 40000 1080\r\n";

cases! {
    P1 p1_a_header_of_either_version, "PROXY, 2", OURS,
        "Version 1 is a line of at most 107 octets, version 2 has lengths that fit; anything else ends the connection.",
        "Both, with IPv4 and IPv6, whole and octet by octet; a greeting, 107 octets without an end, wrong lengths.";
    P2 p2_without_an_address_the_socket_has_the_say, "PROXY, 2.2", OURS,
        "LOCAL, UNKNOWN and UNSPEC keep the socket's address, and an end behind the header is no failure.",
        "A policy that notes the client; connections that end before and behind a header.";
    P3 p3_a_forged_header_is_not_obeyed, "PROXY, 5", OURS,
        "A header from a network that is not trusted is never obeyed.",
        "Refused; and as a plain client, whose first octet is no greeting.";
    P4 p4_a_header_is_never_guessed, "PROXY, 5", OURS,
        "A client of a trusted network without a header is refused.",
        "A greeting, octet by octet and whole.";
    P5 p5_checksum_and_tlvs, "PROXY, 2.2.3", OURS,
        "CRC32C is checked where it is present, and TLVs reach the extensions of the request.",
        "A policy that notes AUTHORITY; one bit of the header is wrong.";
    P6 p6_the_client_of_the_header_is_counted, "+", OURS,
        "The client of the header is the one that the policy sees and that limits count.",
        "One connection in the handshake for each client: twenty clients, and a second connection.";
    P7 p7_waiting_for_a_header_is_bounded, "+", OURS,
        "Waiting for a header is bounded in time and in number.",
        "A deadline of 300 ms, silence and half a header; two that may wait, and a third one.";
    P8 p8_listed_targets_are_told, "+", OURS,
        "A listed target hears a header with the client's address before the first octet, and no other does.",
        "Both versions, to 127.0.0.1 listed and not listed.";
}

fn trusting() -> ProxyProtocolLayer {
    ProxyProtocolLayer::trusting([loopback()])
}

fn loopback() -> Network {
    "127.0.0.0/8".parse().unwrap()
}

/// What a policy was shown: the client and AUTHORITY.
type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A server behind such a layer, and what its policy sees.
async fn behind(layer: ProxyProtocolLayer) -> (Server, Seen) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let policy = move |request: &Request, _: Check| {
        let header = request.extensions.get::<ProxyHeader>();
        let authority = header.and_then(ProxyHeader::authority).map(str::to_owned);
        notes
            .lock()
            .unwrap()
            .push((request.peer.to_string(), authority));
        Ok(())
    };
    let service = AclLayer::new(policy).layer(Connector::direct());
    (ours(layer.layer(stack(NoAuth, service))).await, seen)
}

/// A connection to an echo, behind this header.
async fn works(server: &Server, header: &[u8], bytewise: bool) -> Outcome {
    let (listener, dst) = target().await;
    let mut client = server.connect().await?;
    let asks = [header, b"\x05\x01\x00", &[5, CONNECT, 0], &dst].concat();
    match bytewise {
        false => client.say(&asks).await?,
        true => client.say_bytewise(&asks).await?,
    }
    client.hear(b"\x05\x00").await?;
    let (mut reached, _) = arrival(&listener).await?;
    let reply = client.octets(10).await?;
    ensure!(reply[1] == 0, "reply {:02x}", reply[1]);
    echo(&mut client, &mut reached).await
}

/// Ends without a word.
async fn ends(server: &Server, said: &[u8]) -> Outcome {
    let mut client = server.connect().await?;
    client.say(said).await?;
    client.closes().await
}

fn v2() -> ProxyHeader {
    let (source, destination) = ("192.0.2.77:40000".parse(), "198.51.100.1:1080".parse());
    ProxyHeader::new(ProxyVersion::V2, source.unwrap(), destination.unwrap())
}

async fn p1_a_header_of_either_version() -> Outcome {
    let (server, seen) = behind(trusting()).await;
    let v6 = ProxyHeader::new(
        ProxyVersion::V2,
        "[2001:db8::7]:40000".parse().unwrap(),
        "[2001:db8::1]:1080".parse().unwrap(),
    );
    let line = b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 1080\r\n";
    for header in [LINE.to_vec(), v2().encode(), v6.encode(), line.to_vec()] {
        for bytewise in [false, true] {
            works(&server, &header, bytewise).await?;
        }
    }
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    ensure!(
        seen.iter()
            .all(|(peer, _)| ["192.0.2.77:40000", "[2001:db8::7]:40000"].contains(&peer.as_str())),
        "the policy saw {seen:?}"
    );
    let mut short = v2().encode();
    short[15] = 11;
    let mut datagram = v2().encode();
    datagram[13] = 0x12;
    ends(
        &server,
        &[b"PROXY UNKNOWN ".as_slice(), &[b'a'; 93]].concat(),
    )
    .await?;
    ends(&server, &short).await?;
    ends(&server, &datagram).await
}

async fn p2_without_an_address_the_socket_has_the_say() -> Outcome {
    let (server, seen) = behind(trusting()).await;
    let headers = [
        ProxyHeader::local().encode(),
        ProxyHeader::unknown(ProxyVersion::V1).encode(),
        ProxyHeader::unknown(ProxyVersion::V2).encode(),
    ];
    for header in headers {
        works(&server, &header, false).await?;
        drop(server.connect().await?);
        let mut check = server.connect().await?;
        check.say(&header).await?;
        drop(check);
    }
    let seen = seen.lock().unwrap();
    ensure!(
        seen.iter().all(|(peer, _)| peer.starts_with("127.0.0.1:")),
        "the policy saw {seen:?}"
    );
    Ok(())
}

async fn p3_a_forged_header_is_not_obeyed() -> Outcome {
    let elsewhere = || ProxyProtocolLayer::trusting(["192.0.2.0/24".parse().unwrap()]);
    let (server, _) = behind(elsewhere()).await;
    ends(&server, LINE).await?;
    let (server, seen) = behind(elsewhere().untrusted(Untrusted::Plain)).await;
    ends(&server, LINE).await?;
    ends(&server, &v2().encode()).await?;
    works(&server, b"", false).await?;
    let seen = seen.lock().unwrap();
    ensure!(
        seen.iter().all(|(peer, _)| peer.starts_with("127.0.0.1:")),
        "the policy saw {seen:?}"
    );
    Ok(())
}

async fn p4_a_header_is_never_guessed() -> Outcome {
    let (server, seen) = behind(trusting().untrusted(Untrusted::Plain)).await;
    for said in [
        &b"\x05"[..],
        b"\x05\x01\x00",
        b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50",
    ] {
        ends(&server, said).await?;
    }
    ensure!(seen.lock().unwrap().is_empty(), "the policy was asked");
    Ok(())
}

async fn p5_checksum_and_tlvs() -> Outcome {
    let (server, seen) = behind(trusting()).await;
    let header = v2()
        .with_tlv(ProxyTlv::AUTHORITY, b"front.example")
        .unwrap();
    let mut frame = header.with_checksum().unwrap().encode();
    works(&server, &frame, false).await?;
    let authority = seen
        .lock()
        .unwrap()
        .pop()
        .and_then(|(_, authority)| authority);
    ensure!(
        authority.as_deref() == Some("front.example"),
        "{authority:?}"
    );
    frame[20] ^= 0x40;
    ends(&server, &frame).await
}

async fn p6_the_client_of_the_header_is_counted() -> Outcome {
    let stack = trusting().layer(stack(NoAuth, Connector::direct()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(
        serve(listener, stack)
            .unauthenticated_per_client(1)
            .into_future(),
    );
    let greets = async |client: usize| -> Result<TcpStream, crate::case::Miss> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let header = format!("PROXY TCP4 192.0.2.{client} 198.51.100.1 40000 1080\r\n");
        stream
            .say(&[header.as_bytes(), b"\x05\x01\x00"].concat())
            .await?;
        Ok(stream)
    };
    let mut held = Vec::new();
    for client in 1..=20 {
        let mut stream = greets(client).await?;
        stream.hear(b"\x05\x00").await?;
        held.push(stream);
    }
    greets(7).await?.closes().await
}

async fn p7_waiting_for_a_header_is_bounded() -> Outcome {
    let layer = trusting().deadline(Duration::from_millis(300)).waiting(2);
    let (server, _) = behind(layer).await;
    let mut silent = server.connect().await?;
    let mut half = server.connect().await?;
    half.say(&LINE[..20]).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut third = server.connect().await?;
    third.closes().await?;
    silent.closes().await?;
    half.closes().await?;
    works(&server, LINE, false).await
}

async fn p8_listed_targets_are_told() -> Outcome {
    for (version, listed) in [
        (ProxyVersion::V1, true),
        (ProxyVersion::V2, true),
        (ProxyVersion::V1, false),
    ] {
        let network = if listed {
            loopback()
        } else {
            "192.0.2.0/24".parse().unwrap()
        };
        let announcement = Announcement::new(version).to([network]);
        let connector = Connector::direct().with_connect(Direct::new().announce(announcement));
        let server =
            ours(HandshakeLayer::new().layer(AuthLayer::new(NoAuth).layer(connector))).await;
        let (listener, dst) = target().await;
        let mut client = server.client().await?;
        let from = client.local_addr().unwrap();
        client
            .say(&[&[5, CONNECT, 0], dst.as_slice()].concat())
            .await?;
        let (mut reached, _) = arrival(&listener).await?;
        if listed {
            let header = ProxyHeader::new(version, from, listener.local_addr().unwrap()).encode();
            let mut heard = vec![0; header.len()];
            reached.read_exact(&mut heard).await.unwrap();
            ensure!(heard == header, "{}", heard.escape_ascii());
        }
        let reply = client.octets(10).await?;
        ensure!(reply[1] == 0, "reply {:02x}", reply[1]);
        echo(&mut client, &mut reached).await?;
    }
    Ok(())
}
