//! Accounts that somebody has written who should not have.

use std::time::Duration;

use tokio::time::sleep;
use tower::Layer;
use tower_socks::error::UnknownUser;

use crate::{
    accounts::{JOE, accounts, builder, fill, hashes, log_in, set},
    server::Server,
    until,
};

#[tokio::test]
async fn hostile_accounts_hurt_nobody_else() {
    let server = Server::start();
    set(&server, "joe", JOE);
    let node = server.node();
    let (layer, service) = accounts(&node).await;
    let mistakes = [
        ("plain", r#"{"hash": "secret"}"#),
        ("typo", r#"{"hash": "$secret", "disabeld": true}"#),
        ("list", r#"["$secret", [], false]"#),
        ("amounts", r#"{"hash": "$secret", "amounts": [1]}"#),
        (
            "amount",
            r#"{"hash": "$secret", "amounts": {"tunnels": "secret"}}"#,
        ),
        ("none", "secret"),
        ("empty", ""),
        ("deep", &"[".repeat(4_000)),
        ("number", r#"{"hash": 1}"#),
    ];
    for (name, json) in mistakes {
        server.cli(&["HSET", "tower-socks:accounts", name, json]);
    }
    let big = "redis.call('HSET', KEYS[1], 'big', string.rep('x', 16 * 1048576)) \
               redis.call('HSET', KEYS[1], string.rep('n', 1048576), '{}')";
    server.cli(&["EVAL", big, "1", "tower-socks:accounts"]);
    set(&server, "jane", r#"{"hash": "$hidden"}"#);
    until("they are read", async || {
        log_in(&service, "jane", "hidden").await.is_ok()
    })
    .await;
    assert!(log_in(&service, "joe", "secret").await.is_ok());
    assert_eq!(layer.len(), 2);
    for (name, _) in mistakes {
        let error = log_in(&service, name, "secret").await.unwrap_err();
        assert!(UnknownUser::is_in(&*error), "{name}");
    }
    // Whatever the version is.
    server.cli(&["DEL", "tower-socks:accounts:version"]);
    server.cli(&["RPUSH", "tower-socks:accounts:version", "a", "list"]);
    let huge = "redis.call('SET', KEYS[1], string.rep('9', 33554432))";
    sleep(Duration::from_millis(100)).await;
    server.cli(&["EVAL", huge, "1", "tower-socks:accounts:version"]);
    sleep(Duration::from_millis(100)).await;
    assert!(layer.age().unwrap() < Duration::from_secs(2));
    assert!(node.is_up());
}

#[tokio::test]
async fn too_many_accounts_are_not_taken_and_those_before_go_on() {
    let server = Server::start();
    set(&server, "joe", JOE);
    let node = server.node();
    let layer = builder(&node).most(1_000).build();
    layer.loaded().await.unwrap();
    let service = layer.layer(hashes());
    fill(&server, "flood", 999, r#"{"hash": "$hidden"}"#);
    until("as many as may be", async || layer.len() == 1_000).await;
    assert!(log_in(&service, "flood999", "hidden").await.is_ok());
    fill(&server, "more", 100_000, "{}");
    until("they are too many", async || {
        layer.age().unwrap() > Duration::from_millis(300)
    })
    .await;
    assert!(log_in(&service, "joe", "secret").await.is_ok());
    assert!(node.is_up());
    // A start with those fails, and says what there is to mend.
    let other = builder(&node).most(1_000).build();
    let error = other.loaded().await.unwrap_err();
    assert!(!error.is_away());
    assert_eq!(
        error.to_string(),
        "accounts of Redis: `tower-socks:accounts` has 101000 fields, and 1000 accounts are taken at most"
    );
    // So does what is no hash.
    server.cli(&["DEL", "tower-socks:accounts"]);
    server.cli(&["SET", "tower-socks:accounts", "joe"]);
    let other = builder(&node).build();
    let error = other.loaded().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "accounts of Redis: `tower-socks:accounts` is no hash"
    );
    assert!(log_in(&service, "joe", "secret").await.is_ok());
    server.cli(&["DEL", "tower-socks:accounts"]);
    until("it is mended", async || layer.is_empty()).await;
}
