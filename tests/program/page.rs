//! The page of the example server: its parts, and what it asks for.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    status::status,
    support::{
        program::{Server, connect_request, exchange, file::File, http::get},
        udp::quiet_port,
    },
};

const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

/// A target that keeps connections open.
pub(crate) fn target() -> SocketAddr {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    std::thread::spawn(move || target.incoming().collect::<Vec<_>>());
    address
}

/// Opens a tunnel as a user, whose password is `x`.
pub(crate) fn tunnel(server: &Server, user: &str, target: SocketAddr) -> TcpStream {
    let mut client = server.connect();
    let length = u8::try_from(user.len()).unwrap();
    let login = [
        b"\x05\x01\x02\x01",
        &[length][..],
        user.as_bytes(),
        b"\x01x",
    ]
    .concat();
    assert_eq!(exchange(&mut client, &login, 4), b"\x05\x02\x01\x00");
    assert_eq!(exchange(&mut client, &connect_request(target), 10)[1], 0);
    client
}

pub(crate) fn json(status: SocketAddr, path: &str) -> Value {
    let (head, body) = get(status, path);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn column(json: &Value, name: &str) -> Vec<String> {
    let tunnels = json["tunnels"].as_array().unwrap().iter();
    tunnels
        .map(|tunnel| tunnel[name].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_parts_of_the_page_are_there_and_load_nothing_from_elsewhere() {
    let file = File::new(METRICS);
    let mut server = file.server();
    let status = status(&mut server);
    let (_, page) = get(status, "/");
    let mut parts = vec!["page.js".to_owned()];
    for attribute in ["src=\"", "href=\""] {
        let links = page.split(attribute).skip(1);
        let links = links.map(|rest| rest.split_once('"').unwrap().0);
        parts.extend(links.filter(|link| link.contains('.')).map(str::to_owned));
    }
    let mut seen = Vec::new();
    while let Some(part) = parts.pop() {
        let (head, text) = get(status, &format!("/{part}"));
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{part}: {head}");
        for header in [
            "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'",
            "x-content-type-options: nosniff",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(header), "{part}: {header} in {head}");
        }
        assert!(!head.contains("unsafe-inline"), "{head}");
        if part.ends_with(".json") {
            continue;
        }
        // The name of SVG is one of these, and is never fetched.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for elsewhere in ["http://", "https://", "innerHTML", "style=", "onclick="] {
            assert!(!text.contains(elsewhere), "{part}: {elsewhere}");
        }
        let imports = text.split("from \"./").skip(1);
        let imports = imports.map(|rest| rest.split_once('"').unwrap().0.to_owned());
        let new: Vec<_> = imports.filter(|import| !seen.contains(import)).collect();
        seen.extend(new.iter().cloned());
        parts.extend(new);
    }
    assert!(seen.contains(&"chart.js".to_owned()), "{seen:?}");
}

#[test]
fn all_open_tunnels_are_reachable() {
    let file = File::new(&format!(
        "{METRICS}[users]\njoe = \"x\"\njane = \"x\"\n\"<b>\" = \"x\"\n"
    ));
    let mut server = file.server();
    let status = status(&mut server);
    let target = target();
    let users = ["joe", "jane", "joe", "<b>", "jane"];
    let _open = users.map(|user| tunnel(&server, user, target));

    let all = json(status, "/status.json");
    assert_eq!((&all["open"], &all["matching"]), (&5.into(), &5.into()));
    // The newest first.
    assert_eq!(column(&all, "user"), ["jane", "<b>", "joe", "jane", "joe"]);
    let ids = |json: &Value| {
        let tunnels = json["tunnels"].as_array().unwrap().iter();
        tunnels
            .map(|tunnel| tunnel["id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let mut paged = Vec::new();
    for offset in [0, 2, 4] {
        let page = json(status, &format!("/status.json?limit=2&offset={offset}"));
        assert_eq!(page["offset"], offset);
        paged.extend(ids(&page));
    }
    assert_eq!(paged, ids(&all));
    assert!(ids(&json(status, "/status.json?offset=5")).is_empty());
    assert!(ids(&json(status, "/status.json?limit=0")).is_empty());

    let oldest = json(status, "/status.json?sort=age&order=desc");
    assert_eq!(column(&oldest, "user"), users);
    let sorted = json(status, "/status.json?sort=user");
    assert_eq!(
        column(&sorted, "user"),
        ["<b>", "jane", "jane", "joe", "joe"]
    );
    let found = json(status, "/status.json?search=JANE");
    assert_eq!((&found["open"], &found["matching"]), (&5.into(), &2.into()));
    let found = json(status, "/status.json?user=%3Cb%3E");
    assert_eq!(column(&found, "user"), ["<b>"]);
    let none = json(status, "/status.json?user=j");
    assert_eq!(none["matching"], 0);

    let joe = &all["users"]
        .as_array()
        .unwrap()
        .iter()
        .find(|user| user["name"] == "joe");
    assert_eq!(joe.unwrap()["open"], 2);
    assert_eq!(all["targets"][0]["name"], "127.0.0.1");
    assert_eq!(all["targets"][0]["tunnels"], 5);
}

#[test]
fn questions_that_make_no_sense() {
    let file = File::new(METRICS);
    let mut server = file.server();
    let status = status(&mut server);
    for (query, problem) in [
        ("sort=size", "sort is one of"),
        ("order=up", "order is one of"),
        ("limit=many", "limit has to be a number"),
        ("offset=-1", "offset has to be a number"),
        ("limit=99999999999999999999999", "limit has to be a number"),
        ("sort=up&sort=down", "sort is there twice"),
        ("page=2", "page is not known here"),
        ("search=%zz", "not encoded"),
        ("search=%ff", "not encoded"),
        ("search=%", "not encoded"),
        (&format!("search={}", "a".repeat(600)), "512 octets"),
    ] {
        let (head, body) = get(status, &format!("/status.json?{query}"));
        assert!(head.starts_with("HTTP/1.1 400"), "{query}: {head}");
        assert!(body.contains(problem), "{query}: {body}");
    }
    // As many as there can be is not as many as there are.
    let all = json(
        status,
        "/status.json?limit=18446744073709551615&offset=18446744073709551615",
    );
    assert_eq!(all["tunnels"], Value::Array(Vec::new()));
}

#[test]
fn the_last_hour_is_there_when_the_page_opens() {
    let file = File::new(METRICS);
    let mut server = file.server();
    let status = status(&mut server);
    let started = Instant::now();
    let first = loop {
        let history = json(status, "/history.json");
        if history["next"] != 0 {
            break history;
        }
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(first["every"], 5);
    let sample = first["samples"][0].as_array().unwrap();
    assert_eq!(sample.len(), 6);
    assert!(sample[0].as_u64().unwrap() > 1_700_000_000, "{sample:?}");
    // What is known already is not told again.
    let next = &first["next"];
    let more = json(status, &format!("/history.json?since={next}"));
    assert!(more["samples"].as_array().unwrap().len() <= 1, "{more}");
    let far = json(status, "/history.json?since=18446744073709551615");
    assert!(far["samples"].as_array().unwrap().is_empty(), "{far}");
}

/// Asks until an answer is as it should be.
pub(crate) fn json_once(status: SocketAddr, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let seen = json(status, path);
        if is_so(&seen) {
            return seen;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{seen}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const RULES: &str = "[users]\njoe = \"x\"\n[acl]\ndefault = \"allow\"\n[[acl.rules]]\nname = \"no <mail>\"\n\
                     action = \"deny\"\nport = 25\n";

#[test]
fn refusals_failures_and_failed_logins_are_told_with_their_reasons() {
    let file = File::new(&format!("{METRICS}{RULES}"));
    let mut server = file.server();
    let status = status(&mut server);
    let login = |password: &[u8; 1]| {
        let mut client = server.connect();
        let login = [b"\x05\x01\x02\x01\x03joe\x01", &password[..]].concat();
        (exchange(&mut client, &login, 4), client)
    };
    for _ in 0..2 {
        assert_eq!(login(b"y").0[3], 1);
    }
    json_once(status, "/feed.json", |feed| feed["next"] == 2);
    let mail: SocketAddr = "192.0.2.1:25".parse().unwrap();
    assert_eq!(
        exchange(&mut login(b"x").1, &connect_request(mail), 10)[1],
        2
    );
    let closed = ([127, 0, 0, 1], quiet_port()).into();
    assert_eq!(
        exchange(&mut login(b"x").1, &connect_request(closed), 10)[1],
        5
    );

    let feed = json_once(status, "/feed.json", |feed| feed["next"] == 4);
    let entries = feed["entries"].as_array().unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            ["kind", "user", "command", "target"].map(|name| entry[name].as_str().unwrap())
        })
        .collect();
    let closed = closed.to_string();
    let mut expected = vec![
        ["failed", "joe", "CONNECT", &*closed],
        ["refused", "joe", "CONNECT", "192.0.2.1:25"],
        ["login", "joe", "", ""],
    ];
    // Sessions end in any order.
    expected.sort_unstable();
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected, "{feed}");
    let reason = |kind: &str| {
        let entry = entries.iter().find(|entry| entry["kind"] == kind).unwrap();
        assert_eq!(entry["client"], "127.0.0.1");
        entry["reason"].as_str().unwrap()
    };
    assert!(reason("refused").contains("no <mail>"), "{feed}");
    assert!(reason("failed").contains("refused"), "{feed}");
    let login = entries
        .iter()
        .find(|entry| entry["kind"] == "login")
        .unwrap();
    assert_eq!(login["times"], 2, "{feed}");
    // What was told already is not told again.
    assert!(
        json(status, "/feed.json?since=4")["entries"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

/// A client that is refused all the time leaves room for others.
#[test]
fn the_feed_has_a_share_for_each_client() {
    let file = File::new(&format!("{METRICS}{RULES}"));
    let mut server = file.server();
    let status = status(&mut server);
    let refused = |from: [u8; 4], port: u16| {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&server.address.into()).unwrap();
        let mut client = TcpStream::from(socket);
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        exchange(&mut client, b"\x05\x01\x02\x01\x03joe\x01x", 4);
        // The target makes them different.
        let octets = port.to_be_bytes();
        let mail = SocketAddr::from(([192, 0, octets[0], octets[1]], 25));
        assert_eq!(exchange(&mut client, &connect_request(mail), 10)[1], 2);
    };
    refused([127, 0, 0, 2], 1);
    for number in 0..60 {
        refused([127, 0, 0, 1], number);
    }
    let feed = json_once(status, "/feed.json", |feed| feed["next"] == 61);
    let entries = feed["entries"].as_array().unwrap();
    let of = |client: &str| {
        entries
            .iter()
            .filter(|entry| entry["client"] == client)
            .count()
    };
    assert_eq!((of("127.0.0.1"), of("127.0.0.2")), (25, 1), "{feed}");
}

#[test]
fn sums_keep_what_has_ended() {
    let file = File::new(&format!("{METRICS}[users]\njoe = \"x\"\n"));
    let mut server = file.server();
    let status = status(&mut server);
    let target = target();
    let brief = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = brief.local_addr().unwrap();
    for _ in 0..3 {
        let mut client = tunnel(&server, "joe", address);
        client.write_all(b"four").unwrap();
        brief.accept().unwrap().0.read_exact(&mut [0; 4]).unwrap();
    }
    let _open = tunnel(&server, "joe", target);
    let sums = json_once(status, "/status.json", |seen| {
        (&seen["users"][0]["open"], &seen["users"][0]["up"]) == (&1.into(), &12.into())
    });
    for sum in [&sums["users"][0], &sums["targets"][0]] {
        assert_eq!(
            (&sum["tunnels"], &sum["up"]),
            (&4.into(), &12.into()),
            "{sum}"
        );
    }
    assert_eq!(sums["users"][0]["name"], "joe");
}

/// UDP ASSOCIATE has no target: its datagrams have.
#[test]
fn associations_show_their_destinations() {
    let file = File::new(METRICS);
    let mut server = file.server();
    let status = status(&mut server);
    let echo = crate::support::program::carried::echo();
    let carrier = crate::support::program::carried::Carrier::V2;
    let _open = carrier.exchanges_by_socks5(&server, echo);
    let seen = json_once(status, "/status.json", |seen| {
        seen["tunnels"][0]["destinations"].is_array()
    });
    let destination = &seen["tunnels"][0]["destinations"][0];
    assert_eq!(destination["address"], echo.to_string(), "{seen}");
    assert_eq!(
        (&destination["datagrams_up"], &destination["datagrams_down"]),
        (&3.into(), &3.into())
    );
    assert_eq!(seen["targets"][0]["name"], "127.0.0.1", "{seen}");
    let found = json(status, &format!("/status.json?search={echo}"));
    assert_eq!(found["matching"], 1, "{found}");
}

#[test]
fn limits_show_who_is_closest_to_them() {
    let file = File::new(
        "[users]\njoe = \"x\"\njane = \"x\"\n[limits.users.joe]\ntunnels = 2\n\
         [acl]\ndefault = \"allow\"\nallow_private = true\n[metrics]\nlisten = \"127.0.0.1:0\"\n",
    );
    let mut server = Server::start(
        &["--listen", "127.0.0.1:0", "--config", file.path()],
        "info",
    );
    let at = status(&mut server);
    let open = [
        tunnel(&server, "joe", target()),
        tunnel(&server, "jane", target()),
    ];
    let of = |status: &Value, name: &str, whom: &str| {
        let limits = status["limits"].as_array().unwrap().clone();
        let mut limits = limits.into_iter();
        let found = limits.find(|limit| limit["name"] == name && limit["whom"] == whom);
        found.map(|limit| (limit["used"].as_u64(), limit["most"].as_u64()))
    };
    // Each is counted a moment after its client has the reply.
    let shown = json_once(at, "/status.json", |status| {
        of(status, "tunnels", "joe") == Some((Some(1), Some(2)))
            && of(status, "sessions", "jane") == Some((Some(1), Some(2500)))
    });
    assert_eq!(of(&shown, "tunnels", "jane"), None, "nobody limits her");
    drop(open);
}
