//! Policies as layers: whom they ask for readiness, what they pass on, where they fit, and what the
//! types promise.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, Refusal, Request, Traffic,
    Tunnel,
    io::PrefixedStream,
    layer::acl::{
        Acl, SwapPolicy,
        recheck::{Recheck, RecheckLayer, RecheckTunnel},
    },
    proto::{Address, Command},
    serve,
    session::{Accepted, Check, Connected, Policy},
};
use tower_test::mock;

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

type Judge = fn(&Request, Check) -> Result<(), Refusal>;

/// Connections only.
fn judge(request: &Request, _: Check) -> Result<(), Refusal> {
    match request.command {
        Command::CONNECT => Ok(()),
        _ => Err(Refusal::not_allowed("CONNECT only")),
    }
}

fn policy() -> SwapPolicy<Judge> {
    SwapPolicy::new(judge as Judge)
}

fn request(command: Command) -> Request {
    Request::new(command, Address::Ip(([192, 0, 2, 1], 80).into()))
}

#[test]
fn both_are_as_ready_as_what_they_wrap() {
    let (inner, mut handle) = mock::pair::<Request, Connected<DuplexStream>>();
    let mut stack = ServiceBuilder::new()
        .layer(RecheckLayer::new(policy()))
        .layer(AclLayer::new(policy()))
        .service(inner);
    let mut ready = task::spawn(());
    handle.allow(0);
    assert_pending!(ready.enter(|cx, _| stack.poll_ready(cx)));
    handle.allow(1);
    assert!(ready.is_woken());
    assert_ready_ok!(ready.enter(|cx, _| stack.poll_ready(cx)));

    // A refusal does not get through, and costs the call that was made ready for it.
    let mut refused = task::spawn(stack.call(request(Command::BIND)));
    let error = assert_ready_err!(refused.poll());
    assert!(error.is::<Refusal>());
    assert_pending!(handle.poll_request());

    assert_ready_ok!(ready.enter(|cx, _| stack.poll_ready(cx)));
    let mut allowed = task::spawn(stack.call(request(Command::CONNECT)));
    assert_pending!(allowed.poll());
    let (asked, respond) = assert_ready!(handle.poll_request()).unwrap();
    assert_eq!(asked.target.to_string(), "192.0.2.1:80");
    assert!(!asked.guard.is_open());
    respond.send_response(Connected::new(duplex(1).0, Address::Ip(NOWHERE)));
    assert!(allowed.is_woken());
    let tunnel = assert_ready_ok!(allowed.poll());
    let bound = tunnel.bound();
    assert_eq!(bound, Address::Ip(NOWHERE));

    handle.send_error("worn out");
    assert_ready_err!(ready.enter(|cx, _| stack.poll_ready(cx)));
}

#[test]
fn what_goes_wrong_inside_comes_out() {
    let (inner, mut handle) = mock::pair::<Request, Connected<DuplexStream>>();
    let mut stack = RecheckLayer::new(policy()).layer(AclLayer::new(policy()).layer(inner));
    let mut ready = task::spawn(());
    handle.allow(1);
    assert_ready_ok!(ready.enter(|cx, _| stack.poll_ready(cx)));
    let mut failing = task::spawn(stack.call(request(Command::CONNECT)));
    assert_pending!(failing.poll());
    let (_, respond) = assert_ready!(handle.poll_request()).unwrap();
    respond.send_error("no route");
    assert_eq!(assert_ready_err!(failing.poll()).to_string(), "no route");
}

#[test]
fn nothing_is_kept_of_a_request_that_is_dropped() {
    let (inner, mut handle) = mock::pair::<Request, Connected<DuplexStream>>();
    let policy = policy();
    let mut stack = RecheckLayer::new(policy.clone()).layer(AclLayer::new(policy).layer(inner));
    let mut ready = task::spawn(());
    handle.allow(1);
    assert_ready_ok!(ready.enter(|cx, _| stack.poll_ready(cx)));
    let carried = Arc::new(());
    let mut asked = request(Command::CONNECT);
    asked.extensions.insert(Arc::clone(&carried));
    let mut dial = task::spawn(stack.call(asked));
    assert_pending!(dial.poll());
    let (seen, _) = assert_ready!(handle.poll_request()).unwrap();
    drop((dial, seen));
    assert_eq!(Arc::strong_count(&carried), 1);
}

/// A request for each clone, as the handshake makes them.
#[tokio::test]
async fn clones_are_ready_by_themselves() {
    let policy = policy();
    let dialer = service_fn(async |request: Request| {
        Ok::<_, BoxError>(Connected::new(duplex(64).0, request.target))
    });
    let stack = ServiceBuilder::new()
        .layer(RecheckLayer::new(policy.clone()))
        .layer(AclLayer::new(policy.clone()))
        .concurrency_limit(1)
        .service(dialer);
    // A refusal gives back what it did not use.
    for _ in 0..3 {
        let refused = stack.clone().oneshot(request(Command::BIND)).await;
        assert!(refused.unwrap_err().is::<Refusal>());
        assert!(
            stack
                .clone()
                .oneshot(request(Command::CONNECT))
                .await
                .is_ok()
        );
    }
}

/// A tunnel is asked about, wherever tower's middleware stands.
async fn closes<S>(policy: SwapPolicy<Judge>, stack: S)
where
    S: Service<Accepted<DuplexStream>, Response = Traffic, Error = BoxError> + Send + 'static,
    S::Future: Send,
{
    let (mut client, io) = duplex(64);
    let session = tokio::spawn(stack.oneshot(Accepted::new(io, NOWHERE, NOWHERE)));
    let said = b"\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50";
    client.write_all(said).await.unwrap();
    client.read_exact(&mut [0; 12]).await.unwrap();
    policy.swap(|_, _| Err(Refusal::not_allowed("closed for today")));
    policy.recheck();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    session.await.unwrap().unwrap_err();
}

/// Answers every request with a stream on which nothing happens, for as long as it is there.
async fn silence(_: Request) -> Result<Connected<DuplexStream>, BoxError> {
    let (near, mut far) = duplex(64);
    tokio::spawn(async move { far.read(&mut [0; 64]).await });
    Ok(Connected::new(near, Address::UNSPECIFIED))
}

#[tokio::test(start_paused = true)]
async fn both_fit_between_the_middleware_of_tower() {
    let policy = policy();
    let stack = ServiceBuilder::new()
        .timeout(Duration::from_secs(60))
        .concurrency_limit(10)
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .timeout(Duration::from_secs(30))
        .concurrency_limit(5)
        .layer(RecheckLayer::new(policy.clone()))
        .layer(AclLayer::new(policy.clone()))
        .layer(AclLayer::new(judge))
        .timeout(Duration::from_secs(20))
        .load_shed()
        .service_fn(silence);
    closes(policy, stack).await;
}

#[tokio::test(start_paused = true)]
async fn it_hears_of_rechecks_with_something_in_between() {
    let policy = policy();
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .layer(RecheckLayer::new(policy.clone()))
        .timeout(Duration::from_secs(30))
        .option_layer(Some(AclLayer::new(policy.clone())))
        .option_layer(None::<AclLayer<Judge>>)
        .service_fn(silence);
    closes(policy, stack).await;
}

#[test]
fn promises_about_types() {
    fn all<T: Send + Sync + Clone + std::fmt::Debug + 'static>(_: &T) {}
    fn send<T: Send + std::fmt::Debug + 'static>() {}
    fn is_policy(_: &impl Policy) {}
    fn serves<S: Service<Request>>(_: &S) {}
    fn future<F: Future + Send + std::fmt::Debug + 'static>(_: &F) {}
    fn running<F: Future + Send + 'static>(_: &F) {}

    let policy = policy();
    all(&policy);
    is_policy(&policy);
    is_policy(&SwapPolicy::new(policy.clone()));
    let layer = RecheckLayer::new(policy.clone());
    all(&layer);
    all(&AclLayer::new(policy.clone()));
    let mut stack: Recheck<Acl<Connector>, SwapPolicy<Judge>> =
        RecheckLayer::new(SwapPolicy::new(policy.clone()))
            .layer(AclLayer::new(policy).layer(Connector::direct()));
    all(&stack);
    serves(&stack);
    future(&stack.call(request(Command::BIND)));
    send::<RecheckTunnel<Connected<TcpStream>>>();
    send::<RecheckTunnel<RecheckTunnel<Connected<TcpStream>>>>();
    let _ = |tunnel: RecheckTunnel<Connected<TcpStream>>, client: DuplexStream| {
        running(&tunnel.run(PrefixedStream::new(client)));
    };

    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(stack);
    all(&stack);
    // It can be served.
    let _ = |listener: TcpListener| serve(listener, stack);
}
