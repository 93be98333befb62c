//! Limits whose numbers change while they are in use, and that have other numbers for each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::advance;
use tower_socks::{
    Identity, Request,
    layer::{
        key,
        limit::{Admission, ConcurrentTunnels, Limiter, Pace, RequestRate},
    },
    proto::{Address, Command},
    server::{HandshakeLimit, SessionLimit},
    session::{Amounts, User, UserLimit, UserOrClient},
};

fn request(name: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(name);
    request
}

fn permit<L: Limiter>(limiter: &L, request: &Request) -> Option<L::Permit> {
    match limiter.admit(request) {
        Admission::Permit(permit) => Some(permit),
        Admission::Refused(_) => None,
        Admission::Later(_) => panic!("this limiter does not wait"),
    }
}

#[test]
fn tunnels_are_as_many_as_the_latest_request_says() {
    let most = Arc::new(AtomicUsize::new(3));
    let now = Arc::clone(&most);
    let tunnels = ConcurrentTunnels::by_request(
        move |_: &Request| Some(now.load(Ordering::Relaxed)),
        key::user,
    );
    let joe = request("joe");
    let mut held: Vec<_> = (0..3).map(|_| permit(&tunnels, &joe).unwrap()).collect();
    assert!(permit(&tunnels, &joe).is_none());

    // Fewer: those that are open stay, and the next one comes in once enough have ended.
    most.store(1, Ordering::Relaxed);
    for left in [3, 2, 1] {
        assert!(permit(&tunnels, &joe).is_none());
        assert_eq!(tunnels.live(&"joe".into()), left);
        let fullest = tunnels.fullest(8);
        assert_eq!((fullest[0].used, fullest[0].most), (left as u64, 1));
        held.pop();
    }
    let only = permit(&tunnels, &joe).unwrap();
    assert!(permit(&tunnels, &joe).is_none());

    // More, and no limit: both count.
    most.store(2, Ordering::Relaxed);
    let second = permit(&tunnels, &joe).unwrap();
    most.store(usize::MAX, Ordering::Relaxed);
    let third = permit(&tunnels, &joe).unwrap();
    assert_eq!(tunnels.live(&"joe".into()), 3);
    drop((only, second, third));
    assert_eq!((tunnels.live(&"joe".into()), tunnels.keys()), (0, 0));
    most.store(0, Ordering::Relaxed);
    assert!(permit(&tunnels, &joe).is_none());
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_has_what_a_raised_limit_allows() {
    let most = Arc::new(AtomicUsize::new(1));
    let now = Arc::clone(&most);
    let tunnels = ConcurrentTunnels::by_request(
        move |_: &Request| Some(now.load(Ordering::Relaxed)),
        key::user,
    )
    .wait(Duration::from_secs(60));
    let joe = request("joe");
    let Admission::Permit(_held) = tunnels.admit(&joe) else {
        panic!("the first is admitted");
    };
    let Admission::Later(waits) = tunnels.admit(&joe) else {
        panic!("the second waits");
    };
    let waits = tokio::spawn(waits);
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    most.store(2, Ordering::Relaxed);
    // Told by the next request, which waits itself.
    let Admission::Later(_another) = tunnels.admit(&joe) else {
        // The first of the queue has not run yet: its permit is its own.
        panic!("the third waits");
    };
    assert!(waits.await.unwrap().unwrap().is_some());
}

#[test]
fn each_has_what_its_identity_says() {
    let tunnels = ConcurrentTunnels::by_request(
        |request: &Request| Amounts::of(&request.identity).and_then(|it| it.tunnels),
        key::user,
    );
    let mut joe = request("joe");
    let amounts = Amounts::new().tunnels(1);
    joe.identity.extensions_mut().insert(amounts);
    let _held = permit(&tunnels, &joe).unwrap().unwrap();
    assert!(permit(&tunnels, &joe).is_none());
    // Nothing is stated of the other one, who is not counted.
    let jane = request("jane");
    assert!(permit(&tunnels, &jane).unwrap().is_none());
    assert_eq!(tunnels.keys(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pace_has_a_burst_and_may_change() {
    let most = Arc::new(AtomicU32::new(10));
    let now = Arc::clone(&most);
    let rate = RequestRate::by_request(
        move |_: &Request| Some(Pace::per_second(now.load(Ordering::Relaxed)).burst(20)),
        key::user,
    );
    let joe = request("joe");
    let ask = |count: usize| (0..count).filter(|_| permit(&rate, &joe).is_some()).count();
    assert_eq!(ask(100), 20);
    assert_eq!(rate.fullest(1)[0].used, 20);
    advance(Duration::from_millis(99)).await;
    assert_eq!(ask(1), 0);
    advance(Duration::from_millis(1)).await;
    assert_eq!(ask(2), 1);
    most.store(100, Ordering::Relaxed);
    assert_eq!(ask(1), 0);
    advance(Duration::from_millis(100)).await;
    assert_eq!(ask(100), 10);
    most.store(0, Ordering::Relaxed);
    advance(Duration::from_secs(3600)).await;
    assert_eq!(ask(100), 0);
}

#[test]
fn a_limit_on_associations_says_who_has_how_many() {
    let limit = UserLimit::associations(4);
    assert_eq!(limit.most(), 4);
    limit.clone().set_most(2);
    assert_eq!(limit.most(), 2);
    assert!(limit.fullest(3).is_empty());
}

#[tokio::test]
async fn sessions_have_other_numbers_while_they_are_live() {
    use tokio::net::{TcpListener, TcpStream};
    use tower::ServiceBuilder;
    use tower_socks::{AuthLayer, Connector, HandshakeLayer, NoAuth, serve};

    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limit = SessionLimit::new(8).queue(8, Duration::from_secs(60));
    let handshakes = HandshakeLimit::per_client(8);
    let server = serve(listener, stack)
        .sessions(limit.clone())
        .handshakes(handshakes.clone());
    let serving = tokio::spawn(async move { server.await });
    let closed = async |client: &mut TcpStream| {
        use tokio::io::AsyncReadExt;
        let mut octet = [0];
        let read = client.read(&mut octet);
        tokio::time::timeout(Duration::from_secs(5), read).await
    };
    let until = async |live: usize, waiting: usize| {
        while (limit.live(), limit.waiting()) != (live, waiting) {
            tokio::task::yield_now().await;
        }
    };

    let mut clients = Vec::new();
    for live in 1..=4 {
        clients.push(TcpStream::connect(address).await.unwrap());
        until(live, 0).await;
    }
    // Fewer for a client.
    limit.set_per_client(4);
    let mut refused = TcpStream::connect(address).await.unwrap();
    assert_eq!(closed(&mut refused).await.unwrap().unwrap(), 0);
    assert_eq!(limit.fullest(1)[0].used, 4);
    // Fewer in all: one waits until more than one has ended.
    limit.set_like(
        &SessionLimit::new(3)
            .per_client(9)
            .queue(8, Duration::from_secs(60)),
    );
    assert_eq!(limit.most(), 3);
    clients.push(TcpStream::connect(address).await.unwrap());
    until(4, 1).await;
    clients.remove(0);
    until(3, 1).await;
    clients.remove(0);
    until(3, 0).await;
    // More again, for the one that waits.
    clients.push(TcpStream::connect(address).await.unwrap());
    until(3, 1).await;
    limit.set_most(4);
    until(4, 0).await;
    // Connections in the handshake.
    limit.set_most(9);
    handshakes.set_per_client(4);
    assert_eq!(handshakes.most_per_client(), 4);
    let mut refused = TcpStream::connect(address).await.unwrap();
    assert_eq!(closed(&mut refused).await.unwrap().unwrap(), 0);
    assert_eq!(handshakes.fullest(1)[0].most, 4);
    drop(clients);
    until(0, 0).await;
    serving.abort();
}

/// The key in what the page shows.
#[test]
fn keys_are_those_of_the_log() {
    let key = UserOrClient::User(User::named("joe"));
    assert_eq!(format!("{key:?}"), "\"joe\"");
}
