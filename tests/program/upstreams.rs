//! `[upstreams]` and `[[routes]]` of the example server.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    status::status,
    support::{
        program::{
            Server,
            carried::{Carrier, echo},
            certificates::Authority,
            connect_request, exchange,
            file::File,
            http::get,
            program,
        },
        udp::quiet_port,
    },
};

const FLAGS: [&str; 3] = ["--listen", "127.0.0.1:0", "--allow-private"];
const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

fn proxy(name: &str, proxy: SocketAddr, more: &str) -> String {
    format!("[upstreams.{name}]\nurl = \"socks5h://{proxy}\"\n{more}\n")
}

/// An address at which nobody listens. Of a listener that is gone somebody else could get the port.
fn nobody() -> SocketAddr {
    ([127, 0, 0, 1], quiet_port()).into()
}

/// The code of the reply to CONNECT, and the stream.
fn connect(server: &Server, target: SocketAddr) -> (u8, TcpStream) {
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), [5, 0]);
    (
        exchange(&mut client, &connect_request(target), 10)[1],
        client,
    )
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Each request goes where the first route that matches says, by whatever command, and the line of the session says so.
#[test]
fn requests_take_their_routes() {
    let targets: Vec<_> = (0..4)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let port = |at: usize| targets[at].local_addr().unwrap().port();
    let (mut paris, mut berlin) = (Server::start(&FLAGS, "info"), Server::start(&FLAGS, "info"));
    let file = File::new(&format!(
        "upstream = \"paris\"\n{}{}\
         [[routes]]\nname = \"the east\"\nport = {}\nupstream = \"berlin\"\n\
         [[routes]]\nport = {}\nupstream = \"direct\"\n\
         [[routes]]\nname = \"not there\"\nport = {}\nupstream = \"refuse\"\n",
        proxy("paris", paris.address, ""),
        proxy("berlin", berlin.address, ""),
        port(1),
        port(2),
        port(3),
    ));
    let mut server = file.server();
    for (at, by, code) in [
        (0, "paris", 0),
        (1, "berlin", 0),
        (2, "direct", 0),
        (3, "", 2),
    ] {
        let target = targets[at].local_addr().unwrap();
        let (reply, client) = connect(&server, target);
        assert_eq!(reply, code);
        drop(client);
        if code == 0 {
            drop(targets[at].accept().unwrap());
        }
        let line = server.says(&format!("target={target}"));
        match code {
            0 => assert!(line.contains(&format!("upstream={by}")), "{line}"),
            _ => assert!(
                line.contains("outcome=refused") && line.contains("the route is to refuse it"),
                "{line}"
            ),
        }
        match by {
            "paris" => _ = paris.says(&format!("target={target}")),
            "berlin" => _ = berlin.says(&format!("target={target}")),
            _ => {}
        }
    }
    // BIND has no port of a peer that a route could match: nothing leaves from here for want of `bind`.
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), [5, 0]);
    assert_eq!(
        exchange(&mut client, b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00", 2),
        [5, 7]
    );
}

/// The peer comes to the proxy, and from there through this server.
#[test]
fn bind_goes_through_an_upstream_that_may() {
    let inner = Server::start(&FLAGS, "info");
    let file = File::new(&format!(
        "upstream = \"paris\"\n{}",
        proxy("paris", inner.address, "bind = true")
    ));
    let mut server = file.server();
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), [5, 0]);
    let reply = exchange(&mut client, b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x00", 10);
    assert_eq!(reply[..4], [5, 0, 0, 1]);
    let bound = SocketAddr::from((
        [reply[4], reply[5], reply[6], reply[7]],
        u16::from_be_bytes([reply[8], reply[9]]),
    ));
    let mut peer = TcpStream::connect(bound).unwrap();
    assert_eq!(exchange(&mut client, b"", 10)[..2], [5, 0]);
    peer.write_all(b"hello").unwrap();
    assert_eq!(exchange(&mut client, b"", 5), b"hello");
    drop((client, peer));
    assert!(server.says("command=BIND").contains("upstream=paris"));
}

/// Datagrams have the route of their association; what a route has for others of them does not leak.
#[test]
fn datagrams_take_the_route_of_their_association() {
    let target = echo();
    let mut paris = Server::start(&FLAGS, "info");
    let address = paris.address;
    let routed = |route: &str| {
        let file = File::new(&format!(
            "{}[[routes]]\n{route}\nupstream = \"paris\"\n",
            proxy("paris", address, "udp = \"udp-over-tcp\"")
        ));
        file.server()
    };
    let mut server = routed("command = \"udp\"");
    drop(Carrier::V2.exchanges_by_socks5(&server, target));
    assert!(server.says("session ended").contains("upstream=paris"));
    paris.says("target=sp.v2.udp-over-tcp.arpa:");

    // The association is direct; this destination is not, and so it is dropped.
    let server = routed(&format!("port = {}", target.port()));
    let mut client = server.connect();
    let all = [
        b"\x05\x01\x00",
        &Carrier::V1.socks5()[..],
        &Carrier::V1.frame(target, b"no"),
    ]
    .concat();
    assert_eq!(exchange(&mut client, &all, 12)[3], 0);
    client
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(client.read(&mut [0]).is_err());
    // And another one is not.
    let other = echo();
    drop(Carrier::V1.exchanges_by_socks5(&server, other));
    paris.process.kill().unwrap();
}

/// By UDP and BIND: CONNECT has the first.
#[test]
fn what_the_file_lets_one_not_do_is_left_to_another() {
    let target = echo();
    let (paris, berlin) = (Server::start(&FLAGS, "info"), Server::start(&FLAGS, "info"));
    for choice in ["failover", "balance"] {
        let file = File::new(&format!(
            "upstream = \"all\"\n{}{}[upstreams.all]\n{choice} = [\"paris\", \"berlin\"]\n",
            proxy("paris", paris.address, ""),
            proxy(
                "berlin",
                berlin.address,
                "udp = \"udp-over-tcp\"\nbind = true"
            ),
        ));
        let mut server = file.server();
        for _ in 0..2 {
            drop(Carrier::V2.exchanges_by_socks5(&server, target));
            assert!(server.says("session ended").contains("upstream=berlin"));
        }
        for _ in 0..2 {
            let mut client = server.connect();
            assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), [5, 0]);
            let reply = exchange(&mut client, b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x00", 10);
            assert_eq!(reply[1], 0);
        }
    }
}

/// The log has one line of it, metrics know, and no request is lost.
#[test]
fn where_one_upstream_is_killed_the_other_takes_over() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    for choice in [
        "failover = [\"paris\", \"berlin\"]",
        "balance = [\"paris\", \"berlin\"]",
    ] {
        let (mut paris, berlin) = (Server::start(&FLAGS, "info"), Server::start(&FLAGS, "info"));
        let file = File::new(&format!(
            "upstream = \"all\"\n{}{}[upstreams.all]\n{choice}\n{METRICS}",
            proxy("paris", paris.address, ""),
            proxy("berlin", berlin.address, ""),
        ));
        let mut server = file.server();
        let metrics = status(&mut server);
        let numbers = || get(metrics, "/metrics").1;
        for _ in 0..4 {
            assert_eq!(connect(&server, address).0, 0);
        }
        assert!(numbers().contains("socks_upstream_up{upstream=\"paris\"} 1\n"));
        paris.process.kill().unwrap();
        paris.process.wait().unwrap();
        for _ in 0..8 {
            assert_eq!(connect(&server, address).0, 0, "{choice}");
        }
        server.says("upstream marked down upstream=paris");
        let seen = numbers();
        for line in [
            "socks_upstream_up{upstream=\"berlin\"} 1\n",
            "socks_upstream_up{upstream=\"paris\"} 0\n",
            "socks_upstream_dials_total{upstream=\"berlin\",outcome=\"upstream\"} 0\n",
            "socks_upstream_probe_failures_total{upstream=\"paris\"} 0\n",
        ] {
            assert!(seen.contains(line), "{line} in {seen}");
        }
        // Passive checks alone do not make it red: nobody but clients would find it up again.
        assert!(get(metrics, "/ready").0.starts_with("HTTP/1.1 200 "));
    }
}

/// A probe finds it, whether anybody asks for anything or not.
#[test]
fn probes_find_what_is_down_and_what_is_up_again() {
    let address = nobody();
    let listen = address.to_string();
    let flags = ["--listen", &listen, "--allow-private"];
    let mut paris = Server::start(&flags, "info");
    let probe = "probe = { every = \"100ms\", timeout = \"5s\", rise = 1, fall = 2 }";
    let file = File::new(&format!(
        "upstream = \"paris\"\n{}{METRICS}",
        proxy("paris", address, probe)
    ));
    let mut server = file.server();
    let metrics = status(&mut server);
    let is = |status: &str, text: &str| {
        let (head, body) = get(metrics, "/ready");
        head.starts_with(&format!("HTTP/1.1 {status} ")) && body.contains(text)
    };
    assert!(is("200", ""));
    paris.process.kill().unwrap();
    paris.process.wait().unwrap();
    eventually("red", || {
        is("503", "no upstream of `upstream` answers its probes")
    });
    server.says("upstream marked down upstream=paris");
    let (_, numbers) = get(metrics, "/metrics");
    assert!(numbers.contains("socks_upstream_up{upstream=\"paris\"} 0\n"));
    assert!(!numbers.contains("socks_upstream_probe_failures_total{upstream=\"paris\"} 0\n"));
    // Another one at the same place.
    let mut again = Server::start(&flags, "info");
    eventually("green", || is("200", ""));
    server.says("upstream up again upstream=paris");
    // A greeting is no session that failed.
    again.process.kill().unwrap();
}

/// Sessions have the stack of their time. Its probes would be more with each reload, and ask for what the file says no more.
#[test]
fn probes_end_with_their_file_whatever_sessions_go_on() {
    let mut paris = Server::start(&FLAGS, "info");
    let address = paris.address;
    let text = |target: SocketAddr| {
        let probe = format!("probe = {{ every = \"100ms\", target = \"{target}\" }}");
        format!("upstream = \"paris\"\n{}", proxy("paris", address, &probe))
    };
    let target = crate::changes::echo;
    let (before, after) = (target(), target());
    let file = File::new(&text(before));
    let mut server = file.server();
    let (code, mut open) = connect(&server, target());
    assert_eq!(code, 0);
    paris.says(&format!("target={before}"));
    file.write(&text(after));
    server.signal(Signal::HUP);
    server.says("reloaded");
    paris.says(&format!("target={after}"));
    // One that was under way may end a little later.
    paris.says(&format!("target={after}"));
    for _ in 0..5 {
        paris.silent_until(&format!("target={after}"), &format!("target={before}"));
    }
    assert_eq!(exchange(&mut open, b"still there", 11), b"still there");
}

/// The proxy is there, and what is behind it is not.
#[test]
fn a_probe_with_a_target_needs_the_target() {
    let paris = Server::start(&FLAGS, "info");
    let probe = format!(
        "probe = {{ every = \"100ms\", fall = 1, target = \"{}\" }}",
        nobody()
    );
    let file = File::new(&format!(
        "upstream = \"paris\"\n{}",
        proxy("paris", paris.address, &probe)
    ));
    let mut server = Command::new(program())
        .args(FLAGS)
        .args(["--config", file.path()])
        .env("RUST_LOG", "info")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first probe waits for a part of the time by chance, and may have failed before anything is listened on.
    let log = BufReader::new(server.stderr.take().unwrap());
    let mut lines = log.lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("upstream marked down upstream=paris"));
    server.kill().unwrap();
    server.wait().unwrap();
    let line = line.expect("the log ended without");
    assert!(line.contains("WARN") && line.contains("refused"), "{line}");
}

/// A proxy in TLS is known by the authorities of its table and by no others, also after a change of the file.
#[test]
fn a_proxy_in_tls_is_known_by_its_authorities() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let (certificate, key) = right.signs("proxy").files();
    let inner = File::new(&format!(
        "[tls]\ncertificate = {:?}\nkey = {:?}\n[acl]\ndefault = \"allow\"\nallow_private = true\n",
        certificate.path(),
        key.path()
    ));
    let inner = inner.server();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    for scheme in ["https", "socks5s"] {
        let authorities = File::new(&wrong.pem);
        let file = File::new(&format!(
            "upstream = \"paris\"\n[upstreams.paris]\nurl = \"{scheme}://{}\"\nauthorities = {:?}\n",
            inner.address,
            authorities.path()
        ));
        let mut server = file.server();
        assert_ne!(connect(&server, address).0, 0);
        authorities.write(&right.pem);
        server.signal(Signal::HUP);
        server.says("reloaded");
        // What was found of it by other authorities counts no longer.
        assert_eq!(connect(&server, address).0, 0);
        drop(target.accept().unwrap());
    }
}

/// Connections to a proxy, and datagrams of UDP ASSOCIATE, leave from where its table says; those to other targets do not.
#[cfg(target_os = "linux")]
#[test]
fn connections_to_a_proxy_leave_from_where_it_says() {
    let mut inner = Server::start(&FLAGS, "info");
    let file = File::new(&format!(
        "upstream = \"paris\"\n{}[[routes]]\nto = \"127.0.0.3\"\nupstream = \"direct\"\n\
         [outgoing]\naddress = \"127.0.0.8\"\n",
        proxy(
            "paris",
            inner.address,
            "udp = \"associate\"\noutgoing = { address = \"127.0.0.9\" }"
        )
    ));
    let server = file.server();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let (reply, client) = connect(&server, target.local_addr().unwrap());
    assert_eq!(reply, 0);
    drop((client, target.accept().unwrap()));
    let line = inner.says("command=CONNECT");
    assert!(line.contains("peer=127.0.0.9:"), "{line}");

    let target = TcpListener::bind("127.0.0.3:0").unwrap();
    let (reply, client) = connect(&server, target.local_addr().unwrap());
    assert_eq!(reply, 0);
    let (_, from) = target.accept().unwrap();
    assert_eq!(from.ip().to_string(), "127.0.0.8");
    drop(client);

    // The proxy takes datagrams from the address of its client alone.
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), [5, 0]);
    let reply = exchange(&mut client, b"\x05\x03\x00\x01\0\0\0\0\0\0", 10);
    assert_eq!(reply[1], 0);
    let relay = SocketAddr::from(([127, 0, 0, 1], u16::from_be_bytes([reply[8], reply[9]])));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut datagram = connect_request(echo())[3..].to_vec();
    datagram.splice(0..0, [0, 0, 0]);
    datagram.extend(b"ping");
    socket.send_to(&datagram, relay).unwrap();
    let mut heard = [0; 64];
    let (len, _) = socket.recv_from(&mut heard).unwrap();
    assert_eq!(heard[..len], datagram);
    drop(client);
    let line = inner.says("command=UDP ASSOCIATE");
    assert!(line.contains("peer=127.0.0.9:"), "{line}");
}

#[test]
fn mistakes_are_said_all_at_once() {
    let p = "url = \"socks5h://joe:hidden@p\"";
    let authorities = File::new(&Authority::new().pem);
    for (file, expected) in [
        (
            "upstream = \"rome\"\n",
            "upstream: `rome` is not one of [upstreams], \"direct\" or \"refuse\": there are none",
        ),
        (
            &format!(
                "upstream = \"a\"\n[upstreams.a]\n{p}\nby = \"user\"\n[upstreams.b]\nudp = \"off\"\n"
            ),
            "upstreams.a: by goes with `balance`\nupstreams.b: udp goes with `url`: say it where the proxy is\n\
             upstreams.b: there has to be one of `url`, `failover` and `balance`",
        ),
        (
            "upstream = \"a\"\n[upstreams.a]\nfailover = [\"b\"]\n[upstreams.b]\nbalance = [\"a\"]\n",
            "upstreams.a: it leads to itself by b, then a",
        ),
        (
            "upstream = \"a\"\n[upstreams.a]\nfailover = [\"b\"]\n[upstreams.b]\nbalance = [\"a\"]\n\
             [upstreams.c]\nfailover = [\"c\"]\n[[routes]]\nupstream = \"x\"\n[[routes]]\nupstream = \"c\"\n",
            "route 1, upstream: `x` is not one of [upstreams], \"direct\" or \"refuse\": there are a, b, c\n\
             upstreams.a: it leads to itself by b, then a\nupstreams.c: it leads to itself by c\n",
        ),
        (
            &format!("[upstreams.a]\n{p}\n"),
            "upstreams.a: nothing goes there",
        ),
        (
            &format!(
                "upstream = \"a\"\n[upstreams.a]\nbalance = [\"b\", \"b\"]\nweights = {{ c = 2 }}\n[upstreams.b]\n{p}\n"
            ),
            "upstreams.a: balance: `b` is there twice\nupstreams.a: weights: `c` is not in `balance`",
        ),
        (
            "upstream = \"a\"\n[upstreams.a]\nfailover = []\n",
            "failover: an empty list leads nowhere",
        ),
        (
            &format!("upstream = \"direct\"\n[upstreams.direct]\n{p}\n"),
            "`direct` has a meaning of its own",
        ),
        (
            &format!("upstream = \"a b\"\n[upstreams.\"a b\"]\n{p}\n"),
            "there is no scheme in front",
        ),
        (
            &format!("upstream = \"a\"\nupstream_udp = \"associate\"\n[upstreams.a]\n{p}\n"),
            "upstream_udp: `upstream` is a name",
        ),
        (
            "upstream = \"a\"\n[upstreams.a]\nurl = \"http://p\"\nbind = true\n",
            "bind: http://p:80 does not know the command",
        ),
        (
            "upstream = \"a\"\n[upstreams.a]\nurl = \"http://p\"\nudp = \"associate\"\n",
            "udp: \"associate\" is a command of SOCKS5",
        ),
        (
            &format!("upstream = \"a\"\n[upstreams.a]\n{p}\nprobe = {{ every = \"1ms\" }}\n"),
            "probe, every: probes are sent",
        ),
        (
            &format!("upstream = \"a\"\n[upstreams.a]\n{p}\nprobe = {{ target = \"x\" }}\n"),
            "`x` is no target",
        ),
        (
            "upstream = \"a\"\n[upstreams.a]\nfailover = [\"direct\"]\nauthorities = \"/x\"\noutgoing = {}\n",
            "upstreams.a: authorities goes with `url`: say it where the proxy is\nupstreams.a: outgoing goes with `url`",
        ),
        (
            &format!("upstream = \"a\"\n[upstreams.a]\n{p}\nauthorities = \"/not/there\"\n"),
            "upstreams.a: authorities /not/there: ",
        ),
        (
            &format!(
                "upstream = \"a\"\n[upstreams.a]\n{p}\nauthorities = {:?}\n",
                authorities.path()
            ),
            "upstreams.a: authorities: none of these proxies is spoken to in TLS",
        ),
        (
            &format!("upstream = \"a\"\n[upstreams.a]\n{p}\noutgoing = {{ address = \"x\" }}\n"),
            "`x` is no address",
        ),
        (
            "[[routes]]\nport = 25\n",
            "route 1: missing field `upstream`",
        ),
        (
            "[[routes]]\naction = \"deny\"\nupstream = \"refuse\"\n",
            "a route has no action",
        ),
        (
            "[[routes]]\nport = 0x1ffff\nupstream = \"refuse\"\n",
            "route 1, port: ",
        ),
        (
            "[[routes]]\nuser = \"jo\"\nupstream = \"refuse\"\n[users]\njoe = \"hidden\"\n",
            "routes, route 1, user: there is no user `jo`",
        ),
        (
            "[[routes]]\nupstream = \"socks5h://joe:hidden@p\"\n",
            "route 1, upstream: `(no name)` is not one of",
        ),
    ] {
        let file_of = File::new(file);
        let output = Command::new(program())
            .args(["--config", file_of.path(), "--check"])
            .output()
            .unwrap();
        assert!(!output.status.success(), "{file}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{file}: {said}");
        assert!(!said.contains("hidden"), "{said}");
    }
}

#[test]
fn it_says_which_upstream_a_request_would_take() {
    let file = File::new(
        "upstream = \"all\"\n[upstreams.all]\nfailover = [\"paris\", \"direct\"]\n\
         [upstreams.paris]\nurl = \"socks5h://joe:hidden@127.0.0.1:9\"\nudp = \"udp-over-tcp\"\nprobe = {}\n\
         [upstreams.tor]\nurl = \"socks5h://127.0.0.1:9050\"\n\
         outgoing = { address = \"127.0.0.9\", family = \"ipv4\" }\n\
         [[routes]]\nname = \"onion\"\nto = \"*.onion\"\nupstream = \"tor\"\n\
         [[routes]]\nuser = \"joe\"\nport = 25\ntime = \"08:00-18:00\"\nupstream = \"refuse\"\n\
         [[routes]]\ngroup = \"staff\"\nto = \"1.0.0.0/8\"\nupstream = \"direct\"\n\
         [acl]\ndefault = \"allow\"\ntime_zone = \"UTC\"\n[acl.groups]\nstaff = [\"jane\"]\n",
    );
    for (question, allowed, expected) in [
        (
            "connect a.onion:80",
            true,
            "route 1 (onion): through tor: socks5h://127.0.0.1:9050 with UDP \"off\"",
        ),
        (
            "at=2026-11-23T08:30:00Z user=joe connect 9.9.9.9:25",
            false,
            "route 2: refused",
        ),
        (
            "at=2026-11-23T18:30:00Z user=joe connect 9.9.9.9:25",
            true,
            "no route: through all: the first that works of paris, direct",
        ),
        ("user=jane connect 1.1.1.1:80", true, "route 3: direct"),
        ("user=joe connect 1.1.1.1:80", true, "no route: through all"),
        ("udp 9.9.9.9:53", true, "no route: through all"),
        (
            "user=jane udp 1.1.1.1:53",
            false,
            "the association has taken its own before: no route, all",
        ),
        ("bind 9.9.9.9:1", false, "BIND is refused"),
    ] {
        let output = Command::new(program())
            .args(["--config", file.path(), "--explain", question])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(expected), "{question}: {said}");
        assert_eq!(output.status.success(), allowed, "{question}: {said}");
    }
    let output = Command::new(program())
        .args(["--config", file.path(), "--check"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for line in [
        "upstream  all\n",
        "tor: socks5h://127.0.0.1:9050 with UDP \"off\", from 127.0.0.9, IPv4 only\n",
        "all: the first that works of paris, direct\n",
        "paris: socks5h://joe:***@127.0.0.1:9 with UDP \"udp-over-tcp\", probed every 10s within 3s, up after 2, down after 3\n",
        "route 1 (onion) to tor\n",
        "route 2 to refuse\n",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
}
