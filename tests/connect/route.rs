//! `Router`: which way a request goes.

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream, UdpSocket},
};
use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_socks::{
    BoxError, Client, Connector, Identity, NoAuth, Request,
    connector::{
        Unsupported, direct::Direct, name_service::NameService, route::Router,
        upstream::Socks5Upstream,
    },
    error::reply_code,
    proto::{Address, Command, ReplyCode},
    rules::{Action, Destination, Rule},
    session::BoxTunnel,
};

use crate::support::{Script, proxy, stack, upstream::resolver as hosts, within};

fn to(destination: &str) -> Rule {
    Rule::new(Action::Allow).to(destination.parse::<Destination>().unwrap())
}

#[test]
fn the_first_rule_that_applies_chooses() {
    let router = Router::new(
        [
            (to("*.onion"), "tor"),
            (Rule::new(Action::Deny).user("joe").port(25), "mail"),
            (to("10.0.0.0/8"), "office"),
            (to("127.0.0.0/8"), "here"),
            (Rule::new(Action::Report).command(Command::BIND), "bind"),
        ],
        "rest",
    );
    let ask = |target: &str, user: Option<&str>, command| {
        let mut request = Request::new(command, target.parse().unwrap());
        if let Some(user) = user {
            request.identity = Identity::named(user);
        }
        *router.choose(&request)
    };
    for (target, user, command, chosen) in [
        ("a.onion:80", None, Command::CONNECT, "tor"),
        ("A.B.Onion.:80", None, Command::BIND, "tor"),
        ("onion:80", None, Command::CONNECT, "rest"),
        ("example.com:25", Some("joe"), Command::CONNECT, "mail"),
        ("example.com:25", Some("jane"), Command::CONNECT, "rest"),
        ("example.com:25", None, Command::BIND, "bind"),
        ("10.1.2.3:80", None, Command::CONNECT, "office"),
        ("[::ffff:10.1.2.3]:80", None, Command::CONNECT, "office"),
        ("127.0.0.1:80", None, Command::CONNECT, "here"),
        // Nobody resolves a name for this.
        ("localhost:80", None, Command::CONNECT, "rest"),
        ("192.0.2.1:80", None, Command::CONNECT, "rest"),
    ] {
        assert_eq!(ask(target, user, command), chosen, "{target} {user:?}");
    }
}

#[tokio::test]
async fn whole_connectors_are_routed_between_in_boxes() {
    within(async {
        type Way = BoxCloneSyncService<Request, BoxTunnel, BoxError>;
        let inner = proxy(stack(NoAuth, Connector::direct())).await;
        let through = Connector::upstream(Socks5Upstream::new(inner));
        let nothing = Unsupported.map_err(Into::into);
        let router = Router::new(
            [
                (
                    to("192.0.2.0/24"),
                    Way::new(nothing.map_response(BoxTunnel::new)),
                ),
                (
                    Rule::new(Action::Allow).command(Command::BIND),
                    Way::new(through.map_response(BoxTunnel::new)),
                ),
            ],
            Way::new(Connector::direct().map_response(BoxTunnel::new)),
        );
        let outer = proxy(stack(NoAuth, router)).await;
        let open = async || TcpStream::connect(outer).await.unwrap();

        let nowhere: Address = "192.0.2.1:80".parse().unwrap();
        let error = Client::new()
            .connect(open().await, nowhere)
            .await
            .unwrap_err();
        assert_eq!(
            tower_socks::error::reply_code(&error),
            ReplyCode::COMMAND_NOT_SUPPORTED
        );

        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = target.local_addr().unwrap();
        let mut stream = Client::new().connect(open().await, address).await.unwrap();
        let (mut accepted, _) = target.accept().await.unwrap();
        accepted.say(b"connect").await;
        accepted.shutdown().await.unwrap();
        stream.hear(b"connect").await;
        stream.hear_end().await;

        let peer: Address = "127.0.0.1:0".parse().unwrap();
        let listener = Client::new().bind(open().await, peer).await.unwrap();
        let mut peer = TcpStream::connect(listener.bound().to_string())
            .await
            .unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        peer.say(b"bind").await;
        stream.hear(b"bind").await;

        let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut socket = Client::new().associate(open().await).await.unwrap();
        let address = Address::Ip(target.local_addr().unwrap());
        socket.send_to(b"udp", &address).await.unwrap();
        let mut room = [0; 8];
        assert_eq!(target.recv_from(&mut room).await.unwrap().0, 3);
    })
    .await;
}

/// tower's own router takes connectors as well, where a closure says it better than rules.
#[tokio::test]
async fn towers_steer_chooses_between_connectors() {
    within(async {
        use tower::{Service, steer::Steer};
        use tower_socks::{connector::BoxConnector, io::BoxStream, session::Connected};

        let way = |name: &'static [u8]| {
            BoxConnector::<Request>::new(tower::service_fn(move |_: Request| async move {
                let (near, mut far) = tokio::io::duplex(64);
                far.say(name).await;
                Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED))
            }))
        };
        let by_port = |request: &Request, _: &[BoxConnector]| match request.target.port() {
            25 => 1,
            _ => 0,
        };
        let mut steer = Steer::new([way(b"web"), way(b"mail")], by_port);
        for (target, name) in [
            ("a.example:80", b"web".as_slice()),
            ("a.example:25", b"mail"),
        ] {
            let request = Request::new(Command::CONNECT, target.parse().unwrap());
            let ready = ServiceExt::<Request>::ready(&mut steer).await.unwrap();
            let mut stream: Connected<BoxStream> = ready.call(request).await.unwrap();
            stream.hear(name).await;
        }
    })
    .await;
}

/// A name must not lead past the route that its address has.
#[tokio::test]
async fn an_address_of_a_name_that_has_another_route_is_refused() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port();
    let here = || Connector::direct().with_connect(Direct::new().resolver(hosts(&["127.0.0.1"])));
    let routes = || [(to("known.example"), here()), (to("127.0.0.0/8"), here())];
    let router = Router::new(routes(), here());
    let strict = router.clone().judge_addresses();
    for (name, is_strict, allowed) in [
        ("other.example", false, true),
        ("other.example", true, false),
        // The rule with the name comes first.
        ("known.example", true, true),
        // Its route is that of its address.
        ("127.0.0.1", true, true),
    ] {
        let router = if is_strict {
            strict.clone()
        } else {
            router.clone()
        };
        let request = Request::new(Command::CONNECT, Address::new(name, port).unwrap());
        match within(router.oneshot(request)).await {
            Ok(_) => assert!(allowed, "{name}"),
            Err(error) => {
                assert!(!allowed, "{name}: {error}");
                assert!(
                    error
                        .to_string()
                        .contains("has another route than the name"),
                    "{error}"
                );
                assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
            }
        }
    }
    // Nothing is sent to what a lookup finds.
    let resolve = NameService::new().resolver(hosts(&["127.0.0.1"]));
    let lookup = Request::new(Command::RESOLVE, Address::new("other.example", 0).unwrap());
    let names = Connector::direct().with_resolve(resolve);
    let router = Router::new([(to("127.0.0.0/8"), names.clone())], names).judge_addresses();
    assert!(within(router.oneshot(lookup)).await.is_ok());
}
