//! The example server's protocols, and what stands in front of them: TLS and PROXY headers.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
};

use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

use crate::support::program::{
    Server,
    certificates::{Authority, Secured},
    complaint, connect_request, exchange,
    file::File,
};

const OPEN: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n";

fn target() -> (TcpListener, SocketAddr) {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    (target, address)
}

/// CONNECT of SOCKS4.
fn socks4_request(target: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(target) = target else {
        unreachable!()
    };
    let mut request = b"\x04\x01".to_vec();
    request.extend(target.port().to_be_bytes());
    request.extend(target.ip().octets());
    request.push(0);
    request
}

/// The first line of the answer to CONNECT of HTTP.
fn http_status(stream: &mut (impl Read + Write), target: SocketAddr, more: &str) -> String {
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut line = Vec::new();
    let mut octet = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut octet).unwrap();
        line.push(octet[0]);
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

#[test]
fn one_port_takes_all_protocols() {
    let (target, address) = target();
    let mut server = Server::start(&["--listen", "127.0.0.1:0", "--allow-private"], "info");
    let mut socks5 = server.connect();
    assert_eq!(exchange(&mut socks5, b"\x05\x01\x00", 2), [5, 0]);
    assert_eq!(exchange(&mut socks5, &connect_request(address), 10)[1], 0);
    let mut socks4 = server.connect();
    let reply = exchange(&mut socks4, &socks4_request(address), 8);
    assert_eq!(reply[..2], [0, 0x5a]);
    let mut http = server.connect();
    let status = http_status(&mut http, address, "");
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    drop((socks5, socks4, http, target));
    server.says_all(["protocol=socks5", "protocol=socks4", "protocol=http"]);
}

#[test]
fn protocols_are_a_choice() {
    let (_target, address) = target();
    let file = File::new(&format!(
        "protocols = [\"socks4\"]\n{OPEN}[[listen]]\naddress = \"127.0.0.1:0\"\nprotocols = [\"socks5\", \"http\"]\n\
         [[listen]]\naddress = \"127.0.0.1:0\"\n"
    ));
    let mut first = Server::start(&["--config", file.path()], "info");
    let second = Server::listening(&mut first.log);
    let answers = |server: SocketAddr| {
        let stream = || TcpStream::connect(server).unwrap();
        let socks5 = exchange(&mut stream(), b"\x05\x01\x00", 2)[1];
        let socks4 = exchange(&mut stream(), &socks4_request(address), 8)[1];
        let http = http_status(&mut stream(), address, "");
        (socks5, socks4, http.split(' ').nth(1).unwrap().to_owned())
    };
    assert_eq!(answers(first.address), (0, 0x5b, "200".to_owned()));
    assert_eq!(answers(second), (0xff, 0x5a, "501".to_owned()));

    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--protocols",
        "socks5,http",
        "--allow-private",
    ];
    let server = Server::start(&flags, "info");
    assert_eq!(answers(server.address), (0, 0x5b, "200".to_owned()));
}

#[test]
fn users_are_asked_for_their_password_in_each_protocol() {
    let (_target, address) = target();
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--user",
        "joe:secret",
        "--allow-private",
    ];
    let server = Server::start(&flags, "info");
    let mut client = server.connect();
    let status = http_status(&mut client, address, "");
    assert!(status.starts_with("HTTP/1.1 407"), "{status}");
    let basic = "Proxy-Authorization: Basic am9lOnNlY3JldA==\r\n";
    let status = http_status(&mut server.connect(), address, basic);
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    // It has no passwords.
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, &socks4_request(address), 8)[1], 0x5b);
}

/// SOCKS5 over TLS, to the reply.
fn reply(stream: &mut Secured, target: SocketAddr) -> std::io::Result<u8> {
    stream.write_all(b"\x05\x01\x00")?;
    let mut selection = [0; 2];
    stream.read_exact(&mut selection)?;
    if selection[1] != 0 {
        return Ok(selection[1]);
    }
    stream.write_all(&connect_request(target))?;
    let mut reply = [0; 10];
    stream.read_exact(&mut reply)?;
    Ok(reply[1])
}

#[test]
fn tls_is_taken_and_its_certificate_changes_with_a_reload() {
    let (_target, address) = target();
    let (first, second) = (Authority::new(), Authority::new());
    let (certificate, key) = first.signs("").files();
    let file = File::new(OPEN);
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--config",
        file.path(),
        "--tls-certificate",
        certificate.path(),
        "--tls-key",
        key.path(),
    ];
    let mut server = Server::start(&flags, "info");
    assert_eq!(
        reply(&mut first.connect(&server, None), address).unwrap(),
        0
    );
    let status = http_status(&mut first.connect(&server, None), address, "");
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");

    // A key that is not that of the certificate changes nothing.
    let new = second.signs("");
    certificate.write(&new.certificate);
    server.signal(Signal::HUP);
    let line = server.says("kept what was in force");
    assert!(line.contains(certificate.path()), "{line}");
    assert_eq!(
        reply(&mut first.connect(&server, None), address).unwrap(),
        0
    );

    key.write(&new.key);
    server.signal(Signal::HUP);
    let line = server.says("reloaded");
    assert!(line.contains("certificates=1"), "{line}");
    assert_eq!(
        reply(&mut second.connect(&server, None), address).unwrap(),
        0
    );
    assert!(reply(&mut first.connect(&server, None), address).is_err());
}

#[test]
fn it_says_how_to_try_it_where_nothing_more_is_needed() {
    let two = ["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"];
    // The lines of the first are read by then.
    let mut server = Server::start(&two, "info");
    let line = server.says("; try: ");
    assert!(
        line.contains("; try: curl --proxy socks5h://127.0.0.2:"),
        "{line}"
    );
    assert!(!line.contains("--proxy-user"), "{line}");

    let user = ["--user", "joe:secret"];
    let mut server = Server::start(&[two.as_slice(), &user].concat(), "info");
    let line = server.says("; try: ");
    assert!(line.contains(" --proxy-user NAME http://"), "{line}");

    // The certificate is for no name: curl would not accept it.
    let (certificate, key) = Authority::new().signs("").files();
    let tls = [
        "--tls-certificate",
        certificate.path(),
        "--tls-key",
        key.path(),
    ];
    let mut server = Server::start(&[two.as_slice(), &tls].concat(), "info");
    server.silent_until("listening on 127.0.0.2:", "; try: ");
}

#[test]
fn a_certificate_can_say_who_a_client_is() {
    let (_target, address) = target();
    let authority = Authority::new();
    let (certificate, key) = authority.signs("").files();
    let ca = File::new(&authority.pem);
    let tls = format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nclient_ca = \"{}\"\n",
        certificate.path(),
        key.path(),
        ca.path()
    );
    let users = "[users]\njane = \"hidden\"\n[acl]\ndefault = \"deny\"\nallow_private = true\n\
                 [[acl.rules]]\naction = \"allow\"\nuser = \"joe\"\n";
    let joe = authority.signs("joe");
    let jim = authority.signs("jim");
    let nameless = authority.signs("");
    let stranger = Authority::new().signs("joe");

    let more = "client_certificates = \"optional\"\nidentity = \"common_name\"\n";
    let mut server = File::new(&format!("{tls}{more}{users}")).strict_server();
    let says = |client| reply(&mut authority.connect(&server, client), address);
    assert_eq!(says(Some(&joe)).unwrap(), 0);
    assert_eq!(says(Some(&jim)).unwrap(), 2);
    // Without a name, it takes a password as it does without a certificate.
    assert_eq!(says(Some(&nameless)).unwrap(), 0xff);
    assert_eq!(says(None).unwrap(), 0xff);
    assert!(says(Some(&stranger)).is_err());
    server.says("user=joe");

    // Required, and no more than that: who it is, a password says.
    let server = File::new(&format!("{tls}{}", users.replace("joe", "jane"))).strict_server();
    let says = |client| reply(&mut authority.connect(&server, client), address);
    assert_eq!(says(Some(&joe)).unwrap(), 0xff);
    assert!(says(None).is_err());
}

/// A connection from an address, which says this first.
fn from(address: &str, server: &Server, header: &[u8]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let own: SocketAddr = format!("{address}:0").parse().unwrap();
    socket.bind(&own.into()).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    let limit = Some(std::time::Duration::from_secs(20));
    stream.set_read_timeout(limit).unwrap();
    stream.write_all(header).unwrap();
    stream
}

#[test]
fn a_balancer_says_who_the_client_is() {
    let (_target, address) = target();
    let rule = "[acl]\ndefault = \"deny\"\nallow_private = true\n[[acl.rules]]\naction = \"allow\"\n\
                client = \"198.51.100.7\"\n";
    let file = File::new(rule);
    let flags = ["--listen", "127.0.0.1:0", "--config", file.path()];
    let trusting = ["--proxy-protocol-from", "127.0.0.2", "--open"];
    let mut server = Server::start(&[&flags[..], &trusting].concat(), "info");
    let header = |client: &str| format!("PROXY TCP4 {client} 192.0.2.1 4711 1080\r\n").into_bytes();
    let code = |stream: &mut TcpStream| {
        assert_eq!(exchange(stream, b"\x05\x01\x00", 2), [5, 0]);
        exchange(stream, &connect_request(address), 10)[1]
    };
    let mut client = from("127.0.0.2", &server, &header("198.51.100.7"));
    assert_eq!(code(&mut client), 0);
    let mut client = from("127.0.0.2", &server, &header("198.51.100.8"));
    assert_eq!(code(&mut client), 2);
    server.says("peer=198.51.100.8:4711");

    // From elsewhere it is nobody's to say, and nobody is served.
    let mut forged = from("127.0.0.3", &server, &header("198.51.100.7"));
    let mut heard = Vec::new();
    assert!(matches!(forged.read_to_end(&mut heard), Ok(0) | Err(_)));

    // Without `open`, its clients are clients of anywhere.
    let said = complaint(&[&flags[..], &trusting[..2], &["--check"]].concat());
    assert!(said.contains("anyone could use a proxy on"), "{said}");
}

/// Who may connect to a proxy through itself comes from its own address.
#[test]
fn a_proxy_that_takes_headers_from_itself_warns() {
    let flags = ["--listen", "127.0.0.1:0", "--open", "--allow-private"];
    let trusting = ["--proxy-protocol-from", "127.0.0.0/8"];
    let mut server = Server::start(&[&flags[..], &trusting].concat(), "info");
    server.says("PROXY headers are taken from 127.0.0.1, where clients can connect from");
}
