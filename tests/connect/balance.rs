//! `Balance`: who is asked, and what counts as load.

use std::{
    collections::{HashMap, HashSet},
    future::poll_fn,
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_socks::{
    BoxError, ClientError, Identity, Request, Tunnel,
    connector::{
        BoxConnector,
        balance::{Balance, By},
        direct::Direct,
        failover::Standing,
    },
    datagram::{DatagramTransport, Datagrams},
    error::Step,
    io::PrefixedStream,
    proto::{Address, Command, ReplyCode},
    session::Connected,
};

use crate::support::within;

type Upstream = BoxCloneSyncService<Request, &'static str, BoxError>;

fn works(name: &'static str) -> Upstream {
    Upstream::new(service_fn(move |_| async move { Ok(name) }))
}

fn fails(error: fn() -> ClientError) -> Upstream {
    Upstream::new(service_fn(move |_| async move { Err(error().into()) }))
}

fn request(target: &str) -> Request {
    Request::new(Command::CONNECT, target.parse().unwrap())
}

fn of(client: &str, user: Option<&str>) -> Request {
    let mut request = request("example.com:443");
    request.peer = SocketAddr::new(client.parse().unwrap(), 4000);
    if let Some(user) = user {
        request.identity = Identity::named(user);
    }
    request
}

fn three() -> Balance<Upstream> {
    Balance::new(["paris", "berlin", "rome"].map(|name| (name, works(name))))
}

#[tokio::test]
async fn the_least_loaded_for_its_weight_is_taken() {
    let balance = Balance::new(["paris", "berlin"].map(|name| (name, works(name)))).weights([3, 1]);
    let mut open = Vec::new();
    for _ in 0..40 {
        open.push(
            balance
                .clone()
                .oneshot(request("a.example:1"))
                .await
                .unwrap(),
        );
    }
    let paris = |open: &[tower_socks::connector::balance::Counted<&str>]| {
        open.iter().filter(|it| *it.get_ref() == "paris").count()
    };
    assert_eq!(paris(&open), 30);
    // What has ended counts no more.
    open.retain(|it| *it.get_ref() == "berlin");
    for _ in 0..30 {
        let next = balance
            .clone()
            .oneshot(request("a.example:1"))
            .await
            .unwrap();
        assert_eq!(*next.get_ref(), "paris");
        open.push(next);
    }
}

/// Also those that are still being dialled, and not those whose client has gone.
#[tokio::test]
async fn requests_that_come_at_once_see_each_other() {
    let (paris, berlin) = (Standing::new("paris"), Standing::new("berlin"));
    let silent = || service_fn(|_: Request| std::future::pending::<Result<(), BoxError>>());
    let balance = Balance::new([(paris.clone(), silent()), (berlin.clone(), silent())]);
    let dials: Vec<_> = (0..10)
        .map(|_| balance.clone().oneshot(request("a.example:1")))
        .collect();
    let mut dials: futures_util::future::JoinAll<_> = futures_util::future::join_all(dials);
    let pending = poll_fn(|cx| Poll::Ready(dials.poll_unpin(cx).is_pending()));
    assert!(pending.await);
    assert_eq!((paris.in_use(), berlin.in_use()), (5, 5));
    drop(dials);
    assert_eq!((paris.in_use(), berlin.in_use()), (0, 0));
}

#[tokio::test]
async fn without_any_load_all_take_turns() {
    let mut seen = HashMap::<_, u32>::new();
    let balance = three();
    for _ in 0..30 {
        let taken = balance
            .clone()
            .oneshot(request("a.example:1"))
            .await
            .unwrap();
        *seen.entry(taken.into_inner()).or_default() += 1;
    }
    assert_eq!(
        seen,
        HashMap::from([("paris", 10), ("berlin", 10), ("rome", 10)])
    );
}

#[test]
fn a_key_keeps_its_alternative() {
    let balance = three();
    let first = |by, request: &Request| balance.clone().by(by).names(request)[0].to_owned();
    for (by, same, other) in [
        (
            By::Client,
            of("192.0.2.1", Some("joe")),
            of("192.0.2.1", Some("jane")),
        ),
        (By::Client, of("2001:db8::1", None), of("2001:db8::2", None)),
        (
            By::User,
            of("192.0.2.1", Some("joe")),
            of("192.0.2.9", Some("joe")),
        ),
        (By::User, of("192.0.2.1", None), of("192.0.2.1", None)),
        (
            By::Target,
            request("a.example:80"),
            request("a.example:443"),
        ),
        (
            By::Target,
            request("192.0.2.1:80"),
            request("[::ffff:192.0.2.1]:443"),
        ),
    ] {
        assert_eq!(first(by, &same), first(by, &other), "{by:?}");
    }
    // And they are spread.
    let spread = |by, request: fn(usize) -> Request| -> HashSet<String> {
        (0..50).map(|number| first(by, &request(number))).collect()
    };
    let clients = spread(By::Client, |it| of(&format!("192.0.2.{it}"), None));
    let users = spread(By::User, |it| of("192.0.2.1", Some(&format!("user {it}"))));
    let targets = spread(By::Target, |it| request(&format!("host{it}.example:80")));
    for seen in [clients, users, targets] {
        assert_eq!(seen.len(), 3, "{seen:?}");
    }
}

/// The same on every machine and after a restart: these are numbers of the algorithm, which is not to change unnoticed.
#[test]
fn a_key_keeps_its_alternative_for_ever() {
    let balance = three().by(By::User);
    let of = |user| balance.names(&of("192.0.2.1", Some(user))).join(" ");
    let found = ["joe", "jane", "jack"].map(of);
    assert_eq!(
        found,
        [
            "paris berlin rome",
            "paris berlin rome",
            "berlin rome paris"
        ]
    );
}

#[test]
fn weights_are_shares_of_the_keys_and_the_others_stay_where_one_goes() {
    let all = three().by(By::Target).weights([2, 1, 1]);
    let without = Balance::new(["paris", "berlin"].map(|name| (name, works(name))))
        .by(By::Target)
        .weights([2, 1]);
    let mut paris = 0;
    for number in 0..4_000 {
        let request = request(&format!("host{number}.example:80"));
        let first = all.names(&request)[0];
        paris += u32::from(first == "paris");
        if first != "rome" {
            assert_eq!(without.names(&request)[0], first);
        }
    }
    // Half of them; 1,900 is three standard deviations away.
    assert!((1_900..2_100).contains(&paris), "{paris}");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_down_is_passed_over_and_one_that_refuses_is_not() {
    let (paris, berlin) = (Standing::new("paris"), Standing::new("berlin"));
    let down = fails(|| ClientError::Closed {
        step: Step::Greeting,
    });
    let balance = Balance::new([(paris.clone(), down), (berlin.clone(), works("berlin"))]);
    for _ in 0..4 {
        let taken = balance
            .clone()
            .oneshot(request("a.example:1"))
            .await
            .unwrap();
        assert_eq!(taken.into_inner(), "berlin");
    }
    assert!(!paris.is_up() && berlin.is_up());
    assert_eq!((paris.in_use(), berlin.in_use()), (0, 0));

    // A refusal of the target is an answer, and takes nobody down.
    let refuses = || fails(|| ClientError::Refused(ReplyCode::CONNECTION_REFUSED));
    let balance = Balance::new([("paris", refuses()), ("berlin", refuses())]);
    let error = balance
        .clone()
        .oneshot(request("a.example:1"))
        .await
        .unwrap_err();
    assert_eq!(
        tower_socks::error::reply_code(&*error),
        ReplyCode::CONNECTION_REFUSED
    );
    assert!(format!("{balance:?}").matches("is_up: true").count() == 2);
    // None at all is an error.
    let none: [(&str, Upstream); 0] = [];
    assert!(
        Balance::new(none)
            .oneshot(request("a.example:1"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_tunnel_counts_until_it_has_ended() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = target.local_addr().unwrap();
    let paris = Standing::new("paris");
    let balance = Balance::new([(paris.clone(), BoxConnector::<Request>::new(Direct::new()))]);
    let tunnel = balance
        .oneshot(request(&address.to_string()))
        .await
        .unwrap();
    let (mut far, _) = target.accept().await.unwrap();
    let near = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(near.local_addr().unwrap())
        .await
        .unwrap();
    let (stream, _) = near.accept().await.unwrap();
    let running = tokio::spawn(tunnel.run(PrefixedStream::new(stream)));
    client.write_all(b"ping").await.unwrap();
    let mut heard = [0; 4];
    within(far.read_exact(&mut heard)).await.unwrap();
    assert_eq!((&heard, paris.in_use()), (b"ping", 1));
    drop((client, far));
    within(running).await.unwrap().unwrap();
    assert_eq!(paris.in_use(), 0);
}

struct Idle;

impl DatagramTransport for Idle {
    fn poll_send(&mut self, _: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        out.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_recv(&mut self, _: &mut Context<'_>, _: &mut Datagrams) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn transports_of_datagrams_count_as_well() {
    let paris = Standing::new("paris");
    let make = service_fn(async |_: Request| Ok::<_, BoxError>(Idle));
    let balance = Balance::new([(paris.clone(), make)]);
    let request = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
    let mut transport = balance.oneshot(request).await.unwrap();
    assert_eq!(paris.in_use(), 1);
    let sent = std::future::poll_fn(|cx| transport.poll_send(cx, &mut Datagrams::new()));
    sent.await.unwrap();
    drop(transport);
    assert_eq!(paris.in_use(), 0);
}

/// As the transport to a proxy, and for whatever else takes a `Connected`.
#[tokio::test]
async fn what_was_made_can_be_taken_out() {
    let make = service_fn(async |_: Request| {
        let (near, _) = tokio::io::duplex(8);
        Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED))
    });
    let mut made = Balance::new([("paris", make)])
        .oneshot(request("a.example:1"))
        .await
        .unwrap();
    let bound = made.get_ref().bound().clone();
    assert_eq!(made.get_mut().bound(), &bound);
    let _: Connected<_> = made.into_inner();
}
