//! `Router`: requests that do not state a destination, and those that turn up later.

use std::sync::{Arc, Mutex};

use tokio::net::{TcpStream, UdpSocket};
use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_socks::{
    BoxError, Connector, Identity, NoAuth, Refusal, Request,
    connector::{
        associate::{Associate, MakeDirect},
        resolve::Resolve,
        route::Router,
    },
    proto::{Address, Command},
    rules::{Action, Destination, Network, Rule},
    session::BoxTunnel,
};

use crate::support::{
    stack,
    udp::{
        BIND, Client, ClientScript,
        association::{Association, assert_silent, datagram, socket},
        binding::{assert_turned_away, connects, dst},
        name,
        policies::hosts,
        within,
    },
};

type Route = BoxCloneSyncService<Request, BoxTunnel, BoxError>;

/// The routes that requests took.
type Taken = Arc<Mutex<Vec<&'static str>>>;

/// A connector that notes that it was taken.
fn route(name: &'static str, taken: &Taken, resolver: impl Resolve + Sync) -> Route {
    let paths = MakeDirect::new().resolver(resolver);
    let connector = Connector::direct().with_associate(Associate::with_transports(paths));
    let taken = Arc::clone(taken);
    Route::new(
        connector
            .map_request(move |request| {
                taken.lock().unwrap().push(name);
                request
            })
            .map_response(BoxTunnel::new),
    )
}

fn rule() -> Rule {
    Rule::new(Action::Allow)
}

fn to(destination: &str) -> Rule {
    rule().to(destination.parse::<Destination>().unwrap())
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

/// A client of these routes, the last of which is for the rest.
async fn client(rules: Vec<Rule>, taken: &Taken) -> Client {
    let (resolver, _) = hosts(&[("a.onion", &["127.0.0.1"]), ("b.example", &["127.0.0.1"])]);
    let names = ["first", "second", "third"];
    let routes: Vec<(Rule, Route)> = rules
        .into_iter()
        .zip(names)
        .map(|(rule, name)| (rule, route(name, taken, resolver.clone())))
        .collect();
    let router = Router::new(routes, route("rest", taken, resolver));
    Client::new(stack(NoAuth, router)).await
}

fn here() -> Network {
    "127.0.0.0/8".parse().unwrap()
}

#[tokio::test]
async fn a_rule_with_a_port_does_not_send_an_association_past_later_matches() {
    within(async {
        let taken = Taken::default();
        let (mail, other) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
        let rules = vec![rule().port(port(&mail)), rule().client(here())];
        let association = Association::of(client(rules, &taken).await).await;
        assert_eq!(*taken.lock().unwrap(), ["second"]);
        // What has a route of its own does not go by another.
        association.say(&mail, b"mail").await;
        association.echo(&other, b"other").await;
        assert_silent(&mail);
    })
    .await;
}

#[tokio::test]
async fn datagrams_by_name_and_by_address_keep_to_the_routes_of_these() {
    within(async {
        let taken = Taken::default();
        let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
        let rules = vec![to("*.onion"), to("127.0.0.2")];
        let association = Association::of(client(rules, &taken).await).await;
        assert_eq!(*taken.lock().unwrap(), ["rest"]);
        association
            .send(&datagram(0, &name("a.onion", port(&one)), b"onion"))
            .await;
        association.say(&two, b"two").await;
        association
            .send(&datagram(0, &name("b.example", port(&one)), b"name"))
            .await;
        association.reaches(&one, b"name").await;
        association.echo(&one, b"address").await;
        assert_silent(&one);
        assert_silent(&two);
    })
    .await;
}

#[tokio::test]
async fn a_rule_that_matches_first_takes_all_datagrams() {
    within(async {
        let taken = Taken::default();
        let target = socket("127.0.0.1").await;
        let rules = vec![rule().client(here()), rule().port(port(&target))];
        let association = Association::of(client(rules, &taken).await).await;
        association.echo(&target, b"ping").await;
        assert_eq!(*taken.lock().unwrap(), ["first"]);
    })
    .await;
}

#[tokio::test]
async fn a_peer_with_another_route_is_turned_away() {
    within(async {
        let taken = Taken::default();
        let rules = vec![to("127.0.0.2"), rule().command(Command::BIND)];
        let mut client = client(rules, &taken).await;
        client.io.request(BIND, &dst("0.0.0.0")).await;
        let bound = client.io.bound().await;
        assert_eq!(*taken.lock().unwrap(), ["second"]);
        let stranger = crate::support::udp::connect_from("127.0.0.2", bound)
            .await
            .unwrap();
        assert_turned_away(stranger).await;
        connects(&mut client, TcpStream::connect(bound).await.unwrap()).await;
    })
    .await;
}

/// What `MakeDirect` never sees: datagrams whose names an upstream resolves.
#[test]
fn the_guard_asks_about_names_for_upstreams_as_well() {
    let seen: Arc<Mutex<Option<Request>>> = Arc::default();
    let note = Arc::clone(&seen);
    let keeps = tower::service_fn(move |request: Request| {
        *note.lock().unwrap() = Some(request);
        std::future::ready(Ok::<_, BoxError>(()))
    });
    let mut joe = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
    joe.identity = Identity::named("joe");
    let router = Router::new(
        [
            (to("*.onion"), keeps.clone()),
            (rule().user("joe"), keeps.clone()),
        ],
        keeps,
    );
    futures_util::FutureExt::now_or_never(router.oneshot(joe))
        .unwrap()
        .unwrap();
    let request = seen.lock().unwrap().take().unwrap();
    let judge = |target: &str| -> Result<(), Refusal> {
        let datagram = request.for_datagram(target.parse().unwrap())?;
        datagram.approve_name()
    };
    assert!(judge("b.example:53").is_ok());
    assert!(judge("a.onion:53").is_err());
}
