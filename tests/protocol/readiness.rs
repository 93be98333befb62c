//! Who asks whom for readiness, and when; and what the types promise.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::sleep,
};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_socks::{
    AclLayer, AuthLayer, Connector, HandshakeLayer, NoAuth, Refusal, Request,
    connector::direct::Direct,
    io::PrefixedStream,
    proto::{Address, Command},
    session::{Accepted, Authenticated, Check, Connected, Negotiation},
};
use tower_test::mock;

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

type Tunnel = Connected<DuplexStream>;

fn request(command: Command) -> Request {
    Request::new(command, Address::Ip(([192, 0, 2, 1], 80).into()))
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_holds_no_permit_of_the_service_that_authenticates() {
    type Greeted = Negotiation<PrefixedStream<DuplexStream>>;
    type Greeting = Authenticated<PrefixedStream<DuplexStream>, Connector>;
    let (inner, mut handle) = mock::pair::<Greeted, Greeting>();
    handle.allow(0);
    let mut handshake = HandshakeLayer::new().layer(inner);

    // Ready, though nothing inside is.
    let (mut client, io) = duplex(64);
    handshake.ready().await.unwrap();
    let session = tokio::spawn(handshake.call(Accepted::new(io, NOWHERE, NOWHERE)));
    client.write_all(b"\x05\x01").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    client.write_all(b"\x00").await.unwrap();

    // Now it is called, but not before it is ready.
    assert!(
        tokio::time::timeout(Duration::from_secs(1), handle.next_request())
            .await
            .is_err(),
        "called without being ready"
    );
    handle.allow(1);
    let (negotiation, _) = handle.next_request().await.unwrap();
    assert!(
        negotiation
            .offered
            .contains(tower_socks::proto::Method::NO_AUTHENTICATION)
    );
    session.abort();
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_request_holds_no_permit_of_the_service_for_requests() {
    let (inner, mut handle) = mock::pair::<Request, Tunnel>();
    handle.allow(0);
    let stack = HandshakeLayer::new().layer(AuthLayer::new(NoAuth).layer(inner));
    let (mut client, io) = duplex(64);
    let session = tokio::spawn(stack.oneshot(Accepted::new(io, NOWHERE, NOWHERE)));
    client.write_all(b"\x05\x01\x00").await.unwrap();
    client.read_exact(&mut [0; 2]).await.unwrap();
    client
        .write_all(b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50")
        .await
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    handle.allow(1);
    let (request, _) = handle.next_request().await.unwrap();
    assert_eq!(request.target.to_string(), "192.0.2.1:80");
    session.abort();
}

#[test]
fn acl_is_as_ready_as_what_it_wraps_and_refuses_without_calling_it() {
    let (inner, mut handle) = mock::pair::<Request, ()>();
    let policy = |request: &Request, _: Check| match request.command {
        Command::CONNECT => Ok(()),
        _ => Err(Refusal::not_allowed("CONNECT only")),
    };
    let mut acl = AclLayer::new(policy).layer(inner);
    let mut ready = task::spawn(());
    handle.allow(0);
    assert_pending!(ready.enter(|cx, _| acl.poll_ready(cx)));
    handle.allow(1);
    assert!(ready.is_woken());
    assert_ready_ok!(ready.enter(|cx, _| acl.poll_ready(cx)));
    let mut refused = task::spawn(acl.call(request(Command::BIND)));
    assert_ready_err!(refused.poll());
    assert_pending!(handle.poll_request());

    handle.send_error("worn out");
    assert_ready_err!(ready.enter(|cx, _| acl.poll_ready(cx)));
}

#[tokio::test]
async fn the_connector_asks_the_service_of_the_command_and_no_other() {
    let (connect, mut asked) = mock::pair::<Request, Tunnel>();
    let (bind, mut not_asked) = mock::pair::<Request, Tunnel>();
    not_asked.allow(0);
    let connector = Connector::direct().with_connect(connect).with_bind(bind);
    let dial = tokio::spawn(connector.oneshot(request(Command::CONNECT)));
    let (request, respond) = asked.next_request().await.unwrap();
    assert_eq!(request.command, Command::CONNECT);
    respond.send_response(Connected::new(duplex(1).0, Address::UNSPECIFIED));
    assert!(dial.await.unwrap().is_ok());
}

#[test]
fn promises_about_types() {
    fn all<T: Send + Sync + Clone + std::fmt::Debug + 'static>(_: &T) {}
    fn send<T: Send + 'static>(_: &T) {}
    fn serves<T, S: Service<T>>(_: &S) {}

    let direct = Direct::new();
    serves::<Request, _>(&direct);
    serves::<Address, _>(&direct);
    serves::<SocketAddr, _>(&direct);
    let connector = Connector::direct();
    all(&connector);
    serves::<Request, _>(&connector);
    let policy = |_: &Request, _: Check| Ok(());
    let auth = AuthLayer::new(NoAuth).layer(AclLayer::new(policy).layer(connector));
    all(&auth);
    serves::<Negotiation<PrefixedStream<DuplexStream>>, _>(&auth);
    let mut stack = HandshakeLayer::new().layer(auth);
    all(&stack);
    serves::<Accepted<DuplexStream>, _>(&stack);
    send(&stack.call(Accepted::new(duplex(1).0, NOWHERE, NOWHERE)));
    all(&request(Command::CONNECT));
    all(&NOWHERE);
}
