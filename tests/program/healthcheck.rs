//! `--healthcheck`: the example server asks another one how it is.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    status::status,
    support::program::{Server, complaint, file::File, program},
};

fn check(whom: &str) -> Output {
    let mut command = Command::new(program());
    command.args(["--healthcheck", whom]).output().unwrap()
}

/// It is well, and that is one line.
fn is_well(whom: &str) {
    let output = check(whom);
    assert_eq!(output.status.code(), Some(0), "{whom}: {output:?}");
    assert_eq!(output.stderr, b"", "{whom}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.ends_with(" is well\n") && said.lines().count() == 1,
        "{said}"
    );
}

/// It is not, for this reason, in one line.
fn is_not(whom: &str, code: i32, reason: &str) {
    let output = check(whom);
    assert_eq!(output.status.code(), Some(code), "{whom}: {output:?}");
    assert_eq!(output.stdout, b"", "{whom}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains(reason) && said.lines().count() == 1,
        "{whom}: {said}"
    );
}

#[test]
fn a_server_is_well_until_it_is_not() {
    let file = File::new(
        "[metrics]\nlisten = \"127.0.0.1:0\"\n[timeouts]\ndrain_delay = \"1h\"\n[users]\njoe = \"secret\"\n",
    );
    let mut server = file.server();
    let (metrics, clients) = (status(&mut server), server.address);
    let port = metrics.port();
    for whom in [
        format!("{metrics}"),
        format!("http://{metrics}"),
        format!("http://{metrics}/"),
        format!("http://{metrics}/ready"),
        format!("http://localhost:{port}/live"),
        format!("0.0.0.0:{port}"),
        format!("socks5://{clients}"),
        format!("tcp://{clients}/"),
    ] {
        is_well(&whom);
    }
    is_not(&format!("http://{metrics}/other"), 1, "HTTP 404: there are");
    is_not(&format!("socks5://{metrics}"), 1, "not SOCKS5");

    server.signal(Signal::TERM);
    server.says("stopping in");
    let reason = "HTTP 503: not ready: the server is stopping";
    is_not(&metrics.to_string(), 1, reason);
    is_well(&format!("http://{metrics}/live"));
    server.signal(Signal::TERM);
    assert_eq!(server.ends().code(), Some(1));
    is_not(&metrics.to_string(), 1, "refused");
    is_not(&format!("tcp://{clients}"), 1, "refused");
    is_not(&format!("socks5://{clients}"), 1, "refused");
}

#[test]
fn a_server_without_socks5_is_not_well_for_a_greeting() {
    let flags = ["--listen", "127.0.0.1:0", "--protocols", "http"];
    let server = Server::start(&flags, "info");
    is_not(&format!("socks5://{}", server.address), 1, "takes neither");
    is_well(&format!("tcp://{}", server.address));
}

/// A server that accepts, reads, and says this.
fn saying(said: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        _ = stream.read(&mut [0; 512]);
        _ = stream.write_all(said);
    });
    address
}

#[test]
fn what_it_hears_is_bounded_and_printed_in_one_line() {
    for (said, reason) in [
        (&b""[..], "the answer is not HTTP"),
        (b"\x05\xff", "the answer is not HTTP"),
        (b"HTTP/1.1", "the answer is not HTTP"),
        (b"HTTP/1.1 2\xff\xff OK\r\n\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 302 Found\r\n\r\n", "HTTP 302"),
        (
            b"HTTP/1.1 500 \r\n\r\n\x1b[2Jred\r\nmore",
            "HTTP 500: \\u{1b}[2Jred",
        ),
        (&[b'a'; 100_000], "the answer is not HTTP"),
    ] {
        is_not(&saying(said).to_string(), 1, reason);
    }
    for said in [&b"HTTP/1.0 204 \r\n\r\n"[..], b"HTTP/1.1 200"] {
        is_well(&saying(said).to_string());
    }
    for (said, reason) in [
        (&b"\x05\xff"[..], "takes neither"),
        (b"\x05", "no answer to a greeting"),
        (b"\x04\x00", "not SOCKS5"),
    ] {
        is_not(&format!("socks5://{}", saying(said)), 1, reason);
    }
}

#[test]
fn a_server_that_says_nothing_or_too_slowly_has_three_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow_at = slow.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = slow.accept().unwrap();
        // An octet now and then.
        while stream.write_all(b"H").is_ok() {
            thread::sleep(Duration::from_millis(200));
        }
    });
    let whom = [
        silent.local_addr().unwrap().to_string(),
        format!("socks5://{}", silent.local_addr().unwrap()),
        slow_at.to_string(),
    ];
    let started = Instant::now();
    let checks = whom.map(|whom| thread::spawn(move || is_not(&whom, 1, "no answer")));
    for check in checks {
        check.join().unwrap();
    }
    let elapsed = started.elapsed();
    assert!(
        elapsed >= Duration::from_secs(2) && elapsed < Duration::from_secs(10),
        "{elapsed:?}"
    );
}

#[test]
fn a_mistake_is_one_of_the_command_line_and_shows_no_password() {
    for whom in [
        "",
        "9100",
        "localhost",
        "127.0.0.1:0",
        "127.0.0.1:99999",
        ":9100",
        "https://127.0.0.1:9100",
        "tcp://127.0.0.1:1080/path",
        "http://127.0.0.1:9100/a b",
        "http://127.0.0.1:9100/\r\nHost:",
        "socks5://joe:s3cret@127.0.0.1:1080",
        "joe:s3cret@127.0.0.1:1080",
        "http://joe:s3/cret@127.0.0.1:1080",
    ] {
        let output = check(whom);
        assert_eq!(output.status.code(), Some(2), "{whom}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("--healthcheck") && said.lines().count() == 1,
            "{whom}: {said}"
        );
        assert!(!said.contains("s3"), "{said}");
    }
}

#[test]
fn a_flag_behind_a_health_check_is_a_mistake() {
    let said = complaint(&["--healthcheck", "127.0.0.1:1", "--check"]);
    assert!(said.contains("--check"), "{said}");
}
