//! Failed logins over all servers.

use std::time::{Duration, Instant};

use crate::{
    node::{Node, until},
    server::Server as Redis,
};

/// Tries a password: whether it is right, and how long that took.
fn log_in(node: &Node, password: &str) -> (bool, Duration) {
    let started = Instant::now();
    let (right, _) = node.log_in("joe", password);
    (right, started.elapsed())
}

fn fleet(redis: &Redis, secrets: [&str; 2]) -> [Node; 2] {
    secrets.map(|secret| {
        let more = format!("{secret}[logins]\nfree_failures = 2\nlongest_delay = \"2s\"\n");
        Node::join(redis, &more)
    })
}

#[test]
fn guesses_at_one_server_slow_those_at_another_down() {
    const SECRET: &str = "login_secret = \"a secret of all servers\"\n";
    let redis = Redis::start();
    let [one, two] = fleet(&redis, [SECRET; 2]);
    // What is free, and two that wait for a second and for two.
    for _ in 0..4 {
        assert!(!log_in(&one, "wrong").0);
    }
    // They are told in the background.
    until("the other server waits", || {
        let (right, took) = log_in(&two, "x");
        assert!(right);
        took > Duration::from_millis(900)
    });
    // Redis has no name.
    let keys = redis.cli(&["KEYS", "*"]);
    assert!(keys.contains("login"), "{keys}");
    assert!(!keys.contains("joe"), "{keys}");
}

#[test]
fn without_a_secret_each_server_counts_its_own() {
    let redis = Redis::start();
    let [one, two] = fleet(&redis, [""; 2]);
    for _ in 0..4 {
        assert!(!log_in(&one, "wrong").0);
    }
    let (right, took) = log_in(&two, "x");
    assert!(right && took < Duration::from_millis(900), "{took:?}");
    assert!(!redis.cli(&["KEYS", "*"]).contains("login"));
}
