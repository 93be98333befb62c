//! The level of a session's line is by whose fault the error was, not by the code of the reply.

use std::{error::Error, io};

use tower::{ServiceExt, load_shed::error::Overloaded};
use tower_socks::{
    BoxError, ClientError, Connector, NoAuth, Refusal,
    connector::{
        associate::Associate,
        direct::Direct,
        resolve::Lookup,
        upstream::{HttpUpstream, Socks5Upstream},
    },
    error::Fault,
    proto::ReplyCode,
    session::Accepted,
};
use tracing::Level;

use crate::support::{
    CONNECT, HELLO, Script, connect_to, exchange, failure, log::Log, stack, targets::failing,
    upstream::canned,
};

/// The line about the end of the only session.
fn line(log: &Log) -> String {
    let text = log.text();
    let mut lines = text.lines().filter(|line| line.contains("session ended"));
    let line = lines.next().unwrap_or_else(|| panic!("no line in {text}"));
    assert_eq!(lines.next(), None);
    line.trim_start().to_owned()
}

fn assert_line(log: &Log, parts: &[&str]) {
    let line = line(log);
    assert!(line.starts_with(parts[0]), "{line}");
    for part in parts {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
}

/// The line of a session whose dial fails with this error, and the code of its reply.
async fn failed<E>(error: impl Fn() -> E + Clone + Send + 'static) -> (Log, u8)
where
    E: Into<BoxError> + Send + 'static,
{
    let (log, _guard) = Log::start(Level::DEBUG);
    let said = exchange(stack(NoAuth, failing(error)), &[HELLO, CONNECT].concat()).await;
    (log, said[3])
}

#[tokio::test(start_paused = true)]
async fn what_an_http_upstream_answers_is_not_our_failure() {
    for (head, level, outcome, code) in [
        ("502 Bad Gateway", "INFO", "outcome=upstream", 1),
        ("503 Busy", "INFO", "outcome=upstream", 1),
        ("404 Not Found", "INFO", "outcome=upstream", 1),
        ("500 Oops", "INFO", "outcome=upstream", 1),
        ("407 Who?", "INFO", "outcome=upstream", 1),
        ("403 Forbidden", "INFO", "outcome=refused", 2),
        ("504 Slow", "INFO", "outcome=unreachable", 6),
    ] {
        let (log, _guard) = Log::start(Level::DEBUG);
        let (transport, _) = canned([format!("HTTP/1.1 {head}\r\n\r\n")]);
        let upstream = HttpUpstream::new("proxy.example:3128").via(transport);
        let connector = Connector::direct().with_connect(upstream);
        let said = [HELLO, &connect_to("192.0.2.1:80")].concat();
        let said = exchange(stack(NoAuth, connector), &said).await;
        assert_eq!(said[3], code, "{head}");
        assert_line(&log, &[level, outcome]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_socks_upstream_replies_is_not_our_failure() {
    for (code, outcome) in [
        (1, "outcome=upstream"),
        (2, "outcome=refused"),
        (3, "outcome=unreachable"),
        (4, "outcome=unreachable"),
        (5, "outcome=unreachable"),
        (6, "outcome=unreachable"),
        (7, "outcome=upstream"),
        (8, "outcome=upstream"),
        (0x5b, "outcome=upstream"),
    ] {
        let (log, _guard) = Log::start(Level::DEBUG);
        let (transport, _) = canned([[&b"\x05\x00"[..], &failure(code)].concat()]);
        let upstream = Socks5Upstream::new("proxy.example:1080").via(transport);
        let connector = Connector::direct().with_connect(upstream);
        let said = [HELLO, &connect_to("192.0.2.1:80")].concat();
        assert_eq!(exchange(stack(NoAuth, connector), &said).await[3], code);
        assert_line(&log, &["INFO", outcome]);
    }
}

/// BIND and UDP ASSOCIATE through an upstream are logged as CONNECT is.
#[tokio::test(start_paused = true)]
async fn so_are_its_replies_to_the_other_commands() {
    for (command, text) in [(2, "command=BIND"), (3, "command=UDP ASSOCIATE")] {
        let (log, _guard) = Log::start(Level::DEBUG);
        let said = [&b"\x05\x00"[..], &failure(1)].concat();
        let (transport, _) = canned([&said, &said]);
        let upstream = Socks5Upstream::new("proxy.example:1080").via(transport);
        let mut request = connect_to("192.0.2.1:80");
        request[1] = command;
        let said = [HELLO, &request].concat();
        let connector = Connector::direct()
            .with_bind(upstream.clone().into_bind())
            .with_associate(Associate::with_transports(upstream.into_transports()));
        let (mut near, far) = tokio::io::duplex(1024);
        near.say(&said).await;
        let here = ([127, 0, 0, 1], 1080).into();
        let session = stack(NoAuth, connector).oneshot(Accepted::new(far, here, here));
        let (_, heard) = tokio::join!(session, async {
            let heard = near.hear_rest().await;
            drop(near);
            heard
        });
        assert_eq!(heard[3], 1);
        assert_line(&log, &["INFO", "outcome=upstream", text]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_this_machine_has_too_little_of_is_our_failure() {
    // ENFILE, EMFILE, EADDRNOTAVAIL, ENOBUFS, ENOMEM.
    for code in [23, 24, 99, 105, 12] {
        let (log, reply) = failed(move || io::Error::from_raw_os_error(code)).await;
        assert_eq!(reply, 1);
        assert_line(&log, &["WARN", "outcome=failed"]);
        // On the road to an upstream as well.
        let unreachable = move || ClientError::Unreachable {
            proxy: "192.0.2.1:1080".parse().unwrap(),
            source: io::Error::from_raw_os_error(code).into(),
        };
        let (log, reply) = failed(unreachable).await;
        assert_eq!(reply, 1);
        assert_line(&log, &["WARN", "outcome=failed"]);
    }
    let (log, _) = failed(Overloaded::new).await;
    assert_line(&log, &["WARN", "outcome=failed"]);
    let (log, _) = failed(|| "nobody knows what this is").await;
    assert_line(&log, &["WARN", "outcome=failed"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_system_says_of_a_target_is_the_targets_or_the_clients() {
    // ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, EACCES, EPERM.
    for code in [111, 104, 113, 101, 110, 13, 1] {
        let (log, _) = failed(move || io::Error::from_raw_os_error(code)).await;
        assert_line(&log, &["INFO", "outcome=unreachable"]);
    }
    // EINVAL: `fe80::1` without a link. EAFNOSUPPORT.
    for code in [22, 97] {
        let (log, _) = failed(move || io::Error::from_raw_os_error(code)).await;
        assert_line(&log, &["DEBUG", "outcome=dial"]);
    }
}

/// A link-local address names no link, so nothing can be reached by it.
#[tokio::test]
async fn a_link_local_target_is_not_our_failure() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let said = [HELLO, &connect_to("[fe80::1]:80")].concat();
    exchange(stack(NoAuth, Connector::direct()), &said).await;
    let line = line(&log);
    assert!(
        line.starts_with("DEBUG") || line.starts_with("INFO"),
        "{line}"
    );
}

/// Names that no HTTP request can have.
#[tokio::test(start_paused = true)]
async fn a_name_that_cannot_be_sent_is_the_clients_fault() {
    for name in ["a<b.example", "b\"c.example"] {
        let (log, _guard) = Log::start(Level::DEBUG);
        let (transport, _) = canned([b"HTTP/1.1 200 OK\r\n\r\n"]);
        let upstream = HttpUpstream::new("proxy.example:3128").via(transport);
        let connector = Connector::direct().with_connect(upstream);
        let mut said = [HELLO, b"\x05\x01\x00\x03"].concat();
        said.push(name.len() as u8);
        said.extend(name.as_bytes());
        said.extend([0, 80]);
        exchange(stack(NoAuth, connector), &said).await;
        assert_line(&log, &["DEBUG"]);
    }
}

/// A service of the user's says it for codes that do not.
#[tokio::test(start_paused = true)]
async fn a_refusal_states_whose_fault_it_is() {
    let refusal = || Refusal::new(ReplyCode::GENERAL_FAILURE, "no");
    for (fault, level) in [
        (Fault::Client, "DEBUG"),
        (Fault::Refused, "INFO"),
        (Fault::Target, "INFO"),
        (Fault::Upstream, "INFO"),
        (Fault::Server, "WARN"),
    ] {
        let (log, reply) = failed(move || refusal().with_fault(fault)).await;
        assert_eq!(reply, 1);
        assert_line(&log, &[level]);
        // Whatever the code is.
        let denied = move || Refusal::not_allowed("no").with_fault(fault);
        assert_line(&failed(denied).await.0, &[level]);
    }
    // What it came from, if that tells.
    let source = move || refusal().with_source(ClientError::Denied);
    assert_line(&failed(source).await.0, &["INFO", "outcome=upstream"]);
    assert_line(&failed(refusal).await.0, &["WARN", "outcome=failed"]);
}

/// An error wrapped in an I/O error keeps its fault.
#[test]
fn a_wrapped_error_keeps_its_fault() {
    let unreachable = || ClientError::Unreachable {
        proxy: "192.0.2.1:1080".parse().unwrap(),
        source: io::Error::from(io::ErrorKind::ConnectionRefused).into(),
    };
    let wrapped: Box<dyn Error> = io::Error::from(unreachable()).into();
    assert_eq!(Fault::of(&*wrapped), Fault::Upstream);
    assert_eq!(Fault::of(&unreachable()), Fault::Upstream);
}

/// What a lookup lacks says nothing of the name.
#[tokio::test(start_paused = true)]
async fn no_descriptors_during_a_lookup_is_our_failure() {
    // EMFILE, and a name that is not there.
    for (code, reply, parts) in [
        (24, 1, ["WARN", "outcome=failed"]),
        (2, 4, ["INFO", "outcome=unreachable"]),
    ] {
        let (log, _guard) = Log::start(Level::DEBUG);
        let resolver = tower::service_fn(move |_: Lookup| async move {
            Err::<Vec<std::net::IpAddr>, _>(io::Error::from_raw_os_error(code))
        });
        let connector = Connector::direct().with_connect(Direct::new().resolver(resolver));
        let said = [HELLO, &connect_to("a.example:80")].concat();
        assert_eq!(exchange(stack(NoAuth, connector), &said).await[3], reply);
        assert_line(&log, &parts);
    }
}

/// The text of an error may have what a client or an upstream has said.
#[tokio::test(start_paused = true)]
async fn the_text_of_an_error_cannot_forge_a_line() {
    let bad = "a\nb\u{202e}c\u{2066}d\u{200f}e\u{61c}f\u{200b}g\u{2028}h\u{85}i\u{1b}j\\\"";
    let (log, _) = failed(move || Refusal::not_allowed(bad).with_source(bad)).await;
    let shown = r#"a\nb\u{202e}c\u{2066}d\u{200f}e\u{61c}f\u{200b}g\u{2028}h\u{85}i\u{1b}j\""#;
    assert_line(&log, &["INFO", shown]);
}
