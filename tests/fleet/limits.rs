//! Limits of users over all servers.

use std::net::TcpStream;

use rustix::process::Signal;

use crate::{
    node::{Node, target, text, until},
    server::Server as Redis,
};

const TUNNELS: &str = "[limits]\ntunnels_per_user = 3\n";

/// So many tunnels of a user, at all nodes in turn.
fn admitted(nodes: &[&Node], user: &str, asked: usize) -> Vec<TcpStream> {
    let target = target();
    let asked = nodes.iter().cycle().take(asked);
    let asked = asked.map(|node| node.connect(user, target));
    let admitted = asked.filter(|(code, _)| *code == 0);
    admitted.map(|(_, client)| client).collect()
}

#[test]
fn tunnels_of_a_user_are_counted_over_all_servers() {
    let redis = Redis::start();
    let (one, two) = (Node::join(&redis, TUNNELS), Node::join(&redis, TUNNELS));
    let mut joe = admitted(&[&one, &two], "joe", 8);
    assert_eq!(joe.len(), 3);
    assert_eq!(admitted(&[&one, &two], "jane", 8).len(), 3);
    // One at the first node ends, and its place is that of another at the second.
    drop(joe.remove(0));
    until("the place is free", || {
        match admitted(&[&two], "joe", 1).pop() {
            Some(client) => joe.push(client),
            None => return false,
        }
        true
    });
    assert_eq!(joe.len(), 3);
    assert_eq!(admitted(&[&one, &two], "joe", 2).len(), 0);
}

#[test]
fn a_server_that_is_killed_gives_back_and_so_does_one_that_stops() {
    let redis = Redis::start();
    let one = Node::join(&redis, TUNNELS);
    for signal in [Signal::KILL, Signal::TERM] {
        // The first has to expire, and the second is not waited for so long.
        let lease = if signal == Signal::KILL { "1s" } else { "60s" };
        let more = format!("lease = \"{lease}\"\n{TUNNELS}[timeouts]\ndrain = \"100ms\"\n");
        let mut two = Node::join(&redis, &more);
        assert_eq!(admitted(&[&two], "joe", 4).len(), 3);
        let held = admitted(&[&two], "jane", 3);
        assert_eq!((held.len(), admitted(&[&one], "jane", 1).len()), (3, 0));
        two.server.signal(signal);
        two.server.ends();
        until("jane has three again", || {
            admitted(&[&one], "jane", 3).len() == 3
        });
    }
}

#[test]
fn requests_are_counted_over_all_servers() {
    let redis = Redis::start();
    let more = "[limits]\nrequests_per_second = 1\nrequest_burst = 4\n";
    let (one, two) = (Node::join(&redis, more), Node::join(&redis, more));
    let admitted = admitted(&[&one, &two], "joe", 10).len();
    // As long as it takes there may be one more.
    assert!((4..=6).contains(&admitted), "{admitted}");
}

#[test]
fn while_redis_is_away_limits_do_what_they_were_told() {
    // 02 by what was last known of the other one, 00 by its own count, and 01.
    for (away, expected) in [("local", 2), ("open", 0), ("closed", 1)] {
        let mut redis = Redis::start();
        let more = format!("while_away = \"{away}\"\n[limits]\ntunnels_per_user = 3\n");
        let (mut one, two) = (Node::join(&redis, &more), Node::join(&redis, &more));
        let others = admitted(&[&two], "joe", 2);
        let own = admitted(&[&one], "joe", 2);
        assert_eq!((others.len(), own.len()), (2, 1));
        redis.kill();
        one.server.says("the store is away");
        let (code, more) = one.connect("joe", target());
        assert_eq!(code, expected, "{away}");
        redis.restart();
        one.server.says("the store answers again");
        // Those that are open count as before.
        until("both have written theirs", || {
            one.connect("joe", target()).0 == 2
        });
        drop((others, own, more));
        until("all have ended", || {
            admitted(&[&one, &two], "joe", 5).len() == 3
        });
    }
}

#[test]
fn a_reload_joins_and_leaves() {
    let redis = Redis::start();
    let alone = "[users]\njoe = \"x\"\n[limits]\ntunnels_per_user = 1\n";
    let mut one = Node::join(&redis, "[limits]\ntunnels_per_user = 1\n");
    let two = Node::join(&redis, "[limits]\ntunnels_per_user = 1\n");
    let open = admitted(&[&two], "joe", 1);
    assert_eq!((open.len(), admitted(&[&one], "joe", 1).len()), (1, 0));
    // The same table is the same node.
    let reload = |node: &mut Node, text: &str, says: &str| {
        node.file.write(text);
        node.server.signal(Signal::HUP);
        node.server.says(says)
    };
    reload(
        &mut one,
        &text(&redis, "# the same\n[limits]\ntunnels_per_user = 1\n"),
        "reloaded",
    );
    assert_eq!(redis.cli(&["zcard", "tower-socks:nodes"]), "2");
    assert_eq!(admitted(&[&one], "joe", 1).len(), 0);
    reload(&mut one, alone, "limits are shared no more");
    one.server.says("reloaded");
    let here = admitted(&[&one], "joe", 1);
    assert_eq!(here.len(), 1);
    drop(here);
    reload(
        &mut one,
        &text(&redis, "[limits]\ntunnels_per_user = 1\n"),
        "limits are shared in Redis",
    );
    one.server.says("reloaded");
    assert_eq!(admitted(&[&one], "joe", 1).len(), 0);
}
