//! What `Rules` leave in the log, and when earlier answers of theirs hold no more.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use tower_socks::{
    Identity, Request, Rules, layer::acl::SwapPolicy, proto::Command, session::Policy,
};
use tracing::Level;

use crate::support::{
    log::Log,
    rules::{ip, literal, named, toml, with},
};

/// The lines since the last call.
fn new_lines(log: &Log) -> Vec<String> {
    let text = log.take();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn socket(text: &str) -> SocketAddr {
    SocketAddr::new(ip(text), 443)
}

/// Asks about the request as stated and about each of its addresses, as a server does.
fn run(rules: &Rules, request: &Request, addresses: &[&str]) {
    assert!(rules.check(request).is_ok());
    for address in addresses {
        assert!(rules.check_address(request, socket(address)).is_ok());
    }
}

#[test]
fn a_reported_name_is_logged_once() {
    let rules = with(
        "deny",
        "action = \"report\", name = \"old hosts\", to = \"*.example\"",
    );
    let (log, _guard) = Log::start(Level::DEBUG);
    let mut request = named("name.example");
    request.identity = Identity::named("joe");
    run(&rules, &request, &["8.8.8.8", "8.8.4.4", "2a00::1"]);
    let lines = new_lines(&log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = lines.first().unwrap();
    for part in [
        "INFO",
        "CONNECT name.example:443 is allowed and reported by rule 1 (old hosts)",
        "user=joe",
        "peer=198.51.100.9:50000",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    // The next request is another one.
    run(&rules, &request, &["8.8.8.8"]);
    assert_eq!(new_lines(&log).len(), 1);
}

/// A client that asks for ever new destinations does not fill the disk, and the number of them is told.
#[tokio::test(start_paused = true)]
async fn reports_are_bounded() {
    let rules = with("deny", "action = \"report\"");
    let (log, _guard) = Log::start(Level::INFO);
    let ask = |count: usize| {
        for number in 0..count {
            run(&rules, &named(&format!("name-{number}.example")), &[]);
        }
        new_lines(&log)
    };
    assert_eq!(ask(10_000).len(), 100);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    let lines = ask(10_000);
    assert_eq!(lines.len(), 10, "{lines:?}");
    assert!(lines[0].contains("suppressed=9900"), "{}", lines[0]);
}

#[test]
fn a_reported_literal_is_logged_once() {
    for rules in [
        with("deny", "action = \"report\", to = \"8.8.0.0/16\""),
        with("deny", "action = \"report\""),
        toml("default = \"report\""),
    ] {
        let (log, _guard) = Log::start(Level::DEBUG);
        run(&rules, &literal(ip("8.8.8.8")), &["8.8.8.8"]);
        let lines = new_lines(&log);
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
    let (log, _guard) = Log::start(Level::DEBUG);
    run(
        &toml("default = \"report\""),
        &named("name.example"),
        &["8.8.8.8", "1.1.1.1"],
    );
    let lines = new_lines(&log);
    assert_eq!(lines.len(), 1);
    assert!(lines.concat().contains("reported by default"), "{lines:?}");
}

#[test]
fn a_name_that_is_reported_by_its_addresses_is_logged_for_each_of_them() {
    let rules = with("deny", "action = \"report\", to = \"8.8.0.0/16\"");
    let (log, _guard) = Log::start(Level::DEBUG);
    run(&rules, &named("name.example"), &["8.8.8.8", "8.8.4.4"]);
    let lines = new_lines(&log);
    let address = |line: &String| line.contains("name.example:443 at 8.8.");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(address), "{lines:?}");
}

#[test]
fn each_datagram_has_a_line_and_their_association_another() {
    let rules = with("deny", "action = \"report\", command = \"udp\"");
    let (log, _guard) = Log::start(Level::DEBUG);
    let mut associate = literal(ip("0.0.0.0"));
    associate.command = Command::UDP_ASSOCIATE;
    run(&rules, &associate, &[]);
    assert_eq!(new_lines(&log).len(), 1);
    let datagram = associate
        .for_datagram("name.example:53".parse().unwrap())
        .unwrap();
    run(&rules, &datagram, &["8.8.8.8", "8.8.4.4"]);
    assert_eq!(new_lines(&log).len(), 1);
}

#[test]
fn nothing_else_is_logged_here() {
    let rules = toml(
        "default = \"deny\"\nrules = [{ action = \"allow\", to = \"*.example\" }, \
         { action = \"report\", to = \"*.test\" }]",
    );
    let (log, _guard) = Log::start(Level::DEBUG);
    run(&rules, &named("name.example"), &["8.8.8.8"]);
    // Whoever refuses says so to the client, and the session's line has it.
    assert!(rules.check(&named("name.invalid")).is_err());
    assert!(rules.check(&literal(ip("10.0.0.1"))).is_err());
    let private = socket("10.0.0.1");
    assert!(
        rules
            .check_address(&named("name.example"), private)
            .is_err()
    );
    // Questions that nobody's request asked.
    let reported = named("name.test");
    assert!(!rules.explain(&reported).is_refused());
    assert!(
        !rules
            .explain_address(&reported, socket("8.8.8.8"))
            .is_refused()
    );
    assert_eq!(new_lines(&log), Vec::<String>::new());
}

#[test]
fn a_user_cannot_forge_a_line() {
    let rules = with("deny", "action = \"report\"");
    let (log, _guard) = Log::start(Level::DEBUG);
    let mut request = named("name.example");
    request.identity = Identity::named("joe\nWARN hacked\u{1b}[31m");
    run(&rules, &request, &["8.8.8.8"]);
    let lines = new_lines(&log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(!lines.concat().contains('\u{1b}'), "{lines:?}");
}

#[test]
fn the_version_is_the_minute_where_a_rule_looks_at_the_clock() {
    let minute = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap().as_secs() / 60
    };
    for condition in [
        "time = \"08:00-18:00\"",
        "time = \"00:00-24:00\", user = \"joe\"",
        "weekday = \"sun\"",
    ] {
        let rules = with("deny", &format!("action = \"allow\", {condition}"));
        // A minute may begin in between.
        let (before, version, after) = (minute(), rules.version(), minute());
        assert!((before..=after).contains(&version), "{condition}");
        let swap = SwapPolicy::new(rules.clone());
        let version = swap.version();
        swap.swap(rules);
        assert_ne!(swap.version(), version);
    }
}

#[test]
fn the_version_stays_where_none_does() {
    assert_eq!(Rules::default().version(), 0);
    let rules = toml(
        r#"
        default = "report"
        time_zone = "UTC"
        [groups]
        staff = ["joe"]
        [[rules]]
        action = "allow"
        user = "joe"
        group = "staff"
        client = "10.0.0.0/8"
        command = "connect"
        to = ["*.example", "8.8.8.8"]
        port = "1-99"
        "#,
    );
    assert_eq!(rules.version(), 0);
    // One of many is enough.
    let text = "{ action = \"deny\", port = 25 },".repeat(100);
    let timed =
        format!("default = \"allow\"\nrules = [{text} {{ action = \"deny\", weekday = \"mon\" }}]");
    assert_ne!(toml(&timed).version(), 0);
}

#[test]
fn names_of_rules_cannot_forge_a_line() {
    let name = "old\u{1b}[2J\u{202e}\nWARN \"ü\"";
    let shown = r#"old\u{1b}[2J\u{202e}\nWARN "ü""#;
    let escaped = r#"old\u001B[2J\u202E\nWARN \"ü\""#;
    let (log, _guard) = Log::start(Level::DEBUG);
    let reports = format!("action = \"report\", name = \"{escaped}\", port = 443");
    let rules = with("allow", &reports);
    assert!(rules.check(&named("name.example")).is_ok());
    let lines = new_lines(&log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let by = format!("reported by rule 1 ({shown})");
    assert!(lines[0].contains(&by), "{lines:?}");
    assert!(!lines[0].contains(|c: char| c.is_control() || c == '\u{202e}'));

    let denies = format!("action = \"deny\", name = \"{escaped}\", port = 443");
    let rules = with("allow", &denies);
    let refusal = rules.check(&named("name.example")).unwrap_err();
    let by = format!("rule 1 ({shown})");
    assert_eq!(refusal.rule(), Some(&*by));
    assert!(refusal.to_string().contains(&by), "{refusal}");
    assert!(rules.names().eq([by]));
    assert!(!refusal.to_string().contains(name), "{refusal}");
}
