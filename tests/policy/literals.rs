//! R13 over the wire: an address is judged in whatever notation it comes, and however it is
//! embedded.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, UdpSocket},
};
use tower::{Layer, service_fn};
use tower_socks::{
    AclLayer, BoxError, Connector, Rules,
    connector::{
        associate::{Associate, MakeDirect},
        direct::Direct,
        resolve::Lookup,
    },
};

use crate::support::udp::{
    Client, ClientScript, address,
    association::{Association, assert_silent, datagram, socket},
    name, stack, within,
};

/// A rule that states what this machine is.
const DENIED: &str = r#"
    action = "deny", to = ["127.0.0.0/8", "0.0.0.0/8", "::/96", "fe00::/7", "64:ff9b:1::/48"]
"#;

/// Names that are 127.0.0.1.
const NON_CANONICAL: [&str; 30] = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.0.0.1..",
    "127.1",
    "127.1.",
    "127.0.1",
    "0x7f000001",
    "0X7F.1",
    "0x7f.0.0.0x1",
    "0177.0.0.1",
    "017700000001",
    "2130706433",
    "2130706433.",
    "00000000177.1",
    "::ffff:127.0.0.1",
    "::FFFF:7f00:1",
    "[::ffff:127.0.0.1]",
    "[::ffff:127.0.0.1].",
    "0:0:0:0:0:ffff:7f00:0001",
    "127.00.0x0.01",
    "0x7F.0x000001",
    // By UTS 46: digits, dots and letters that become those of ASCII, and what becomes nothing.
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "127.0.0.\u{ff11}",
    "127\u{ff0e}0\u{ff0e}0\u{ff0e}1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "127.0.0\u{ff61}1",
    "\u{2460}\u{2461}\u{2466}.1",
    "127.0.0.\u{b9}",
    "0\u{ff58}7f000001",
    "127.0.0.\u{ad}1",
];

/// Names that only look like an address. A resolver might make 127.0.0.1 of them.
const MALFORMED: [&str; 11] = [
    "127.0.0.\u{661}",
    "127..1",
    "127.0.0.0.1",
    "127.0.0.256",
    "4294967297",
    "0x17f000001",
    "0x",
    "[127.0.0.1]",
    "[::1",
    "::1%lo",
    "::ffff:127.1",
];

/// Addresses that are this machine, or embed one that is.
const EMBEDDED: [&str; 14] = [
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "::1",
    "::",
    "::ffff:0.0.0.0",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::127.0.0.1",
    "2002:7f00:1::",
    "2002:7f00:1::7f00:1",
    "2001:0:7f00:1::",
    "2001:0:808:808::80ff:fffe",
    "fe80::5efe:127.0.0.1",
    "2001:470::200:5efe:127.0.0.1",
    "fec0::1",
];

/// Nothing is open that has to be stated; and everything is open but what is stated.
fn strict() -> [Rules; 2] {
    let stated = format!("default = \"allow\"\nallow_private = true\nrules = [{{{DENIED}}}]");
    [Rules::default(), toml::from_str(&stated).unwrap()]
}

/// The loopback is open.
fn open() -> Rules {
    toml::from_str("default = \"deny\"\nrules = [{ action = \"allow\", to = \"127.0.0.0/8\" }]")
        .unwrap()
}

/// Rules to which a witness is added, who may be sent to in any case.
fn with_witness(witness: &UdpSocket) -> [Rules; 2] {
    let port = port(witness);
    let rule = format!("{{ action = \"allow\", to = \"127.0.0.9\", port = {port} }}");
    let texts = [
        format!("default = \"allow\"\nrules = [{rule}]"),
        format!(
            "default = \"allow\"\nallow_private = true\n\
             rules = [{rule}, {{{DENIED}}}]"
        ),
    ];
    texts.map(|text| toml::from_str(&text).unwrap())
}

/// Where every name leads: a resolver that takes what is left of them for this machine.
async fn here(_: Lookup) -> Result<Vec<IpAddr>, BoxError> {
    Ok(vec![[127, 0, 0, 1].into()])
}

/// REP for a CONNECT under rules.
async fn connect(rules: &Rules, dst: &[u8]) -> u8 {
    let connector = Connector::direct().with_connect(Direct::new().resolver(service_fn(here)));
    let service = AclLayer::new(rules.clone()).layer(connector);
    let mut client = Client::new(stack(service)).await;
    client.io.request(1, dst).await;
    assert_eq!(client.io.read_u8().await.unwrap(), 5);
    let reply = client.io.read_u8().await.unwrap();
    let _ = client.reset().await;
    reply
}

async fn associated(rules: Rules) -> Association {
    let paths = MakeDirect::new().resolver(service_fn(here));
    let connector = Connector::direct().with_associate(Associate::with_transports(paths));
    Association::new(stack(AclLayer::new(rules).layer(connector))).await
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

fn literal(ip: &str, port: u16) -> Vec<u8> {
    address(SocketAddr::new(ip.parse().unwrap(), port))
}

/// Listeners at one port of every address of this machine's.
async fn listener() -> (TcpListener, u16) {
    let listener = match TcpListener::bind("[::]:0").await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind("0.0.0.0:0").await.unwrap(),
    };
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn assert_untouched(listener: TcpListener) {
    let listener = listener.into_std().unwrap();
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn r13_a_request_for_a_non_canonical_literal_is_judged_as_that_address() {
    within(async {
        let (listener, port) = listener().await;
        for rules in &strict() {
            for literal in NON_CANONICAL {
                let reply = connect(rules, &name(literal, port)).await;
                assert_eq!(reply, 2, "{literal} under {rules:?}");
            }
        }
        // Allowed, they lead there.
        for literal in NON_CANONICAL {
            let reply = connect(&open(), &name(literal, port)).await;
            assert_eq!(reply, 0, "{literal}");
            listener.accept().await.unwrap();
        }
        assert_untouched(listener);
    })
    .await;
}

#[tokio::test]
async fn r13_a_request_for_what_only_looks_like_an_address_is_refused() {
    within(async {
        let (listener, port) = listener().await;
        for rules in strict().iter().chain([&open()]) {
            for malformed in MALFORMED {
                let reply = connect(rules, &name(malformed, port)).await;
                assert_eq!(reply, 1, "{malformed:?}");
            }
        }
        assert_untouched(listener);
    })
    .await;
}

#[tokio::test]
async fn r13_a_request_for_an_embedded_address_is_judged_as_that_address() {
    within(async {
        let (listener, port) = listener().await;
        for rules in strict() {
            for embedded in EMBEDDED {
                let bracketed = format!("[{embedded}]");
                for dst in [
                    literal(embedded, port),
                    name(embedded, port),
                    name(&bracketed, port),
                ] {
                    let reply = connect(&rules, &dst).await;
                    assert_eq!(reply, 2, "{embedded} under {rules:?}");
                }
            }
        }
        assert_untouched(listener);
    })
    .await;
}

#[tokio::test]
async fn r13_a_name_of_other_letters_is_judged_by_where_it_leads() {
    within(async {
        let (listener, port) = listener().await;
        for host in [
            "localhost",
            "LOCALHOST.",
            "\u{ff4c}ocalhost",
            "xn--nxasmq6b",
        ] {
            for rules in &strict() {
                assert_eq!(connect(rules, &name(host, port)).await, 2, "{host}");
            }
        }
        assert_untouched(listener);
    })
    .await;
}

#[tokio::test]
async fn r13_a_datagram_to_a_non_canonical_literal_is_judged_as_one_to_that_address() {
    within(async {
        let target = socket("0.0.0.0").await;
        let watch = socket("127.0.0.9").await;
        for rules in with_witness(&watch) {
            let association = associated(rules).await;
            for host in NON_CANONICAL.iter().chain(&MALFORMED).chain(&EMBEDDED) {
                let to = name(host, port(&target));
                association.send(&datagram(0, &to, b"lost")).await;
            }
            for embedded in EMBEDDED {
                let to = literal(embedded, port(&target));
                association.send(&datagram(0, &to, b"lost")).await;
            }
            // By a name as well, for what might wait for a lookup.
            for to in ["127.0.0.9", "0x7f.9"] {
                let to = name(to, port(&watch));
                association.send(&datagram(0, &to, b"witness")).await;
                association.reaches(&watch, b"witness").await;
            }
            association.echo(&watch, b"witness").await;
            assert_silent(&target);
        }
        // Allowed, they lead there.
        let association = associated(open()).await;
        for literal in NON_CANONICAL {
            let to = name(literal, port(&target));
            association
                .send(&datagram(0, &to, literal.as_bytes()))
                .await;
            association.reaches(&target, literal.as_bytes()).await;
        }
        assert_silent(&target);
    })
    .await;
}
