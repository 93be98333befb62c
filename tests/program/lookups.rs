//! RESOLVE and RESOLVE_PTR: lookups for clients, by the system and by an upstream.

use std::process::Command;

use crate::support::program::{Server, complaint, exchange, file::File, program};

const FLAGS: [&str; 3] = ["--listen", "127.0.0.1:0", "--allow-private"];

/// What is replied, that many octets of it.
fn ask(server: &Server, request: &[u8], octets: usize) -> Vec<u8> {
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), [5, 0]);
    exchange(&mut client, request, octets)
}

/// RESOLVE for localhost.
const LOCALHOST: &[u8] = b"\x05\xf0\x00\x03\x09localhost\x00\x00";
/// RESOLVE_PTR for 127.0.0.1.
const NAME_OF_LOOPBACK: &[u8] = b"\x05\xf1\x00\x01\x7f\x00\x00\x01\x00\x00";
const LOOPBACK: &[u8] = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00";

#[test]
fn names_are_looked_up_where_somebody_has_said_so() {
    let server = Server::start(&FLAGS, "info");
    assert_eq!(ask(&server, LOCALHOST, 2), [5, 7]);
    let server = Server::start(&[&FLAGS[..], &["--resolve"]].concat(), "info");
    assert_eq!(ask(&server, LOCALHOST, 10), LOOPBACK);
    // Its address is nobody's business unless rules say so.
    let file = File::new("resolve = true\n");
    assert_eq!(ask(&file.strict_server(), LOCALHOST, 2), [5, 2]);
}

#[test]
fn an_upstream_looks_names_up() {
    let mut inner = Server::start(&[&FLAGS[..], &["--resolve"]].concat(), "info");
    let file = |upstream: &str| File::new(&format!("resolve = true\nupstream = {upstream}\n"));
    let by_name = format!("\"socks5h://{}\"", inner.address);
    let outer = file(&by_name).server();
    assert_eq!(ask(&outer, LOCALHOST, 10), LOOPBACK);
    let line = inner.says("command=RESOLVE target=localhost:0");
    assert!(line.contains("outcome=done"), "{line}");
    assert_eq!(ask(&outer, NAME_OF_LOOPBACK, 4), [5, 0, 0, 3]);
    inner.says("command=RESOLVE PTR target=127.0.0.1:0");
    // No name of this machine leaves it.
    assert_eq!(ask(&file(&by_name).strict_server(), LOCALHOST, 2), [5, 2]);

    // Through another one, which has the line of a tunnel to it.
    let mut first = Server::start(&FLAGS, "info");
    let chain = format!("[\"http://{}\", {by_name}]", first.address);
    assert_eq!(ask(&file(&chain).server(), LOCALHOST, 10), LOOPBACK);
    first.says(&format!("command=CONNECT target={}", inner.address));
    inner.says("command=RESOLVE target=localhost:0");

    // One that resolves nothing is asked for addresses alone: names are looked up here, and so are these.
    let by_address = format!("\"socks5://{}\"", first.address);
    assert_eq!(ask(&file(&by_address).server(), LOCALHOST, 10), LOOPBACK);

    // One that does not know the commands.
    let ignorant = format!("\"socks5h://{}\"", first.address);
    assert_eq!(ask(&file(&ignorant).server(), LOCALHOST, 2), [5, 1]);
    let off = File::new(&format!("upstream = {by_name}\n"));
    assert_eq!(ask(&off.server(), LOCALHOST, 2), [5, 7]);
}

#[test]
fn an_upstream_that_nobody_can_ask_is_said() {
    for proxy in ["http://p", "https://p", "socks4a://p"] {
        let file = File::new(&format!(
            "resolve = true\nupstream = [\"socks5h://q\", \"{proxy}\"]\n"
        ));
        let said = complaint(&["--config", file.path(), "--check"]);
        assert!(said.contains("resolve: names are resolved by"), "{said}");
        assert!(said.contains(proxy), "{said}");
    }
    for proxy in ["socks4://p", "socks5://p", "socks5s://p"] {
        let file = File::new(&format!(
            "resolve = true\nupstream = [\"http://q\", \"{proxy}\"]\n"
        ));
        let output = Command::new(program())
            .args(["--config", file.path(), "--check"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{proxy}: {output:?}");
    }
}
