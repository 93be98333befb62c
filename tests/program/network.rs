//! `[outgoing]`, `[udp]`, `[bind]`, `[resolver]` and `[relay]` of the example server.

use std::{
    io::Read,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::support::{
    program::{Server, complaint, exchange, file::File, program},
    udp::quiet_port,
};

const ALLOWED: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n";

/// A file that allows everything and has this in it.
fn file(text: &str) -> File {
    File::new(&format!("{ALLOWED}{text}"))
}

/// Asks, and returns the stream with the reply from REP on.
fn ask(mut client: TcpStream, command: u8, target: SocketAddr) -> (TcpStream, Vec<u8>) {
    let IpAddr::V4(ip) = target.ip() else {
        panic!("{target} is of IPv6");
    };
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\x00");
    let mut request = vec![5, command, 0, 1];
    request.extend(ip.octets());
    request.extend(target.port().to_be_bytes());
    let reply = exchange(&mut client, &request, 10);
    (client, reply[1..].to_vec())
}

fn bound(reply: &[u8]) -> SocketAddr {
    assert_eq!(reply[..3], [0, 0, 1], "{reply:?}");
    let ip: [u8; 4] = reply[3..7].try_into().unwrap();
    (ip, u16::from_be_bytes([reply[7], reply[8]])).into()
}

/// From where a client of this name, or of none, gets to a target.
fn leaves_from(server: &Server, name: Option<&str>) -> IpAddr {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = target.local_addr().unwrap();
    let mut client = server.connect();
    if let Some(name) = name {
        assert_eq!(exchange(&mut client, b"\x05\x01\x02", 2), b"\x05\x02");
        let length = u8::try_from(name.len()).unwrap();
        let login = [&[1, length][..], name.as_bytes(), b"\x06secret"].concat();
        assert_eq!(exchange(&mut client, &login, 2), b"\x01\x00");
        let IpAddr::V4(ip) = to.ip() else {
            unreachable!()
        };
        let request = [&[5, 1, 0, 1][..], &ip.octets(), &to.port().to_be_bytes()].concat();
        assert_eq!(exchange(&mut client, &request, 10)[1], 0);
    } else {
        let (_client, reply) = ask(client, 1, to);
        assert_eq!(reply[0], 0);
    }
    target.accept().unwrap().1.ip()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An association, and a datagram there and back: from where the target saw it come.
fn datagram(server: &Server, associate: (TcpStream, Vec<u8>), relay: Option<IpAddr>) -> SocketAddr {
    let (_control, reply) = associate;
    let mut to = bound(&reply);
    if let Some(relay) = relay {
        to.set_ip(relay);
    }
    let (client, target) = (udp(), udp());
    let IpAddr::V4(at) = target.local_addr().unwrap().ip() else {
        unreachable!()
    };
    let port = target.local_addr().unwrap().port().to_be_bytes();
    let said = [&[0, 0, 0, 1][..], &at.octets(), &port, b"ping"].concat();
    client.send_to(&said, to).unwrap();
    let mut heard = [0; 64];
    let (len, source) = target.recv_from(&mut heard).unwrap();
    assert_eq!(&heard[..len], b"ping");
    target.send_to(b"pong", source).unwrap();
    let (len, _) = client.recv_from(&mut heard).unwrap();
    assert_eq!(&heard[len - 4..len], b"pong");
    let _ = server;
    source
}

fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
}

const ANYBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

#[test]
fn connections_and_datagrams_leave_from_the_address_that_is_set_and_a_reload_changes_it() {
    let file = file("[outgoing]\naddress = \"127.0.0.8\"\n");
    let mut server = file.server();
    assert_eq!(leaves_from(&server, None), ip("127.0.0.8"));
    let out = datagram(&server, ask(server.connect(), 3, ANYBODY), None);
    assert_eq!(out.ip(), ip("127.0.0.8"));
    // A peer of BIND that is known comes to where it would be connected to from.
    let (_client, reply) = ask(server.connect(), 2, ([127, 0, 0, 1], 20).into());
    assert_eq!(bound(&reply).ip(), ip("127.0.0.8"));

    file.write(&format!("{ALLOWED}[outgoing]\naddress = \"127.0.0.9\"\n"));
    server.signal(Signal::HUP);
    server.says("reloaded");
    assert_eq!(leaves_from(&server, None), ip("127.0.0.9"));

    // One that this machine has not changes nothing.
    file.write(&format!("{ALLOWED}[outgoing]\naddress = \"192.0.2.1\"\n"));
    server.signal(Signal::HUP);
    let said = server.says("kept what was in force");
    assert!(
        said.contains("outgoing: cannot leave from 192.0.2.1"),
        "{said}"
    );
    assert_eq!(leaves_from(&server, None), ip("127.0.0.9"));
}

#[test]
fn rules_say_from_where_some_leave() {
    let text = format!(
        "[users]\njoe = \"secret\"\njane = \"secret\"\njack = \"secret\"\n{ALLOWED}\
         [acl.groups]\nstaff = [\"jane\"]\n\
         [outgoing]\naddress = \"127.0.0.7\"\n\
         [[outgoing.rules]]\nport = 1\naddress = \"127.0.0.6\"\n\
         [[outgoing.rules]]\nname = \"joe's\"\nuser = \"joe\"\naddress = \"127.0.0.8\"\n\
         [[outgoing.rules]]\ngroup = \"staff\"\naddress = \"127.0.0.9\"\n"
    );
    let server = File::new(&text).server();
    for (name, from) in [
        ("joe", "127.0.0.8"),
        ("jane", "127.0.0.9"),
        ("jack", "127.0.0.7"),
    ] {
        assert_eq!(leaves_from(&server, Some(name)), ip(from), "{name}");
    }
}

#[test]
fn explain_says_from_where_a_request_leaves() {
    let text = format!(
        "[users]\njoe = \"secret\"\n{ALLOWED}[outgoing]\naddress = \"127.0.0.7\"\nfamily = \"ipv4\"\n\
         [[outgoing.rules]]\nport = 25\naddress = \"as_reached\"\n\
         [[outgoing.rules]]\nuser = \"joe\"\ninterface = \"lo\"\n"
    );
    let joe = File::new(&text);
    for (question, told) in [
        ("connect 127.0.0.1:80", "leaves from 127.0.0.7, IPv4 only"),
        (
            "user=joe connect 127.0.0.1:80",
            "leaves from 127.0.0.7, by lo, IPv4 only",
        ),
        (
            "user=joe connect 127.0.0.1:25",
            "leaves from the address that the client came to, IPv4 only",
        ),
        // A datagram leaves as its association does, which states no port.
        (
            "user=joe udp 127.0.0.1:25",
            "leaves from 127.0.0.7, by lo, IPv4 only",
        ),
    ] {
        let flags = ["--config", joe.path(), "--explain", question];
        let output = Command::new(program()).args(flags).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.lines().last(), Some(told), "{question}: {said}");
    }
}

#[test]
fn each_listener_has_its_own() {
    let text = format!(
        "{ALLOWED}[outgoing]\naddress = \"as_reached\"\n[udp]\npublic_address = \"198.51.100.1\"\n\
         [[listen]]\naddress = \"127.0.0.1:0\"\noutgoing = {{ address = \"127.0.0.9\" }}\n\
         udp = {{ public_address = \"198.51.100.2\" }}\nbind = {{ public_address = \"198.51.100.3\" }}\n\
         [[listen]]\naddress = \"127.0.0.3:0\"\n"
    );
    let file = File::new(&text);
    let mut server = Server::start(&["--config", file.path()], "info");
    let said = server.says("listening on 127.0.0.3:");
    let second = said.rsplit_once("127.0.0.3:").unwrap().1.trim();
    let second: SocketAddr = format!("127.0.0.3:{second}").parse().unwrap();

    assert_eq!(leaves_from(&server, None), ip("127.0.0.9"));
    for (command, told) in [(3, "198.51.100.2"), (2, "198.51.100.3")] {
        let (_client, reply) = ask(server.connect(), command, ANYBODY);
        assert_eq!(bound(&reply).ip(), ip(told));
    }
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = target.local_addr().unwrap();
    let (_client, reply) = ask(TcpStream::connect(second).unwrap(), 1, to);
    assert_eq!(bound(&reply).ip(), ip("127.0.0.3"));
    for (command, told) in [(3, "198.51.100.1"), (2, "127.0.0.3")] {
        let (_client, reply) = ask(TcpStream::connect(second).unwrap(), command, ANYBODY);
        assert_eq!(bound(&reply).ip(), ip(told));
    }
}

#[test]
fn a_family_that_is_not_used_is_answered_with_08() {
    let server = file("[outgoing]\nfamily = \"ipv6\"\n").server();
    let (_client, reply) = ask(server.connect(), 1, ([127, 0, 0, 1], 9).into());
    assert_eq!(reply[0], 8);
}

#[test]
fn udp_and_bind_tell_the_public_address_and_take_ports_of_the_range() {
    let first = quiet_port().min(65_000);
    let last = first + 9;
    let server = file(&format!(
        "[udp]\npublic_address = [\"198.51.100.7\"]\nports = \"{first}-{last}\"\nany_client_port = true\n\
         filtering = \"address_and_port\"\ndestinations = 2\nfragments = \"drop\"\n\
         [bind]\npublic_address = \"198.51.100.8\"\nports = \"{first}-{last}\"\n"
    ))
    .server();
    for (command, told) in [(3, "198.51.100.7"), (2, "198.51.100.8")] {
        let (_client, reply) = ask(server.connect(), command, ANYBODY);
        let told_at = bound(&reply);
        assert_eq!(told_at.ip(), ip(told));
        assert!((first..=last).contains(&told_at.port()), "{told_at}");
    }

    // The client states a port that it does not send from: a NAT has changed it.
    let stated = SocketAddr::from(([0, 0, 0, 0], 9));
    datagram(
        &server,
        ask(server.connect(), 3, stated),
        Some(ip("127.0.0.1")),
    );
}

/// Ports of sockets that were there before a reload are not tried again after it.
#[test]
fn a_range_of_ports_goes_on_after_a_reload() {
    let port = quiet_port();
    let text = format!("{ALLOWED}[udp]\nports = \"{port}\"\n");
    let file = File::new(&text);
    let mut server = file.server();
    let (control, reply) = ask(server.connect(), 3, ANYBODY);
    assert_eq!(bound(&reply).port(), port);
    server.signal(Signal::HUP);
    server.says("reloaded");
    let (_client, reply) = ask(server.connect(), 3, ANYBODY);
    assert_eq!(reply[0], 1);
    drop(control);
    let free = (0..200).any(|_| {
        let (_client, reply) = ask(server.connect(), 3, ANYBODY);
        std::thread::sleep(Duration::from_millis(10));
        reply[0] == 0
    });
    assert!(free, "the port came back");
}

#[test]
fn the_log_says_what_to_set_where_a_client_cannot_reach_what_it_is_told() {
    let text = format!("{ALLOWED}[proxy_protocol]\nfrom = [\"127.0.0.0/8\"]\n");
    let mut server = File::new(&format!("open = true\n{text}")).server();
    for (command, what) in [(3, "UDP ASSOCIATE"), (2, "BIND")] {
        let mut client = server.connect();
        let header = b"PROXY TCP4 203.0.113.9 10.0.0.1 50000 1080\r\n";
        std::io::Write::write_all(&mut client, header).unwrap();
        let (mut client, _) = ask(client, command, ANYBODY);
        let said = server.says("set `public_address`");
        assert!(
            said.contains(what) && said.contains("203.0.113.9"),
            "{said}"
        );
        client.set_nonblocking(true).unwrap();
        _ = client.read(&mut [0]);
    }
}

#[test]
fn mistakes_are_told_by_their_fields() {
    for (text, problem) in [
        (
            "[outgoing]\naddress = \"eth0\"\n",
            "outgoing, address: `eth0` is no address, and not \"as_reached\"",
        ),
        (
            "[outgoing]\naddress = []\n",
            "outgoing, address: nothing could leave from an empty list",
        ),
        (
            "[outgoing]\naddress = [\"192.0.2.1\", \"192.0.2.2\"]\n",
            "outgoing, address: 192.0.2.2 is the second address of its family",
        ),
        (
            "[outgoing]\naddress = \"fe80::1\"\n",
            "outgoing, address: nothing leaves from fe80::1",
        ),
        (
            "[outgoing]\ninterface = \"an interface\"\n",
            "outgoing, interface: `an interface` is no name",
        ),
        (
            "[outgoing]\nfamily = \"ipv5\"\n",
            "outgoing, family: unknown variant `ipv5`",
        ),
        (
            "[[outgoing.rules]]\nuser = \"joe\"\n",
            "outgoing, rule 1: a rule that changes nothing",
        ),
        (
            "[[outgoing.rules]]\naction = \"allow\"\nfamily = \"ipv4\"\n",
            "outgoing, rule 1: only rules of [acl] have an `action`",
        ),
        (
            "[[outgoing.rules]]\nfamily = \"ipv4\"\n[[outgoing.rules]]\nport = 70000\nfamily = \"ipv4\"\n",
            "outgoing, rule 2, port",
        ),
        (
            "[acl.groups]\nstaff = []\n[[outgoing.rules]]\ngroup = \"stuff\"\nfamily = \"ipv4\"\n",
            "outgoing, rule 1, group: there is no group `stuff`",
        ),
        (
            "[udp]\nports = \"40999-40000\"\n",
            "udp, ports: `40999-40000` is no range of ports",
        ),
        (
            "[udp]\nports = \"0\"\n",
            "udp, ports: `0` is no range of ports",
        ),
        (
            "[udp]\npublic_address = \"0.0.0.0\"\n",
            "udp, public_address: `0.0.0.0` is no address that",
        ),
        (
            "[udp]\nfiltering = \"none\"\n",
            "udp, filtering: unknown variant `none`",
        ),
        ("[bind]\nports = 40000\n", "bind, ports: invalid type"),
        (
            "[replies]\nbind_address = [\"127.0.0.9\"]\n[bind]\naddress = \"127.0.0.9\"\n",
            "replies, bind_address: `address` of [bind] says the same",
        ),
        (
            "[resolver]\nservers = [\"192.0.2.53\"]\n",
            "resolver, servers: the system asks its own",
        ),
        (
            "[resolver]\ncache = 7\n",
            "resolver, cache: how the system asks is said in /etc/resolv.conf",
        ),
        (
            "[resolver]\nservers = [\"ns.example\"]\n",
            "resolver, servers, value 1: `ns.example` is no address of a name server",
        ),
        (
            "[resolver]\nservers = [\"tls://dns.example\"]\n",
            "resolver, servers, value 1: `tls://dns.example` is no address of a name server",
        ),
        (
            "[resolver]\nservers = [\"tls://192.0.2.53#a b\"]\n",
            "resolver, servers, value 1: `tls://192.0.2.53#a b` is no address of a name server",
        ),
        (
            "[resolver]\nservers = [\"192.0.2.53\"]\nauthorities = \"/x\"\n",
            "resolver, authorities: they are for `servers` inside TLS",
        ),
        ("[relay]\nsplice = \"no\"\n", "relay, splice: invalid type"),
        #[cfg(not(feature = "hickory"))]
        (
            "[resolver]\nkind = \"hickory\"\n",
            "resolver, kind: this program was built without \"hickory\": build it with `cargo build",
        ),
    ] {
        let file = file(text);
        let said = complaint(&["--check", "--config", file.path()]);
        assert!(said.contains(problem), "{text}: {said}");
    }
}

/// Its output, where nothing is wrong.
fn checked(file: &File) -> (String, String) {
    let flags = ["--check", "--config", file.path()];
    let output = Command::new(program()).args(flags).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let [said, noted] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    (said, noted)
}

/// `--check` is for another machine, perhaps; the start is not.
#[test]
fn what_this_machine_has_not_is_told_at_the_start() {
    for (text, parts) in [
        (
            "[outgoing]\naddress = \"192.0.2.1\"\n",
            ["outgoing: ", "cannot leave from 192.0.2.1"],
        ),
        (
            "[outgoing]\ninterface = \"nowhere0\"\n",
            ["outgoing: ", "cannot leave by interface nowhere0"],
        ),
        (
            "[[outgoing.rules]]\nport = 80\naddress = \"192.0.2.1\"\n",
            ["outgoing, rule 1: ", "cannot leave from 192.0.2.1"],
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\noutgoing = { address = \"192.0.2.1\" }\n",
            [
                "listener at 127.0.0.1:",
                "outgoing: cannot leave from 192.0.2.1",
            ],
        ),
    ] {
        let file = file(text);
        let (_, noted) = checked(&file);
        assert!(noted.contains("not on this machine: "), "{noted}");
        let mut flags = vec!["--config", file.path()];
        if !text.contains("listen") {
            flags.extend(["--listen", "127.0.0.1:0"]);
        }
        let said = complaint(&flags);
        for part in parts {
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}

#[test]
fn too_few_ports_for_one_user_are_warned_about() {
    let text = "[udp]\nports = \"43240-43249\"\n[limits]\nassociations_per_user = 11\n";
    // Said before it listens.
    let file = file(text);
    let mut server = file.server();
    server.signal(Signal::HUP);
    let said = server.says("43240-43249 are 10 for all clients");
    assert!(said.contains("associations_per_user"), "{said}");
}

#[test]
fn the_switches_for_resolver_and_relay_are_taken() {
    let text = "[resolver]\nkind = \"system\"\nlookups_at_once = 4\n[relay]\nsplice = false\n";
    let file = file(text);
    let (said, noted) = checked(&file);
    assert_eq!(noted, "");
    assert!(
        said.contains("splice    false") && said.contains("resolver  system"),
        "{said}"
    );
    let server = file.server();
    assert_eq!(leaves_from(&server, None), ip("127.0.0.1"));
}
