//! What the page shows of all servers, and closing tunnels at all of them.

use std::{
    net::SocketAddr,
    process::{Command, Output},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    node::{Node, command, target, until},
    server::Server as Redis,
    support::program::{built_with, http::get},
};

struct Shown {
    node: Node,
    status: SocketAddr,
    socket: String,
}

/// A server with a page and a socket for `close`.
fn join(redis: &Redis, name: &str) -> Shown {
    // In the folder of the test, which goes with it.
    let url = redis.url().replace("redis.sock", name);
    let socket = url.trim_start_matches("unix://").to_owned();
    let more = format!(
        "node_name = \"{name}\"\npage = \"http://{name}:9090/\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
         [admin]\nsocket = \"{socket}\"\n"
    );
    let mut node = Node::join(redis, &more);
    let line = node.server.says("metrics at http://");
    let (_, address) = line.trim_end().split_once("http://").unwrap();
    let status = address.trim_end_matches('/').parse().unwrap();
    Shown {
        node,
        status,
        socket,
    }
}

fn json(shown: &Shown, path: &str) -> Value {
    let (head, body) = get(shown.status, path);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn close(shown: &Shown, flags: &[&str]) -> Output {
    let mut command = Command::new(built_with("redis"));
    let command = command.args(["close", "--socket", &shown.socket]);
    command.args(flags).output().unwrap()
}

fn said(output: &Output) -> String {
    let all = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(all).unwrap()
}

#[test]
fn the_page_of_each_shows_all() {
    let redis = Redis::start();
    let (one, two) = (join(&redis, "one"), join(&redis, "two"));
    let target = target();
    let _open = [("joe", &one), ("joe", &two), ("jane", &two)].map(|(user, shown)| {
        let (code, client) = shown.node.connect(user, target);
        assert_eq!(code, 0);
        client
    });
    until("both are heard of", || {
        json(&one, "/status.json?nodes=all")["together"]["open"] == 3
    });
    let status = json(&one, "/status.json?nodes=all");
    assert_eq!(status["open"], 1);
    assert_eq!(status["fleet"]["name"], "one");
    assert_eq!(status["fleet"]["up"], true);
    let names = |key: &str| {
        let nodes = status["nodes"].as_array().unwrap().iter();
        nodes.map(|node| node[key].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("name"), ["one", "two"]);
    assert_eq!(names("page"), ["http://one:9090/", "http://two:9090/"]);
    assert_eq!(names("open"), [1, 2]);
    assert_eq!(names("draining"), [false, false]);
    let users = status["together"]["users"].as_array().unwrap();
    let joe = users.iter().find(|user| user["name"] == "joe").unwrap();
    assert_eq!((&joe["open"], users.len()), (&2.into(), 2));
    // Nobody has asked for it.
    assert!(json(&one, "/status.json").get("nodes").is_none());
    let (head, body) = get(one.status, "/status.json?nodes=one");
    assert!(
        head.starts_with("HTTP/1.1 400") && body.contains("nodes can be all"),
        "{head}{body}"
    );

    // Texts that are none, and those of others, do no harm.
    let other = "tower-socks:nodes:note:{other}";
    for text in ["[", "{}", "{\"name\":7}"] {
        redis.cli(&["set", other, text]);
        redis.cli(&["zadd", "tower-socks:nodes", "99999999999", "other"]);
        let status = json(&one, "/status.json?nodes=all");
        assert_eq!(status["nodes"].as_array().unwrap().len(), 2, "{text}");
    }
}

#[test]
fn tunnels_of_a_user_are_closed_at_all_servers() {
    let redis = Redis::start();
    let (mut one, mut two) = (join(&redis, "one"), join(&redis, "two"));
    let target = target();
    let _open =
        [("joe", &one), ("joe", &two), ("joe", &two), ("jane", &two)].map(|(user, shown)| {
            let (code, client) = shown.node.connect(user, target);
            assert_eq!(code, 0);
            client
        });
    until("both are heard of", || {
        json(&one, "/status.json?nodes=all")["together"]["open"] == 4
    });
    let output = close(&one, &["--user", "joe", "--everywhere"]);
    assert_eq!(said(&output), "closed 3 tunnels at 2 servers\n");
    assert!(output.status.success());
    let line = two.node.server.says("asked to close tunnels of joe");
    assert!(
        line.contains(" at one") && line.contains("closed=2"),
        "{line}"
    );
    let line = one.node.server.says("others have closed theirs");
    assert!(
        line.contains("elsewhere=2") && line.contains("answered=1"),
        "{line}"
    );
    until("jane's is open still", || {
        json(&two, "/status.json")["open"] == 1
    });

    let output = close(&one, &["--user", "joe", "--everywhere"]);
    assert_eq!(
        (said(&output), output.status.code()),
        ("closed 0 tunnels at 2 servers\n".into(), Some(1))
    );
    let output = close(&one, &["--id", "1", "--everywhere"]);
    assert!(
        said(&output).contains("--everywhere goes with --user"),
        "{output:?}"
    );

    // One that hangs is named.
    two.node.server.signal(Signal::STOP);
    let output = close(&one, &["--user", "jane", "--everywhere"]);
    two.node.server.signal(Signal::CONT);
    assert!(said(&output).contains("no answer from two"), "{output:?}");
    assert!(!output.status.success());
    // It does so once it goes on.
    two.node.server.says("asked to close tunnels of jane");
}

#[test]
fn while_redis_is_away_each_says_so_and_serves() {
    let mut redis = Redis::start();
    let mut one = join(&redis, "one");
    let (code, _open) = one.node.connect("joe", target());
    assert_eq!(code, 0);
    let up = |shown: &Shown| {
        get(shown.status, "/metrics")
            .1
            .contains("socks_store_up{store=\"redis\"} 1\n")
    };
    assert!(up(&one));
    redis.kill();
    one.node.server.says("the store is away");
    assert!(!up(&one));
    assert!(get(one.status, "/ready").0.starts_with("HTTP/1.1 200"));
    let status = json(&one, "/status.json?nodes=all");
    assert_eq!(
        (&status["fleet"]["up"], status.get("nodes")),
        (&false.into(), None)
    );
    let output = close(&one, &["--user", "joe", "--everywhere"]);
    assert!(
        said(&output).contains("closed 1 here, and others were not asked: Redis is away"),
        "{output:?}"
    );
    redis.restart();
    one.node.server.says("the store answers again");
    until("it is up", || {
        up(&one) && json(&one, "/status.json?nodes=all")["nodes"][0]["name"] == "one"
    });
}

#[test]
fn one_that_shares_nothing_says_so() {
    let socket = std::env::temp_dir().join(format!("tower-socks-alone-{}", std::process::id()));
    let socket = socket.to_str().unwrap().to_owned();
    let file =
        crate::support::program::file::File::new(&format!("[admin]\nsocket = \"{socket}\"\n"));
    let flags = ["--listen", "127.0.0.1:0", "--config", file.path()];
    let _server = crate::support::program::Server::spawn(command().args(flags));
    let mut close = command();
    let output = close
        .args([
            "close",
            "--socket",
            &socket,
            "--user",
            "joe",
            "--everywhere",
        ])
        .output()
        .unwrap();
    let said = said(&output);
    assert!(
        said.contains("closed 0 here, and others were not asked: this server has no [redis]"),
        "{said}"
    );
}
