//! The handshake: what is no TLS, what is slow, what leaves.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use tower_socks::{
    SessionError,
    error::{Fault, Step, TlsError},
    tls::{TlsInfo, rustls},
};
use tracing::Level;

use crate::{
    support::{CONNECT, CONNECTED, Client, HELLO, HELLO_OK, Script, log::Log, within},
    world::{World, client, server, shake},
};

const UNEXPECTED_MESSAGE: &[u8] = b"\x15\x03\x01\x00\x02\x02\x0a";

fn failed(outcome: Result<tower_socks::Traffic, SessionError>) -> (TlsError, Fault) {
    let error = outcome.unwrap_err();
    assert_eq!(error.step(), Step::Tls);
    let fault = error.fault();
    let mut source = std::error::Error::source(&error).unwrap();
    loop {
        match source.downcast_ref::<TlsError>() {
            Some(TlsError::NotTls(what)) => return (TlsError::NotTls(*what), fault),
            Some(TlsError::Closed) => return (TlsError::Closed, fault),
            Some(TlsError::Handshake(error)) => return (TlsError::Handshake(error.clone()), fault),
            Some(other) => panic!("{other}"),
            None => source = source.source().unwrap(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_inside() {
    let world = World::new();
    let (mut io, _session, mut dialled) = client(&world, &world.layer()).await;
    io.say(HELLO).await;
    io.hear(HELLO_OK).await;
    io.say(CONNECT).await;
    io.hear(CONNECTED).await;
    let (request, mut target) = dialled.recv().await.unwrap();
    let info: &TlsInfo = request.extensions.get().unwrap();
    assert_eq!(info.server_name.as_deref(), Some("localhost"));
    assert_eq!(info.version, Some(rustls::ProtocolVersion::TLSv1_3));
    assert!(info.cipher_suite.is_some());
    assert!(info.alpn.is_none() && info.certificate.is_none() && info.chain.is_empty());
    io.say(b"ping").await;
    target.hear(b"ping").await;
    target.say(b"pong").await;
    io.hear(b"pong").await;
}

/// A greeting is shorter than what TLS would wait for, and is answered all the same: at the first octet.
#[tokio::test]
async fn what_is_no_tls_gets_an_alert_and_a_line() {
    let world = World::new();
    let (log, _guard) = Log::start(Level::DEBUG);
    for (said, looks) in [
        (&b"\x05"[..], "it looks like SOCKS5"),
        (b"\x05\x01\x00", "it looks like SOCKS5"),
        (
            b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
            "it looks like SOCKS4",
        ),
        (b"GET / HTTP/1.1\r\n\r\n", "it looks like HTTP"),
        (b"CONNECT a:1 HTTP/1.1\r\n\r\n", "it looks like HTTP"),
        (
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "it looks like a PROXY header",
        ),
        (b"\r\n\r\n\0\r\nQUIT\n", "it looks like a PROXY header"),
        (b"SSH-2.0-x\r\n", "it looks like SSH"),
        (b"\x80\x2e\x01\x03\x01", "this is not TLS"),
        (b"\0", "this is not TLS"),
    ] {
        let (server, _dialled) = server(&world.layer());
        let mut client = Client::new(server);
        client.io.say(said).await;
        client.io.hear(UNEXPECTED_MESSAGE).await;
        client.io.hear_end().await;
        let (error, fault) = failed(client.lingering_close().await);
        assert!(matches!(error, TlsError::NotTls(_)), "{error}");
        assert_eq!(fault, Fault::Client);
        let lines = log.take();
        let lines: Vec<_> = lines
            .lines()
            .filter(|it| it.contains("session ended"))
            .collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains("DEBUG") && lines[0].contains(looks),
            "{lines:?}"
        );
        assert!(
            lines[0].contains("outcome=tls") && lines[0].contains("203.0.113.5"),
            "{lines:?}"
        );
    }
}

/// The other way round: the handshake of TLS at a port without it.
#[tokio::test]
async fn tls_at_a_plain_port_is_told_in_the_log() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let (dialer, _dialled) = crate::support::targets::targets();
    let Client { io, session } = Client::new(crate::support::stack(tower_socks::NoAuth, dialer));
    assert!(shake(World::new().client(), io).await.is_err());
    session.await.unwrap().unwrap_err();
    assert!(
        log.text().contains("TLS client at a plain port"),
        "{}",
        log.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_handshake_may_come_octet_by_octet() {
    let world = World::new();
    let (server, _dialled) = server(&world.layer());
    let Client {
        io,
        session: _session,
    } = Client::new(server);
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let (mut from, mut to) = tokio::io::split(far);
        let (mut back, mut forth) = tokio::io::split(io);
        let up = async {
            let mut octet = [0];
            while from.read(&mut octet).await.unwrap() > 0 {
                forth.say_octet(octet).await;
            }
        };
        let down = async { tokio::io::copy(&mut back, &mut to).await };
        let _ = tokio::join!(up, down);
    });
    let mut io = within(shake(world.client(), near)).await.unwrap();
    io.say(HELLO).await;
    io.hear(HELLO_OK).await;
}

trait SayOctet: AsyncWriteExt + Unpin {
    async fn say_octet(&mut self, octet: [u8; 1]) {
        self.write_all(&octet).await.unwrap();
        self.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
}

impl<Io: AsyncWriteExt + Unpin> SayOctet for Io {}

/// Everything after the first octet is garbage: the alert comes, and the end.
#[tokio::test(start_paused = true)]
async fn garbage_in_tls_fails_at_once() {
    let world = World::new();
    for said in [
        &b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"[..], // a hello without contents
        b"\x16\x03\x01\xff\xff",                          // a record that is too large
        b"\x16\x05\x01\x00\x05hello",                     // a version that does not exist
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",          // a ServerHello
    ] {
        let (server, _dialled) = server(&world.layer());
        let mut client = Client::new(server);
        client.io.say(said).await;
        let alert = client.io.hear_rest().await;
        assert_eq!(alert.first(), Some(&0x15), "{said:?}: {alert:?}");
        let (error, fault) = failed(client.lingering_close().await);
        assert!(matches!(error, TlsError::Handshake(_)), "{error}");
        assert_eq!(fault, Fault::Client);
    }
}

/// At every octet of a hello the client stops or leaves.
#[tokio::test(start_paused = true)]
async fn who_stops_has_ten_seconds_and_who_leaves_is_gone_at_once() {
    let world = World::new();
    let name = "localhost".try_into().unwrap();
    let mut hello = Vec::new();
    let mut tls = rustls::ClientConnection::new(world.client(), name).unwrap();
    tls.write_tls(&mut hello).unwrap();
    for length in (0..hello.len()).step_by(7) {
        let (server, _dialled) = server(&world.layer());
        let mut stops = Client::new(server.clone());
        let started = Instant::now();
        stops.io.say(&hello[..length]).await;
        let error = stops.outcome().await.unwrap_err();
        assert_eq!((error.step(), error.fault()), (Step::Tls, Fault::Client));
        assert_eq!(started.elapsed().as_secs(), 10, "after {length} octets");

        let mut leaves = Client::new(server);
        let started = Instant::now();
        leaves.io.say(&hello[..length]).await;
        let (error, _) = failed(leaves.lingering_close().await);
        assert!(
            matches!(error, TlsError::Closed),
            "after {length} octets: {error}"
        );
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}

/// A hello of 16 MiB is announced, and octets come for as long as anybody takes them.
#[tokio::test(start_paused = true)]
async fn a_hello_that_never_ends_is_bounded_in_memory() {
    let world = World::new();
    let (server, _dialled) = server(&world.layer());
    let mut client = Client::new(server);
    // A handshake message of 16 MiB less one, in records of 16 KiB.
    let mut taken = 0;
    let mut record = b"\x16\x03\x01\x40\x00\x01\xff\xff\xff".to_vec();
    record.resize(5 + 16 * 1024, 0);
    while taken < 1 << 20 {
        client.io.say(&record).await;
        taken += record.len();
        record[5..9].fill(0);
        let mut octet = [0];
        let end = tokio::time::timeout(Duration::from_millis(1), client.io.read(&mut octet));
        if end.await.is_ok() {
            break;
        }
    }
    assert!(taken < 100 * 1024, "{taken} octets were taken");
    let error = client.outcome().await.unwrap_err();
    assert_eq!((error.step(), error.fault()), (Step::Tls, Fault::Client));
}

/// The handshake and what is behind it have one deadline together.
#[tokio::test(start_paused = true)]
async fn one_deadline_for_tls_and_the_request() {
    let world = World::new();
    let (server, _dialled) = server(&world.layer());
    let Client { io, session } = Client::new(server);
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut io = shake(world.client(), io).await.unwrap();
    io.say(HELLO).await;
    io.hear(HELLO_OK).await;
    let error = session.await.unwrap().unwrap_err();
    let error: &SessionError = error.downcast_ref().unwrap();
    assert_eq!(error.step(), Step::Request);
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_layer_has_a_deadline_of_its_own() {
    let world = World::new();
    let (server, _dialled) = server(&world.layer().deadline(Duration::from_secs(3)));
    let mut client = Client::new(server);
    let started = Instant::now();
    client.outcome().await.unwrap_err();
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_protocol_is_agreed_on_where_one_is_asked_for() {
    let world = World::new();
    for (asked, agreed) in [
        (&["h2", "http/1.1"][..], Some(Some("http/1.1"))),
        (&["http/1.1"], Some(Some("http/1.1"))),
        (&[], Some(None)),
        (&["h2"], None),
    ] {
        let (server, _dialled) = server(&world.layer());
        let Client {
            io,
            session: _session,
        } = Client::new(server);
        let mut config = rustls::ClientConfig::clone(&world.client());
        config.alpn_protocols = asked.iter().map(|it| it.as_bytes().to_vec()).collect();
        let shaken = shake(config.into(), io).await.ok();
        let found = shaken.map(|it| it.get_ref().1.alpn_protocol().map(<[u8]>::to_vec));
        let agreed = agreed.map(|it| it.map(|it: &str| it.as_bytes().to_vec()));
        assert_eq!(found, agreed, "{asked:?}");
    }
}
