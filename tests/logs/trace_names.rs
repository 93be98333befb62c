//! What clients may write into the span of `TraceLayer`: nothing that looks like another line.

use std::io;

use tower::{Layer, ServiceExt};
use tower_socks::{
    Identity, Refusal, Request,
    layer::trace::TraceLayer,
    proto::{Address, Command, DomainName},
};
use tracing::Level;

use crate::support::{
    log::Log,
    targets::{Dialer, failing, targets},
};

/// What a request leaves in the log at a level, in lines.
async fn logged(level: Level, service: Dialer, request: Request) -> Vec<String> {
    let (log, _guard) = Log::start(level);
    let _ = TraceLayer::new().layer(service).oneshot(request).await;
    log.text()
        .split('\n')
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

fn request(command: Command, target: Address) -> Request {
    let mut request = Request::new(command, target);
    request.peer = "[2001:db8::5]:50000".parse().unwrap();
    request
}

#[test]
fn a_name_has_nothing_that_a_log_would_obey() {
    for name in [
        "a\u{200e}b.example",
        "a\u{202e}b.example",
        "a\u{2066}b.example",
        "a\u{200d}b.example",
        "a\u{1b}[31mb.example",
        "a\u{9b}b.example",
        "a\"b.example",
        "a<b.example",
        "a\\b.example",
    ] {
        assert!(DomainName::new(name).is_err(), "{name:?}");
    }
    let shown = DomainName::new("\u{5d0}\u{5d1}.example")
        .unwrap()
        .to_string();
    assert_eq!(shown, "xn--4dbc.example");
}

#[tokio::test]
async fn a_span_says_who_asks_for_what() {
    let target = || "192.0.2.1:80".parse().unwrap();
    for (command, shown, transport) in [
        (Command::CONNECT, "CONNECT", "tcp"),
        (Command::BIND, "BIND", "tcp"),
        (Command::UDP_ASSOCIATE, "UDP ASSOCIATE", "udp"),
    ] {
        let mut request = request(command, target());
        request.identity = Identity::named("jo\ne");
        let shown = format!("socks.command={shown}");
        let lines = logged(Level::DEBUG, targets().0, request).await;
        assert_eq!(lines.len(), 2, "{lines:#?}");
        for part in [
            "client.address=2001:db8::5",
            "client.port=50000",
            "server.address=192.0.2.1",
            "user.name=jo\\ne",
            &format!("network.transport=\"{transport}\""),
            &shown,
        ] {
            assert!(lines[0].contains(part), "no {part} in {}", lines[0]);
        }
        // The code is known at the end only.
        assert!(!lines[0].contains("socks.reply_code"), "{}", lines[0]);
        assert!(lines[1].contains("socks.reply_code=0"), "{}", lines[1]);
    }
}

#[tokio::test]
async fn at_info_there_is_nothing_whether_it_works_or_not() {
    let target: Address = "example.com:80".parse().unwrap();
    for service in [
        targets().0,
        failing(|| Refusal::not_allowed("not today")),
        failing(|| io::Error::other("broken")),
    ] {
        let request = request(Command::CONNECT, target.clone());
        let lines = logged(Level::INFO, service, request).await;
        assert_eq!(lines, [""; 0]);
    }
}
