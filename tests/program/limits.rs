//! The example server's limits, timeouts, upstreams and log, from its file.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
};

use rustix::process::Signal;

use crate::support::program::{Server, complaint, connect_request, exchange, file::File, program};

/// The reply code to CONNECT, and the connection.
fn connect(server: &Server, target: SocketAddr) -> (u8, TcpStream) {
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x00", 2), b"\x05\x00");
    let reply = exchange(&mut client, &connect_request(target), 10);
    (reply[1], client)
}

fn target() -> (TcpListener, SocketAddr) {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    (target, address)
}

#[test]
fn mistakes_are_told_with_their_place_and_without_secrets() {
    for (text, problem) in [
        (
            "[limits]\ntunnels_per_user = 0",
            ":2:20: limits, tunnels_per_user: ",
        ),
        (
            "[limits]\ntunnels = 1",
            ":2:1: limits, tunnels: unknown field",
        ),
        (
            "[limits]\nupload = \"10 Mbit\"",
            ":2:10: limits, upload: `10 Mbit` is no rate: write it like 2000000, \"2 MB/s\" or \"10 Mbit/s\"",
        ),
        (
            "[limits]\nbytes_per_day = \"5 GB/s\"",
            ":2:17: limits, bytes_per_day: `5 GB/s` is no size: write it like",
        ),
        (
            "[limits]\nbytes_per_day = 0",
            ":2:17: limits, bytes_per_day: 0 would allow nothing",
        ),
        (
            "[limits]\nbacklog_bytes_per_association = \"off\"",
            "backlog_bytes_per_association: there has to be a limit",
        ),
        (
            "[limits.users.joe]\ntunels = 1",
            "limits, users, joe, tunels: unknown field `tunels`: did you mean `tunnels`?",
        ),
        (
            "[users]\njane = \"s3cret\"\n[limits.users.joe]\ntunnels = 1",
            "limits, users: there is no user `joe`",
        ),
        (
            "[acl]\ndefault = \"allow\"\n[acl.groups]\nstaff = [\"joe\"]\n[limits.groups.staf]\ntunnels = 1",
            "limits, groups: there is no group `staf` with members: those of [acl.groups] are staff",
        ),
        (
            "[limits.groups.staff]\ntunnels = 1",
            "limits, groups: there is no group `staff`: neither [acl.groups] nor a directory has any",
        ),
        (
            "[limits]\nrequest_burst = 5",
            "limits, request_burst: it goes with `requests_per_second`, which is nowhere",
        ),
        (
            "[limits]\ndownload_burst = \"1 MB\"\nupload = \"1 MB/s\"",
            "limits, download_burst: it goes with `download`, which is nowhere",
        ),
        (
            "[limits]\ntunnels_per_user = \"of\"",
            ":2:20: limits, tunnels_per_user: this has to be a number from 1 on, or \"off\"",
        ),
        (
            "[limits]\ntunnels_per_user = \"off\"\nrequests_per_second = \"off\"\nrequest_burst = 99999999999",
            ":4:17: limits, request_burst: this is too much: say \"off\" for no limit",
        ),
        (
            "[limits]\nquota_file = \"\"",
            "limits, quota_file: it is empty",
        ),
        (
            "[limits]\nquota_day = 32",
            "limits, quota_day: there is no day 32 of a month",
        ),
        (
            "[limits]\nquota_time_zone = \"Europe/Atlantis\"",
            "limits, quota_time_zone: `Europe/Atlantis` is no time zone",
        ),
        (
            "[limits]\nquota_file = \"/nowhere/at/all\"",
            "limits, quota_file: /nowhere/at/all: No such file or directory",
        ),
        (
            "[timeouts]\ndial = \"off\"",
            ":2:8: timeouts, dial: this cannot be off",
        ),
        (
            "[timeouts]\nidle = \"of\"",
            ":2:8: timeouts, idle: `of` is no time",
        ),
        (
            "[timeouts]\ndial = \"soon\"",
            ":2:8: timeouts, dial: `soon` is no time",
        ),
        (
            "[timeouts]\ndial = \"0s\"",
            ":2:8: timeouts, dial: `0s` is no time",
        ),
        ("[timeouts]\ndial = 30", ":2:8: timeouts, dial: "),
        ("[log]\nformat = \"xml\"", ":2:10: log, format: "),
        (
            "upstream = \"socks5h://joe:s3cret@p:x\"",
            ":1:12: upstream: not the URL of a proxy",
        ),
        (
            "upstream = []",
            ":1:12: upstream: an empty list is no upstream",
        ),
        (
            "upstream = [\"http://p\", \"joe:s3cret@p\"]",
            "not the URL of a proxy: there is no scheme",
        ),
    ] {
        let file = File::new(text);
        let complaint = complaint(&["--listen", "127.0.0.1:0", "--config", file.path()]);
        assert!(complaint.contains(problem), "{text}: {complaint}");
        assert!(!complaint.contains("s3cret"), "{text}: {complaint}");
    }
}

#[test]
fn check_says_what_would_be_in_force() {
    let file = File::new(
        "upstream = [\"socks5h://joe:s3cret@proxy.example\", \"http://other.example:3128\"]\n\
         [users]\njoe = \"s3cret\"\n[limits]\ntunnels_per_user = 7\n[timeouts]\ndial = \"1m 5s\"\n",
    );
    let check = |file: &str| {
        let mut program = Command::new(program());
        program
            .args(["--check", "--config", file])
            .output()
            .unwrap()
    };
    let output = check(file.path());
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    for line in [
        "listen    127.0.0.1:1080\n",
        "users     1\n",
        "upstream = [\"socks5h://joe:***@proxy.example\", \"http://other.example:3128\"]\n",
        "tunnels_per_user = 7\n",
        "dial = \"1m 5s\"\n",
        // The default.
        "handshake = \"10s\"\n",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert!(!said.contains("s3cret"), "{said}");

    // The reference is a file that works.
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/server.toml");
    assert!(check(reference).status.success());
}

#[test]
fn a_client_has_its_tunnels_and_no_more() {
    let file = File::new("[limits]\ntunnels_per_user = 2\n");
    let mut server = file.server();
    let (listener, target) = target();
    let first = connect(&server, target);
    let second = connect(&server, target);
    assert_eq!((first.0, second.0), (0, 0));
    assert_eq!(connect(&server, target).0, 2);
    let line = server.says("has 2 tunnels already");
    assert!(line.contains("outcome=refused"), "{line}");

    // One ends, and there is room.
    drop((first, listener.accept().unwrap()));
    server.says("outcome=done");
    assert_eq!(connect(&server, target).0, 0);
}

#[test]
fn everything_goes_through_the_upstream() {
    let inner = Server::start(&["--listen", "127.0.0.1:0", "--allow-private"], "info");
    let file = File::new(&format!("upstream = \"socks5h://{}\"\n", inner.address));
    let outer = file.server();
    let (listener, target) = target();
    let (code, mut client) = connect(&outer, target);
    assert_eq!(code, 0);
    let (mut accepted, _) = listener.accept().unwrap();
    accepted.write_all(b"hello").unwrap();
    drop(accepted);
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");
    // The last proxy's own code, and 07 for what would go round it.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    assert_eq!(connect(&outer, closed.local_addr().unwrap()).0, 5);
    let mut client = outer.connect();
    exchange(&mut client, b"\x05\x01\x00", 2);
    let reply = exchange(&mut client, b"\x05\x03\x00\x01\0\0\0\0\0\0", 10);
    assert_eq!(reply[1], 7);
}

#[test]
fn a_name_that_only_a_network_would_allow_does_not_go_to_the_upstream() {
    let inner = Server::start(&["--listen", "127.0.0.1:0", "--allow-private"], "info");
    let (_listener, target) = target();
    for (to, code) in [("127.0.0.0/8", 2), ("localhost", 0)] {
        let file = File::new(&format!(
            "upstream = \"socks5h://{}\"\n[acl]\ndefault = \"deny\"\n\
             [[acl.rules]]\naction = \"allow\"\nto = \"{to}\"\n",
            inner.address
        ));
        let outer = file.strict_server();
        let mut client = outer.connect();
        exchange(&mut client, b"\x05\x01\x00", 2);
        let mut request = b"\x05\x01\x00\x03\x09localhost".to_vec();
        request.extend(target.port().to_be_bytes());
        let reply = exchange(&mut client, &request, 10);
        assert_eq!(reply[1], code, "{to}");
    }
}

#[test]
fn the_log_can_be_json() {
    let file = File::new("[log]\nformat = \"json\"\n");
    let mut server = file.server();
    let (_listener, target) = target();
    let client = connect(&server, target);
    server.signal(Signal::USR1);
    let line = server.says("\"that is all\"");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["open"], &line["opened"]), (&1.into(), &1.into()));
    drop(client);
}

#[test]
fn a_reload_says_what_needs_a_restart() {
    let file = File::new("[limits]\ntunnels_per_user = 2\n");
    let mut server = file.server();
    server.signal(Signal::HUP);
    server.says("reloaded");
    fs::write(
        &file.0,
        "[limits]\nquota_day = 3\n[log]\nformat = \"json\"\n",
    )
    .unwrap();
    server.signal(Signal::HUP);
    server.says("change with a restart only");
    server.says("reloaded");
}

#[test]
fn passwords_may_be_hashes() {
    let mut hashing = Command::new(program())
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    hashing
        .stdin
        .take()
        .unwrap()
        .write_all(b"s3cret\n")
        .unwrap();
    let output = hashing.wait_with_output().unwrap();
    let hash = String::from_utf8(output.stdout).unwrap();
    assert!(hash.starts_with("$argon2id$"), "{hash}");

    let file = File::new(&format!(
        "[users]\njane = \"plain\"\n[password_hashes]\njoe = \"{}\"\n",
        hash.trim_end()
    ));
    let server = file.server();
    let login = |said: &[u8]| {
        let mut client = server.connect();
        assert_eq!(exchange(&mut client, b"\x05\x01\x02", 2), b"\x05\x02");
        exchange(&mut client, said, 2)[1] == 0
    };
    assert!(login(b"\x01\x03joe\x06s3cret"));
    assert!(login(b"\x01\x04jane\x05plain"));
    assert!(!login(b"\x01\x03joe\x05wrong"));
    assert!(!login(b"\x01\x04jack\x06s3cret"));

    for wrong in ["s3cret", "$argon2id$v=19$s3cret", "$2b$12$s3cret"] {
        let file = File::new(&format!("[password_hashes]\njoe = \"{wrong}\"\n"));
        let complaint = complaint(&["--config", file.path()]);
        assert!(complaint.contains("server hash-password"), "{complaint}");
        assert!(!complaint.contains("s3cret"), "{complaint}");
    }
}

#[test]
fn an_explanation_has_what_a_user_may() {
    let file = File::new(
        "[users]\njoe = \"a\"\njane = \"b\"\n[acl]\ndefault = \"allow\"\n[acl.groups]\nstaff = [\"joe\"]\n\
         [limits]\nbytes_per_day = \"1 GB\"\nassociations_per_user = 7\n\
         [limits.groups.staff]\nupload = \"10 Mbit/s\"\n[limits.users.joe]\ntunnels = 3\n",
    );
    for (user, amounts) in [
        (
            "joe",
            "limits: tunnels = 3, upload = \"1250 kB/s\", bytes_per_day = \"1 GB\", associations = 7, binds = 64",
        ),
        (
            "jane",
            "limits: bytes_per_day = \"1 GB\", associations = 7, binds = 64",
        ),
    ] {
        let question = format!("user={user} connect 9.9.9.9:80");
        let output = Command::new(program())
            .args(["--config", file.path(), "--explain", &question])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.lines().last(), Some(amounts), "{said}");
    }
}
