//! M3 to M7 and M9: SOCKS4 and SOCKS4a.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};
use tower::Layer;
use tower_socks::{
    AclLayer, AuthLayer, Connector, Identity, NoAuth, UserPass,
    layer::{auth::AcceptUserId, socks4::Socks4Layer},
};

use crate::{
    case::{Outcome, Scope},
    server::{Server, ours, users},
    support::udp::{connect_from, policies::forbidding},
    talk::{Talk, arrival, echo, shown, target, within},
};

const OURS: Scope = Scope::Ours("it is one for SOCKS4");

const CONNECT: u8 = 1;
const BIND: u8 = 2;
const REJECTED: &[u8] = b"\x00\x5b\0\0\0\0\0\0";

cases! {
    M3 m3_a_reply_has_eight_octets_and_a_failure_is_the_end, "SOCKS4", OURS,
        "CONNECT is granted with 5A and eight octets; whatever fails is 5B and the end.",
        "A target that listens, octet by octet too; a closed port; commands that are none.";
    M4 m4_a_name_stands_behind_0_0_0_x, "SOCKS4a", OURS,
        "A name follows 0.0.0.x where x is not zero, and 0.0.0.0 is an address.",
        "localhost behind 0.0.0.1 and 0.0.0.255; 0.0.0.0 is granted or rejected without a name.";
    M5 m5_user_id_and_name_are_bounded, "+", OURS,
        "USERID and NAME have 255 octets at most, and come within the deadline.",
        "255 and 256 octets of each, with and without an end; none at all, with a deadline of 1 s.";
    M6 m6_bind_has_two_replies, "SOCKS4", OURS,
        "BIND has a reply when it listens and another one when the peer comes; another peer gets it 5B.",
        "A peer at DSTIP, and one from 127.0.0.2.";
    M7 m7_a_user_id_is_a_claim, "+", OURS,
        "With users SOCKS4 is 5B, unless a policy accepts USERID as a claim.",
        "The name of a user, none, and a claim that is accepted.";
    M9 m9_names_are_judged_as_addresses_where_they_are, "+", OURS,
        "A name in any notation of an address is judged as that address, and one that is none is 5B.",
        "A policy against loopback; decimal, hexadecimal, octal, mapped and in brackets; malformed names.";
}

/// A server without passwords and policies.
async fn server() -> Server {
    ours(Socks4Layer::new().layer(AuthLayer::new(NoAuth).layer(Connector::direct()))).await
}

/// A request for an address.
fn request(command: u8, to: SocketAddr, user_id: &[u8]) -> Vec<u8> {
    let SocketAddr::V4(to) = to else {
        panic!("{to} is no address of SOCKS4")
    };
    let port = to.port().to_be_bytes();
    [&[4, command], &port[..], &to.ip().octets(), user_id, b"\0"].concat()
}

/// CONNECT to a name behind 0.0.0.x.
fn named(x: u8, name: impl AsRef<[u8]>, port: u16) -> Vec<u8> {
    let head = [b"\x04\x01", &port.to_be_bytes()[..], &[0, 0, 0, x, 0]];
    [&head.concat(), name.as_ref(), b"\0"].concat()
}

/// 5B, and the end.
async fn rejected(server: &Server, request: &[u8]) -> Outcome {
    let mut client = server.connect().await?;
    client.say(request).await?;
    client.hear(REJECTED).await?;
    client.closes().await
}

/// A reply that grants something, with this address.
async fn granted(client: &mut TcpStream) -> Result<SocketAddr, crate::case::Miss> {
    let reply = client.octets(8).await?;
    ensure!(reply[..2] == [0, 0x5a], "a reply of {}", shown(&reply));
    let ip: [u8; 4] = reply[4..].try_into().unwrap();
    Ok((ip, u16::from_be_bytes([reply[2], reply[3]])).into())
}

async fn m3_a_reply_has_eight_octets_and_a_failure_is_the_end() -> Outcome {
    let server = server().await;
    let (listener, _) = target().await;
    let to = listener.local_addr().unwrap();
    for bytewise in [false, true] {
        let mut client = server.connect().await?;
        let asks = request(CONNECT, to, b"joe");
        match bytewise {
            false => client.say(&asks).await?,
            true => client.say_bytewise(&asks).await?,
        }
        let (mut reached, from) = arrival(&listener).await?;
        let bound = granted(&mut client).await?;
        ensure!(
            bound == from,
            "the reply has {bound}, and we come from {from}"
        );
        echo(&mut client, &mut reached).await?;
    }
    drop(listener);
    rejected(&server, &request(CONNECT, to, b"")).await?;
    for command in [0, 3, 0xf0, 0xf1, 0xff] {
        rejected(&server, &request(command, to, b"")).await?;
    }
    Ok(())
}

async fn m4_a_name_stands_behind_0_0_0_x() -> Outcome {
    let server = server().await;
    let (listener, _) = target().await;
    let port = listener.local_addr().unwrap().port();
    for x in [1, 255] {
        let mut client = server.connect().await?;
        let early = [&*named(x, "localhost", port), b"early"].concat();
        client.say(&early).await?;
        let (mut reached, _) = arrival(&listener).await?;
        granted(&mut client).await?;
        reached.hear(b"early").await?;
        echo(&mut client, &mut reached).await?;
    }
    let mut client = server.connect().await?;
    client.say(b"\x04\x01\x00\x09\0\0\0\0\0").await?;
    let reply = client.octets(8).await?;
    ensure!(matches!(reply[1], 0x5a | 0x5b), "it waits for a name");
    Ok(())
}

async fn m5_user_id_and_name_are_bounded() -> Outcome {
    let server = server().await;
    let (listener, _) = target().await;
    let to = listener.local_addr().unwrap();
    let mut client = server.connect().await?;
    client.say(&request(CONNECT, to, &[b'u'; 255])).await?;
    granted(&mut client).await?;
    let long = request(CONNECT, to, &[b'u'; 256]);
    rejected(&server, &long).await?;
    rejected(&server, &long[..long.len() - 1]).await?;
    let long = named(1, [b'n'; 256], 80);
    rejected(&server, &long).await?;
    rejected(&server, &long[..long.len() - 1]).await?;

    let limit = Duration::from_secs(1);
    let layer = Socks4Layer::new().deadline(limit);
    let server = ours(layer.layer(AuthLayer::new(NoAuth).layer(Connector::direct()))).await;
    for (whole, name) in [
        (request(CONNECT, to, b"joe"), 0),
        (named(1, "a.example", 80), 3),
    ] {
        let mut client = server.connect().await?;
        let started = Instant::now();
        client.say(&whole[..whole.len() - 1 - name]).await?;
        client.ends().await?;
        ensure!(
            started.elapsed() >= limit,
            "too soon: {:?}",
            started.elapsed()
        );
    }
    Ok(())
}

async fn m6_bind_has_two_replies() -> Outcome {
    let server = server().await;
    let expected = ([127, 0, 0, 1], 20).into();
    let mut client = server.connect().await?;
    client.say(&request(BIND, expected, b"")).await?;
    let bound = granted(&mut client).await?;
    sleep(Duration::from_millis(50)).await;
    client.is_silent()?;
    let connecting = connect_from("127.0.0.1", bound);
    let mut peer = within("connecting", connecting).await?;
    let named = granted(&mut client).await?;
    let is = peer.local_addr().unwrap();
    ensure!(
        named == is,
        "the second reply has {named}, and the peer is {is}"
    );
    echo(&mut client, &mut peer).await?;

    let mut client = server.connect().await?;
    client.say(&request(BIND, expected, b"")).await?;
    let bound = granted(&mut client).await?;
    let _stranger = within("connecting", connect_from("127.0.0.2", bound)).await?;
    client.hear(REJECTED).await?;
    client.closes().await
}

async fn m7_a_user_id_is_a_claim() -> Outcome {
    let (listener, _) = target().await;
    let to = listener.local_addr().unwrap();
    let joe = || UserPass::new(users([("joe", "secret")]));
    let layer = Socks4Layer::new();
    let server = ours(layer.layer(AuthLayer::new(joe()).layer(Connector::direct()))).await;
    for claim in [&b"joe"[..], b"", b"secret"] {
        rejected(&server, &request(CONNECT, to, claim)).await?;
    }
    let printer = AcceptUserId::new(|claim: &[u8]| {
        let known = claim == b"printer";
        known.then(|| Identity::named("printer"))
    });
    let both = AuthLayer::new((joe(), printer));
    let server = ours(layer.layer(both.layer(Connector::direct()))).await;
    rejected(&server, &request(CONNECT, to, b"joe")).await?;
    let mut client = server.connect().await?;
    client.say(&request(CONNECT, to, b"printer")).await?;
    granted(&mut client).await?;
    Ok(())
}

async fn m9_names_are_judged_as_addresses_where_they_are() -> Outcome {
    let (policy, _) = forbidding(|target, _| {
        target
            .ip()
            .is_some_and(|address| address.ip().is_loopback())
    });
    let stack = AuthLayer::new(NoAuth).layer(AclLayer::new(policy).layer(Connector::direct()));
    let server = ours(Socks4Layer::new().layer(stack)).await;
    let (listener, _) = target().await;
    let to = listener.local_addr().unwrap();
    rejected(&server, &request(CONNECT, to, b"")).await?;
    for name in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "[::ffff:127.0.0.1]",
        "::1",
    ] {
        rejected(&server, &named(1, name, to.port())).await?;
    }
    for name in [
        &b""[..],
        b".",
        b"a b",
        b"a..b",
        b"127.0.0.256",
        b"\xff",
        b"a\rb",
    ] {
        rejected(&server, &named(1, name, to.port())).await?;
    }
    let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    ensure!(nobody.is_err(), "somebody got there");
    Ok(())
}
