//! Users of all servers in Redis.

use std::{
    io::Read,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    node::{Node, target, text, until},
    server::Server as Redis,
    support::program::{connect_request, exchange},
};

/// Of `s3cret`, made by `htpasswd -nbB -C 4`.
const SECRET: &str = "$2y$04$LYGA6bHyAcETIo70FXXqZOz49.AK1SKAhy9Rtmdxai15VaHtTAQ.G";

fn write(redis: &Redis, name: &str, more: &str) {
    let account = format!("{{\"hash\": \"{SECRET}\"{more}}}");
    redis.cli(&["HSET", "tower-socks:accounts", name, &account]);
    redis.cli(&["INCR", "tower-socks:accounts:version"]);
}

const RULES: &str = "[logins]\nfree_failures = 100\n[acl]\ndefault = \"deny\"\n[[acl.rules]]\n\
                     action = \"allow\"\ngroup = \"staff\"\n";

#[test]
fn accounts_of_redis_are_users_of_all_servers() {
    let mut redis = Redis::start();
    write(&redis, "jack", ", \"groups\": [\"staff\"]");
    write(&redis, "jill", "");
    let more = format!("accounts = true\n{RULES}");
    let (one, two) = (Node::join(&redis, &more), Node::join(&redis, &more));
    let target = target();
    let tunnels = [&one, &two].map(|node| {
        let (right, mut client) = node.log_in("jack", "s3cret");
        assert!(right);
        assert_eq!(exchange(&mut client, &connect_request(target), 10)[1], 0);
        client
    });
    // Groups are those of the account: nothing lets her anywhere.
    let (right, mut client) = one.log_in("jill", "s3cret");
    assert!(right);
    assert_eq!(exchange(&mut client, &connect_request(target), 10)[1], 2);
    for (name, password) in [("jack", "wrong"), ("nobody", "s3cret"), ("jack", SECRET)] {
        assert!(!two.log_in(name, password).0, "{name}");
    }
    // Those of the file are asked for there alone.
    assert!(two.log_in("joe", "x").0);

    // Who is gone is gone everywhere, with tunnels and what was remembered.
    redis.cli(&["HDEL", "tower-socks:accounts", "jack"]);
    redis.cli(&["INCR", "tower-socks:accounts:version"]);
    for mut tunnel in tunnels {
        let longest = Some(Duration::from_secs(10));
        tunnel.set_read_timeout(longest).unwrap();
        assert_eq!(tunnel.read(&mut [0]).unwrap_or(0), 0);
    }
    for node in [&one, &two] {
        assert!(!node.log_in("jack", "s3cret").0);
    }

    // Who is known logs in while Redis is away.
    redis.kill();
    assert!(one.log_in("jill", "s3cret").0);
    assert!(!one.log_in("jill", "wrong").0);
    assert!(two.log_in("jill", "s3cret").0);
}

#[test]
fn a_reload_begins_with_them_and_ends_with_them() {
    let redis = Redis::start();
    write(&redis, "jack", ", \"groups\": [\"staff\"]");
    let mut node = Node::join(&redis, RULES);
    assert!(!node.log_in("jack", "s3cret").0);
    for (accounts, other) in [
        ("accounts = true\n", ""),
        ("accounts = true\n", "[timeouts]\nidle = \"9m\"\n"),
    ] {
        node.file
            .write(&text(&redis, &format!("{accounts}{RULES}{other}")));
        node.server.signal(Signal::HUP);
        node.server.says("reloaded");
        assert!(node.log_in("jack", "s3cret").0);
    }
    node.file.write(&text(&redis, RULES));
    node.server.signal(Signal::HUP);
    node.server.says("reloaded");
    assert!(!node.log_in("jack", "s3cret").0);
}

#[test]
fn without_accounts_nobody_gets_in_and_the_log_says_so() {
    let redis = Redis::start();
    let mut node = Node::join(&redis, &format!("accounts = true\n{RULES}"));
    let began = Instant::now();
    assert!(!node.log_in("jack", "s3cret").0);
    assert!(began.elapsed() < Duration::from_secs(8));
    node.server.says("accounts");
    // Once there are some, they are there without a restart.
    write(&redis, "jack", "");
    until("he is known", || node.log_in("jack", "s3cret").0);
}
