//! Accounting by RADIUS.

use std::{sync::Arc, time::Duration};

use md5::{Digest, Md5};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, Identity, NoAuth, UserPass,
    layer::{
        auth::radius::Accounting,
        record::{Recorder, Sink},
    },
    serve,
};

use super::radius_server::{Packet, SECRET, Server, attribute};

const STATUS: u8 = 40;
const START: u32 = 1;
const STOP: u32 = 2;
const INTERIM: u32 = 3;

/// Takes the next record, whose signature has to be right.
async fn record(server: &Server) -> Packet {
    let packet = timeout(Duration::from_secs(20), server.packet())
        .await
        .unwrap();
    assert_eq!(packet.octets[0], 4);
    let (head, attributes) = (&packet.octets[..4], &packet.octets[20..]);
    let own = Md5::digest([head, &[0; 16], attributes, SECRET.as_bytes()].concat());
    assert_eq!(own[..], packet.octets[4..20]);
    packet
}

/// Takes it, and says so.
async fn taken(server: &Server) -> Packet {
    let packet = record(server).await;
    server.send(&packet.unsigned_answer(5, b""), &packet).await;
    packet
}

/// A client that sends `ping` through a proxy with this sink, gets `pong!`, and stays until it is told to leave.
async fn session(sink: &Accounting, log_in: &[u8], leave: oneshot::Receiver<()>, method: Method) {
    let recorder = Recorder::new([Arc::new(sink.clone()) as Arc<dyn Sink>]);
    let updates = tokio::spawn(recorder.clone().updates());
    let layers = ServiceBuilder::new()
        .layer(recorder.sessions())
        .layer(HandshakeLayer::new());
    let requests = recorder.requests();
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let (stopped, stopping) = oneshot::channel::<()>();
    let stop = async {
        _ = stopping.await;
    };
    let server = match method {
        Method::Nobody => {
            let stack = layers.layer(AuthLayer::new(NoAuth)).layer(requests);
            let stack = stack.service(Connector::direct());
            tokio::spawn(
                serve(listener, stack)
                    .with_graceful_shutdown(stop)
                    .into_future(),
            )
        }
        Method::Radius(radius) => {
            let stack = layers
                .layer(AuthLayer::new(UserPass::new(radius)))
                .layer(requests);
            let stack = stack.service(Connector::direct());
            tokio::spawn(
                serve(listener, stack)
                    .with_graceful_shutdown(stop)
                    .into_future(),
            )
        }
    };
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.write_all(log_in).await.unwrap();
    let len = if log_in.len() > 3 { 4 } else { 2 };
    client.read_exact(&mut vec![0; len]).await.unwrap();
    let port = target.local_addr().unwrap().port();
    client.write_all(&[5, 1, 0, 1, 127, 0, 0, 1]).await.unwrap();
    client.write_all(&port.to_be_bytes()).await.unwrap();
    client.read_exact(&mut [0; 10]).await.unwrap();
    let (mut accepted, _) = target.accept().await.unwrap();
    client.write_all(b"ping").await.unwrap();
    accepted.read_exact(&mut [0; 4]).await.unwrap();
    accepted.write_all(b"pong!").await.unwrap();
    client.read_exact(&mut [0; 5]).await.unwrap();
    _ = leave.await;
    drop((client, accepted));
    stopped.send(()).unwrap();
    server.await.unwrap().unwrap();
    updates.abort();
}

enum Method {
    Nobody,
    Radius(tower_socks::layer::auth::radius::Radius),
}

#[tokio::test]
async fn a_tunnel_is_told_of_from_its_beginning_to_its_end() {
    let (verifies, accounts) = (Server::start().await, Server::start().await);
    let accounting = Accounting::builder([accounts.address()], SECRET)
        .nas_identifier("proxy-1")
        .interim(Some(Duration::from_millis(200)))
        .build()
        .unwrap();
    let running = tokio::spawn(accounting.run());
    accounting.begin();
    let (leave, leaving) = oneshot::channel();
    let radius = verifies.builder().build().unwrap();
    let log_in = b"\x05\x01\x02\x01\x03joe\x06secret";
    let verifying = async {
        let packet = verifies.packet().await;
        let attributes = [attribute(25, b"one"), attribute(25, b"two")].concat();
        verifies.send(&packet.answer(2, &attributes), &packet).await;
    };
    let telling = async {
        let on = taken(&accounts).await;
        assert_eq!((on.number(STATUS), on.text(32)), (Some(7), Some("proxy-1")));
        let start = taken(&accounts).await;
        assert_eq!(start.number(STATUS), Some(START));
        assert_eq!(start.text(1), Some("joe"));
        assert_eq!(start.text(31), Some("127.0.0.1"));
        assert_eq!(start.text(32), Some("proxy-1"));
        assert_eq!(start.text(77), Some("socks5 CONNECT"));
        assert_eq!(start.all(25), [b"one", b"two"]);
        assert_eq!((start.number(45), start.number(41)), (Some(1), Some(0)));
        assert_eq!(start.number(42), None);
        let session = start.text(44).unwrap();
        assert_eq!(session, format!("{}-1", start.text(50).unwrap()));
        for _ in 0..2 {
            let interim = taken(&accounts).await;
            assert_eq!(interim.number(STATUS), Some(INTERIM));
            assert_eq!(interim.text(44), Some(session));
            assert_eq!((interim.number(42), interim.number(43)), (Some(4), Some(5)));
        }
        leave.send(()).unwrap();
        let stop = loop {
            let told = taken(&accounts).await;
            if told.number(STATUS) != Some(INTERIM) {
                break told;
            }
        };
        assert_eq!(stop.number(STATUS), Some(STOP));
        assert_eq!(stop.text(44), Some(session));
        assert_eq!(stop.all(25), [b"one", b"two"]);
        assert_eq!((stop.number(42), stop.number(43)), (Some(4), Some(5)));
        assert_eq!((stop.number(52), stop.number(53)), (Some(0), Some(0)));
        // Of a stream there are no packets.
        assert_eq!((stop.number(47), stop.number(48)), (None, None));
        assert!(stop.number(49).is_some());
    };
    let session = session(&accounting, log_in, leaving, Method::Radius(radius));
    tokio::join!(session, verifying, telling);
    let off = async {
        let off = taken(&accounts).await;
        assert_eq!(off.number(STATUS), Some(8));
    };
    let (left, ()) = tokio::join!(accounting.finish(Duration::from_secs(20)), off);
    assert_eq!((left, accounting.dropped()), (0, 0));
    // Where nobody tells it anything any more, it ends.
    drop(accounting);
    timeout(Duration::from_secs(20), running)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn what_nobody_takes_is_sent_again_with_its_delay_and_nobody_waits_for_it() {
    let server = Server::start().await;
    let accounting = Accounting::builder([server.address()], SECRET)
        .interim(None)
        .timeout(Duration::from_millis(300))
        .retries(1)
        .build()
        .unwrap();
    tokio::spawn(accounting.run());
    let (leave, leaving) = oneshot::channel();
    leave.send(()).unwrap();
    session(&accounting, &[5, 1, 0], leaving, Method::Nobody).await;
    assert_eq!(accounting.waiting(), 2);
    let first = record(&server).await;
    assert_eq!(first.number(STATUS), Some(START));
    // Who has not authenticated has no name.
    assert_eq!((first.text(1), first.number(45)), (None, Some(2)));
    let late = loop {
        let again = record(&server).await;
        assert_eq!(again.number(STATUS), Some(START), "Stop comes after Start");
        assert_eq!(again.text(44), first.text(44));
        assert_eq!(again.number(55), first.number(55));
        if again.number(41) > Some(0) {
            break again;
        }
    };
    assert_ne!(late.octets[4..20], first.octets[4..20]);
    server.send(&late.unsigned_answer(5, b""), &late).await;
    let stop = loop {
        let next = taken(&server).await;
        if next.number(STATUS) == Some(STOP) {
            break next;
        }
    };
    assert_eq!(stop.text(44), first.text(44));
    assert_eq!(accounting.flush(Duration::from_secs(20)).await, 0);
    assert_eq!(accounting.dropped(), 0);
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_and_keeps_the_end() {
    let server = Server::start().await;
    // Nothing runs: all of it waits. The fourth Start finds no place, the fourth Stop does.
    let accounting = Accounting::builder([server.address()], SECRET)
        .interim(None)
        .queue(8)
        .build()
        .unwrap();
    for _ in 0..4 {
        let (leave, leaving) = oneshot::channel();
        leave.send(()).unwrap();
        session(&accounting, &[5, 1, 0], leaving, Method::Nobody).await;
    }
    assert_eq!((accounting.waiting(), accounting.dropped()), (7, 1));
    assert_eq!(accounting.flush(Duration::from_millis(1)).await, 7);
}

#[test]
fn the_interval_is_what_is_set_for_those_whom_no_server_knows() {
    let sink = |interim| {
        let builder = Accounting::builder(["127.0.0.1"], SECRET).interim(interim);
        builder.build().unwrap()
    };
    let anybody = Identity::named("joe");
    let second = Duration::from_secs(1);
    assert_eq!(sink(None).interval_of(&anybody), None);
    assert_eq!(sink(Some(second)).interval_of(&anybody), Some(second));
}

#[tokio::test]
async fn the_server_may_state_the_interval_within_bounds() {
    use super::radius_server::log_in;
    let server = Server::start().await;
    let radius = server.builder().build().unwrap();
    let sink = Accounting::builder(["127.0.0.1"], SECRET).build().unwrap();
    for (stated, interval) in [(0, 60), (61, 61), (600, 600), (u32::MAX, 24 * 60 * 60)] {
        let serving = async {
            let packet = server.packet().await;
            let attributes = attribute(85, &u32::to_be_bytes(stated));
            server.send(&packet.answer(2, &attributes), &packet).await;
        };
        let (joe, ()) = tokio::join!(log_in(&radius, "joe", "secret"), serving);
        let found = sink.interval_of(&joe.unwrap());
        assert_eq!(found, Some(Duration::from_secs(interval)));
    }
}
