//! What values show in a log: the settings that matter, and nothing that a user has said in confidence.

use std::{fmt::Debug, num::NonZeroU32, sync::Arc, time::Duration};

use tokio::io::duplex;
use tower_socks::{
    Client, HandshakeLayer, Identity, Request, Rules,
    connector::{
        BoxConnector,
        bind::Bind,
        direct::Direct,
        failover::{Classify, Failover, Health},
        resolve::SystemResolver,
        route::Router,
        upstream::{BasicAuth, HttpUpstream, Socks5Upstream},
    },
    datagram::Datagrams,
    io::BoxStream,
    layer::{
        acl::{SwapPolicy, recheck::RecheckLayer},
        key,
        limit::{Admission, ConcurrentTunnels, FailedLoginsLayer, Limiter, RequestRate},
        meter::{Bandwidth, ByteQuota, MemoryStore},
        track::OpenTunnels,
    },
    proto::{Address, Command, Credentials, DomainName},
    rules::{Action, Destination, Network, PortRange, Rule, RuleMap, TimeRange, Weekdays},
    session::{Authenticated, BoxTunnel, Connected, Extensions, Guard},
};

#[track_caller]
fn shows(value: &impl Debug, text: &str) {
    assert_eq!(format!("{value:?}"), text);
}

fn request(user: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(user);
    request
}

#[test]
fn conditions_show_what_a_file_would_say() {
    shows(&"10.0.0.0/8".parse::<Network>().unwrap(), "10.0.0.0/8");
    shows(&"8000-8080".parse::<PortRange>().unwrap(), "8000-8080");
    shows(&"22:00-06:00".parse::<TimeRange>().unwrap(), "22:00-06:00");
    shows(
        &"mon-fri".parse::<Weekdays>().unwrap(),
        "mon,tue,wed,thu,fri",
    );
    shows(
        &"*.example.com".parse::<Destination>().unwrap(),
        "*.example.com",
    );
    let rule = Rule::new(Action::Deny).named("no mail");
    let choices = RuleMap::new([(rule.clone(), "one"), (rule.clone(), "two")]);
    shows(&choices, "RuleMap(2)");
    assert_eq!(choices.values(), ["one", "two"]);
    shows(&rule, r#"Rule { action: Deny, name: Some("no mail"), .. }"#);
    let rules = Rules::builder(Action::Allow).rule(rule).build();
    shows(&rules, "Rules(1)");
    let swap = SwapPolicy::new(rules);
    shows(&swap, "SwapPolicy { .. }");
    shows(
        &RecheckLayer::new(swap),
        "RecheckLayer { policy: SwapPolicy { .. } }",
    );
}

#[test]
fn sessions_show_who_and_how_many() {
    shows(&Identity::named("joe"), "Identity(joe)");
    shows(&Identity::named(b"j\xffe"), r"Identity(j\xffe)");
    shows(&DomainName::new("example.com").unwrap(), "\"example.com\"");
    let mut extensions = Extensions::new();
    extensions.insert("a password");
    shows(&extensions, "Extensions(1)");
    extensions.insert("another one");
    assert_eq!(extensions.get::<&str>(), Some(&"another one"));
    shows(&Guard::open(), "Guard(open)");
    shows(&Guard::open().and(Arc::new(Rules::default())), "Guard");
    let mut batch = Datagrams::new();
    batch.push(Address::UNSPECIFIED, b"a secret");
    shows(&batch, "Datagrams(1)");
    let session = Authenticated {
        io: "what was said",
        identity: Identity::named("joe"),
        service: "whatever",
    };
    shows(&session, "Authenticated { identity: Identity(joe), .. }");
}

#[test]
fn what_is_boxed_says_that_it_is() {
    let (stream, _other) = duplex(1);
    shows(&BoxStream::new(stream), "BoxStream");
    shows(&BoxConnector::<Request>::new(Direct::new()), "BoxConnector");
    let (stream, _other) = duplex(1);
    let tunnel = Connected::new(stream, Address::UNSPECIFIED);
    shows(&BoxTunnel::new(tunnel), "BoxTunnel");
}

#[test]
fn limits_show_how_much_and_how_many_use_them() {
    let tunnels = ConcurrentTunnels::new(2, key::user);
    let joe = tunnels.admit(&request("joe"));
    shows(&joe, "Permit");
    let Admission::Permit(Some(permit)) = joe else {
        panic!("joe has none yet");
    };
    shows(&permit, r#"TunnelPermit("joe")"#);
    let _second = tunnels.admit(&request("joe"));
    shows(&tunnels.admit(&request("joe")), "Refused");
    let patient = tunnels.clone().wait(Duration::from_secs(1));
    shows(&patient.admit(&request("joe")), "Later");
    // How many each may have is different by request.
    shows(&tunnels, "ConcurrentTunnels { keys: 1, .. }");

    let requests = RequestRate::per_minute(NonZeroU32::MIN, key::user);
    shows(&requests, "RequestRate { keys: 0, .. }");
    shows(&requests.admit(&request("joe")), "Permit");
    shows(&requests.admit(&request("joe")), "Refused");
    shows(&requests, "RequestRate { keys: 1, .. }");

    let bandwidth = Bandwidth::new(key::user).down(1000);
    shows(&bandwidth, "Bandwidth { keys: 0, .. }");
    let store = MemoryStore::<String>::new(10, Duration::from_secs(60));
    let shown = "MemoryStore { bytes: 10, period: 60s, .. }";
    shows(&store, shown);
    let quota = ByteQuota::new(10, Duration::from_secs(60), key::user);
    shows(&quota, &format!("ByteQuota {{ store: {shown}, .. }}"));
    let bounds =
        "Bounds { free: 3, longest_delay: 4s, per_client: 64, per_site: 256, per_name: 32 }";
    shows(
        &FailedLoginsLayer::new(),
        &format!("FailedLoginsLayer {{ bounds: {bounds}, .. }}"),
    );
    let open = OpenTunnels::new();
    shows(&open, "OpenTunnels { open: 0, opened: 0, .. }");
}

#[test]
fn ways_show_where_they_lead_and_no_password() {
    let proxy = || "192.0.2.1:1080".parse::<Address>().unwrap();
    let credentials = Credentials::new("joe", "hunter2").unwrap();
    let client = Client::new().credentials(credentials);
    let basic = BasicAuth::new("joe", "hunter2").unwrap();
    let socks = Socks5Upstream::new(proxy()).client(client.clone());
    let http = HttpUpstream::new(proxy()).credentials(basic);
    let all = [
        format!("{client:?}"),
        format!("{socks:?}"),
        format!("{http:?}"),
        format!("{:?}", socks.clone().into_bind()),
        format!("{:?}", socks.clone().into_transports()),
    ];
    let begin = [
        "Client { ",
        "Socks5Upstream { proxy: 192.0.2.1:1080, .. }",
        "HttpUpstream { proxy: 192.0.2.1:1080, ",
        "UpstreamBind(Socks5Upstream { ",
        "MakeUpstream { upstream: Socks5Upstream { ",
    ];
    for (text, begin) in all.iter().zip(begin) {
        assert!(text.starts_with(begin), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    let health = Health::new("first", socks.clone());
    shows(&health, r#"Health { name: "first", is_up: true, .. }"#);
    let ways = Failover::new([("first", socks.clone()), ("second", socks.clone())]);
    shows(&ways, r#"["first", "second"]"#);
    shows(&Classify::default(), "Classify");
    let router = Router::new([(Rule::new(Action::Allow), socks.clone())], socks);
    shows(&router, "Router { routes: RuleMap(1), .. }");
    shows(&SystemResolver::default(), "SystemResolver { .. }");
}

#[test]
fn defaults_are_what_new_makes() {
    fn same(new: &impl Debug, default: &impl Debug) {
        assert_eq!(format!("{new:?}"), format!("{default:?}"));
    }
    same(&Bind::new(), &Bind::default());
    same(&Direct::new(), &Direct::default());
    same(&Client::new(), &Client::default());
    same(
        &tower_socks::connector::associate::Associate::new(),
        &tower_socks::connector::associate::Associate::default(),
    );
    same(
        &tower_socks::relay::Relay::new(),
        &tower_socks::relay::Relay::default(),
    );
    let layer = HandshakeLayer::default();
    same(&HandshakeLayer::new(), &layer);
    assert!(format!("{layer:?}").contains("deadline: 10s"), "{layer:?}");
}

#[tokio::test]
async fn a_request_is_shown_once_though_layers_hold_a_copy() {
    let inner = tower::service_fn(async |request: Request| {
        Err::<Connected<tokio::io::DuplexStream>, tower_socks::BoxError>(
            format!("{request:?}").into(),
        )
    });
    let service = tower::Layer::layer(&OpenTunnels::new().layer(), inner);
    let Err(shown) = tower::ServiceExt::oneshot(service, request("joe")).await else {
        panic!("it answers with a text");
    };
    assert_eq!(shown.to_string().matches("command: ").count(), 1, "{shown}");
}
