//! M1, M2 and M8: one port for several protocols.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::Layer;
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, NoAuth,
    layer::{mixed::MixedLayer, socks4::Socks4Layer},
};

use crate::{
    case::{Outcome, Scope},
    server::{Server, ours},
    talk::{CONNECT, Talk, arrival, echo, leave, target},
};

const OURS: Scope = Scope::Ours("it serves all protocols on one port");

cases! {
    M1 m1_the_first_octet_chooses, "+", OURS,
        "05 is SOCKS5, 04 SOCKS4, a capital letter HTTP; all else is closed without an answer.",
        "CONNECT in each to a target that echoes, and every other octet.";
    M2 m2_a_first_octet_alone_is_waited_for, "+", OURS,
        "A first octet that comes alone is waited for, and what follows it, under one deadline.",
        "The dialogues of SOCKS5 and SOCKS4 octet by octet; silence and each first octet with a deadline of 1 s.";
    M8 m8_what_is_not_served_is_told_so, "+", OURS,
        "Where it is not served HTTP gets a page with status 501, SOCKS4 5B in eight octets, and all else nothing.",
        "A port for SOCKS5: GET, HEAD, CONNECT, SOCKS4, SOCKS4a, TLS, a header of the PROXY protocol.";
}

async fn server(layer: MixedLayer) -> Server {
    ours(layer.layer(AuthLayer::new(NoAuth).layer(Connector::direct()))).await
}

fn all() -> MixedLayer {
    let layer = MixedLayer::new()
        .socks5(HandshakeLayer::new().reply_bound(false))
        .socks4(Socks4Layer::new().reply_bound(false));
    #[cfg(feature = "http-server")]
    let layer = layer.http(tower_socks::layer::http::HttpLayer::new());
    layer
}

/// The dialogues of SOCKS5 and SOCKS4 towards DST, and what comes back.
fn dialogues(dst: &[u8]) -> [(Vec<u8>, Vec<u8>); 2] {
    let (address, port) = (&dst[1..5], &dst[5..7]);
    let socks5 = [b"\x05\x01\x00", &[5, CONNECT, 0][..], dst].concat();
    let socks4 = [&[4, 1], port, address, b"\0"].concat();
    let reply = b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0";
    [
        (socks5, reply.to_vec()),
        (socks4, b"\x00\x5a\0\0\0\0\0\0".to_vec()),
    ]
}

async fn m1_the_first_octet_chooses() -> Outcome {
    let server = server(all()).await;
    let (listener, dst) = target().await;
    for (said, heard) in dialogues(&dst) {
        let mut client = server.connect().await?;
        client.say(&said).await?;
        client.hear(&heard).await?;
        let (mut target, _) = arrival(&listener).await?;
        echo(&mut client, &mut target).await?;
    }
    #[cfg(feature = "http-server")]
    {
        let mut client = server.connect().await?;
        let to = listener.local_addr().unwrap();
        client
            .say(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes())
            .await?;
        client.hear(b"HTTP/1.1 200 ").await?;
        let (_target, _) = arrival(&listener).await?;
    }
    for octet in (0..=255_u8).filter(|it| !matches!(it, 4 | 5 | b'A'..=b'Z')) {
        let mut client = server.connect().await?;
        client.say(&[octet, 1, 0]).await?;
        client.closes().await?;
        leave(client);
    }
    Ok(())
}

async fn m2_a_first_octet_alone_is_waited_for() -> Outcome {
    let slow = server(all()).await;
    let (listener, dst) = target().await;
    for (said, heard) in dialogues(&dst) {
        let mut client = slow.connect().await?;
        client.say(&said[..1]).await?;
        sleep(Duration::from_millis(200)).await;
        for octet in &said[1..] {
            client.say(&[*octet]).await?;
        }
        client.hear(&heard).await?;
        arrival(&listener).await?;
    }
    let second = Duration::from_secs(1);
    let strict = server(
        MixedLayer::new()
            .socks5(HandshakeLayer::new().deadline(second))
            .socks4(Socks4Layer::new().deadline(second)),
    )
    .await;
    for said in [&b""[..], b"\x05", b"G"] {
        let started = Instant::now();
        let mut client = strict.connect().await?;
        client.say(said).await?;
        client.closes().await?;
        let over = started.elapsed();
        ensure!(
            over >= second / 2 && over < 4 * second,
            "{over:?} after {said:?}"
        );
    }
    Ok(())
}

async fn m8_what_is_not_served_is_told_so() -> Outcome {
    let server = server(MixedLayer::new().socks5(HandshakeLayer::new())).await;
    for request in [
        "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "HEAD / HTTP/1.0\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
    ] {
        let mut client = server.connect().await?;
        client.say(request.as_bytes()).await?;
        client.hear(b"HTTP/1.1 501 ").await?;
        leave(client);
    }
    for request in [
        &b"\x04\x01\x00\x50\x7f\x00\x00\x01joe\0"[..],
        b"\x04\x01\x00\x50\0\0\0\x01joe\0a.example\0",
        b"\x04",
    ] {
        let mut client = server.connect().await?;
        client.say(request).await?;
        client.hear(b"\x00\x5b\0\0\0\0\0\0").await?;
        client.closes().await?;
    }
    for garbage in [
        &b"\x16\x03\x01\x00\x05"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    ] {
        let mut client = server.connect().await?;
        client.say(garbage).await?;
        client.closes().await?;
    }
    Ok(())
}
