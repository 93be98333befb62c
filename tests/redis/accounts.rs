//! Accounts in Redis.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt};
use tower_socks::{
    BoxError, Credentials, Identity,
    error::{AuthError, UnknownUser},
    layer::auth::{BlockingVerifier, StoredHash, remember::RememberLayer},
    redis::{
        Redis,
        users::{RedisAccounts, RedisAccountsBuilder, RedisAccountsLayer},
    },
    session::Amounts,
};

use crate::{server::Server, until};

/// A verifier whose hashes are `$` and the password.
pub(crate) fn hashes() -> BlockingVerifier {
    BlockingVerifier::new(|credentials| {
        let hash = StoredHash::of(credentials).and_then(|hash| hash.strip_prefix('$'));
        match hash.map(str::as_bytes) == Some(credentials.password().as_bytes()) {
            true => Ok(Identity::named(credentials.name())),
            false => Err(AuthError::Denied),
        }
    })
}

pub(crate) fn builder(node: &Redis) -> RedisAccountsBuilder {
    RedisAccountsLayer::builder(node).every(Duration::from_millis(20))
}

pub(crate) async fn accounts(
    node: &Redis,
) -> (RedisAccountsLayer, RedisAccounts<BlockingVerifier>) {
    let layer = builder(node).build();
    layer.loaded().await.unwrap();
    let service = layer.layer(hashes());
    (layer, service)
}

pub(crate) async fn log_in<V>(
    verifier: &V,
    name: &str,
    password: &str,
) -> Result<Identity, BoxError>
where
    V: Service<Credentials, Response = Identity, Error = BoxError> + Clone,
{
    let credentials = Credentials::new(name, password).unwrap();
    verifier.clone().oneshot(credentials).await
}

pub(crate) fn set(server: &Server, name: &str, json: &str) {
    server.cli(&["HSET", "tower-socks:accounts", name, json]);
    server.cli(&["INCR", "tower-socks:accounts:version"]);
}

/// Writes so many fields, the names of which begin with `name`.
pub(crate) fn fill(server: &Server, name: &str, fields: usize, json: &str) {
    let script =
        "for i = ARGV[4], ARGV[2] do redis.call('HSET', KEYS[1], ARGV[1] .. i, ARGV[3]) end";
    for first in (1..=fields).step_by(10_000) {
        let last = fields.min(first + 9_999).to_string();
        let first = first.to_string();
        server.cli(&[
            "EVAL",
            script,
            "1",
            "tower-socks:accounts",
            name,
            &last,
            json,
            &first,
        ]);
    }
    server.cli(&["INCR", "tower-socks:accounts:version"]);
}

pub(crate) const JOE: &str = r#"{"hash": "$secret", "groups": ["staff", "night"], "amounts": {"tunnels": 50, "download": "10 Mbit/s"}}"#;

#[tokio::test]
async fn users_are_verified_by_their_accounts() {
    let server = Server::start();
    set(&server, "joe", JOE);
    set(&server, "jane", r#"{"hash": "$hidden", "disabled": true}"#);
    set(&server, "jack", "{}");
    let (layer, service) = accounts(&server.node()).await;
    let joe = log_in(&service, "joe", "secret").await.unwrap();
    assert_eq!(joe.name(), Some(&b"joe"[..]));
    let groups: Vec<&str> = joe.groups().iter().map(|group| &**group).collect();
    assert_eq!(groups, ["night", "staff"]);
    let amounts = Amounts::new().tunnels(50).download(1_250_000);
    assert_eq!(Amounts::of(&joe), Some(&amounts));
    for (name, password) in [
        ("joe", "wrong"),
        ("jane", "hidden"),
        ("jack", "secret"),
        ("nobody", "secret"),
    ] {
        let error = log_in(&service, name, password).await.unwrap_err();
        assert_eq!(error.to_string(), "wrong name or password");
        assert_eq!(UnknownUser::is_in(&*error), name == "nobody", "{name}");
    }
    let known = ["joe", "jane", "jack", "nobody"].map(|name| layer.knows(name).unwrap());
    assert_eq!(known, [true, false, true, false]);
    assert_eq!(layer.len(), 3);
    let debug = format!("{layer:?} {service:?}");
    assert!(!debug.contains("secret"), "{debug}");
}

#[tokio::test]
async fn who_is_disabled_is_out_within_seconds_on_all_nodes() {
    let server = Server::start();
    set(&server, "joe", JOE);
    set(&server, "jane", r#"{"hash": "$hidden"}"#);
    let nodes = [server.node(), server.node()];
    let mut all = Vec::new();
    for node in &nodes {
        let remembered = RememberLayer::new().unwrap();
        let told = Arc::new(Mutex::new(BTreeSet::new()));
        let layer = RedisAccountsLayer::builder(node).on_change({
            let (remembered, told) = (remembered.clone(), Arc::clone(&told));
            move |names| {
                for name in names {
                    remembered.forget(name);
                    told.lock().unwrap().insert(name.to_vec());
                }
            }
        });
        let layer = layer.build();
        layer.loaded().await.unwrap();
        let service = remembered.layer(layer.layer(hashes()));
        assert!(log_in(&service, "joe", "secret").await.is_ok());
        all.push((layer, service, told));
    }
    set(
        &server,
        "joe",
        &JOE.replacen('{', r#"{"disabled": true, "#, 1),
    );
    let changed = Instant::now();
    for (layer, service, told) in &all {
        until("it is noticed", async || !layer.knows("joe").unwrap()).await;
        until("it is told", async || !told.lock().unwrap().is_empty()).await;
        // Although the password was remembered.
        assert!(log_in(service, "joe", "secret").await.is_err());
        assert!(log_in(service, "jane", "hidden").await.is_ok());
        assert_eq!(*told.lock().unwrap(), [b"joe".to_vec()].into());
    }
    let time = changed.elapsed();
    assert!(time < Duration::from_secs(5), "{time:?}");
}

#[tokio::test]
async fn a_change_without_a_version_is_noticed_as_well() {
    let server = Server::start();
    set(&server, "joe", JOE);
    let layer = builder(&server.node())
        .read_every(Duration::from_millis(100))
        .build();
    layer.loaded().await.unwrap();
    let other = JOE.replace("$secret", "$other");
    server.cli(&["HSET", "tower-socks:accounts", "joe", &other]);
    let service = layer.layer(hashes());
    until("it is noticed", async || {
        log_in(&service, "joe", "other").await.is_ok()
    })
    .await;
    // As is one that is gone: their number is another.
    server.cli(&["HDEL", "tower-socks:accounts", "joe"]);
    until("it is noticed", async || layer.is_empty()).await;
    assert!(log_in(&service, "joe", "other").await.is_err());
}

#[tokio::test]
async fn logins_go_on_while_redis_is_away() {
    let mut server = Server::start();
    set(&server, "joe", JOE);
    let node = server.node();
    let (layer, service) = accounts(&node).await;
    server.kill();
    until("it is noticed", async || !node.is_up()).await;
    let started = Instant::now();
    for _ in 0..20 {
        assert!(log_in(&service, "joe", "secret").await.is_ok());
    }
    assert!(started.elapsed() < Duration::from_secs(2));
    let old = layer.age().unwrap();
    sleep(Duration::from_millis(300)).await;
    assert!(layer.age().unwrap() >= old + Duration::from_millis(300));
    server.restart();
    until("it is back", async || node.is_up()).await;
    // It has lost everything, which is nobody's fault.
    sleep(Duration::from_millis(300)).await;
    assert!(log_in(&service, "joe", "secret").await.is_ok());
    set(&server, "jane", r#"{"hash": "$hidden"}"#);
    until("it is back, and knows others", async || {
        log_in(&service, "jane", "hidden").await.is_ok()
    })
    .await;
    assert!(log_in(&service, "joe", "secret").await.is_err());
    assert!(layer.age().unwrap() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_start_without_redis_fails_within_seconds_and_goes_on_once_there_is_one() {
    let mut server = Server::start();
    server.kill();
    let layer = builder(&server.node()).build();
    let started = Instant::now();
    let error = layer.loaded().await.unwrap_err();
    assert!(error.is_away());
    let time = started.elapsed();
    assert!(time < Duration::from_secs(5), "{time:?}");
    let service = layer.layer(hashes());
    let error = log_in(&service, "joe", "secret").await.unwrap_err();
    let Some(AuthError::Verifier(error)) = error.downcast_ref() else {
        panic!("{error}");
    };
    assert_eq!(error.to_string(), "accounts of Redis: it has not answered");
    assert!(layer.knows("joe").is_err());
    assert_eq!(layer.age(), None);
    server.restart();
    set(&server, "joe", JOE);
    until("it is there", async || {
        log_in(&service, "joe", "secret").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn all_accounts_are_read_while_they_change() {
    let server = Server::start();
    fill(&server, "user", 5_000, r#"{"hash": "$secret"}"#);
    let (layer, service) = accounts(&server.node()).await;
    assert_eq!(layer.len(), 5_000);
    for round in 0..5 {
        fill(
            &server,
            &format!("other{round}x"),
            500,
            r#"{"hash": "$hidden"}"#,
        );
    }
    until("all are there", async || layer.len() == 7_500).await;
    assert!(log_in(&service, "user5000", "secret").await.is_ok());
    assert!(log_in(&service, "other4x500", "hidden").await.is_ok());
}

#[tokio::test]
async fn nothing_follows_accounts_that_nobody_has() {
    let server = Server::start();
    set(&server, "joe", JOE);
    let node = server.node();
    let told = Arc::new(());
    let layer = builder(&node).on_change({
        let told = Arc::clone(&told);
        move |_| drop(Arc::clone(&told))
    });
    let layer = layer.build();
    layer.loaded().await.unwrap();
    assert_eq!(Arc::strong_count(&told), 2);
    drop(layer);
    until("it has ended", async || Arc::strong_count(&told) == 1).await;
}
