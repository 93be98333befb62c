//! Lines that need a store: a Redis of each.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tower::Layer;
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, NoAuth, UserPass,
    layer::{
        key,
        limit::{ConcurrentTunnels, FailedLoginsLayer, LimitLayer, Pace, RequestRate},
        proxy_protocol::ProxyProtocolLayer,
    },
    redis::{Redis, RedisFailedLogins, RedisRates, RedisTunnels, WhileAway},
};

use crate::{
    case::{Miss, Outcome},
    server::{Server, ours, users},
    store::Server as Store,
    support::{log::Log, stack},
    talk::{CONNECT, Talk, leave, target},
};

/// A node at which each client may have so many tunnels.
async fn node(redis: &Redis, most: usize, away: WhileAway) -> Server {
    let store = RedisTunnels::new(redis, "tunnels").while_away(away);
    let tunnels = ConcurrentTunnels::new(most, key::client).with_store(store);
    let limit = LimitLayer::new(tunnels);
    ours(stack(NoAuth, limit.layer(Connector::direct()))).await
}

/// Asks for tunnels one after another: those that are open, and the codes of all.
async fn ask(server: &Server, dst: &[u8], count: usize) -> Result<(Vec<TcpStream>, Vec<u8>), Miss> {
    let (mut open, mut codes) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let mut client = server.client().await?;
        client.say(&[&[5, CONNECT, 0], dst].concat()).await?;
        let code = client.reply().await?.code;
        codes.push(code);
        if code == 0 {
            open.push(client);
        }
    }
    Ok((open, codes))
}

/// What all nodes have written down of tunnels.
fn counted(store: &Store) -> u32 {
    let all = store.cli(&["HVALS", "tower-socks:tunnels:tunnels:{127.0.0.1}"]);
    let counts = all.lines().filter_map(|line| line.split(' ').next());
    counts.filter_map(|count| count.parse::<u32>().ok()).sum()
}

async fn becomes(store: &Store, count: u32) -> Outcome {
    let started = Instant::now();
    while counted(store) != count {
        let found = counted(store);
        let time = started.elapsed();
        ensure!(
            time < Duration::from_secs(20),
            "{found} are counted of {count}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

pub(super) async fn k1_limits_hold_over_all_nodes() -> Outcome {
    let (_target, dst) = target().await;
    let store = Store::start();
    let crashed = std::thread::spawn({
        let (builder, dst) = (store.builder(), dst.clone());
        move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let held = runtime.block_on(async {
                let redis = builder.build().unwrap();
                let server = node(&redis, 4, WhileAway::Local).await;
                let (open, codes) = ask(&server, &dst, 2).await?;
                // A crash drops nothing.
                std::mem::forget((open, redis));
                Ok::<_, Miss>(codes)
            });
            std::mem::forget(runtime.handle().clone());
            runtime.shutdown_background();
            held
        }
    });
    let held = crashed.join().unwrap()?;
    ensure!(held == [0, 0], "the first node: {held:?}");
    let nodes = [store.node(), store.node()];
    let one = node(&nodes[0], 4, WhileAway::Local).await;
    let other = node(&nodes[1], 4, WhileAway::Local).await;
    let (_one, codes) = ask(&one, &dst, 4).await?;
    let (_other, more) = ask(&other, &dst, 4).await?;
    let began = Instant::now();
    let given = codes.iter().chain(&more).filter(|code| **code == 0).count();
    // The lease of a slow machine may be over by now.
    ensure!(given <= 4, "{given} of 4: {codes:?} {more:?}");
    let mut open = given;
    let mut held = Vec::new();
    while open < 4 {
        let (more, codes) = ask(&other, &dst, 1).await?;
        ensure!(matches!(codes[..], [0 | 2]), "{codes:?}");
        open += more.len();
        held.extend(more);
        ensure!(
            began.elapsed() < Duration::from_secs(20),
            "only {open} after the crash"
        );
    }
    let (_, codes) = ask(&one, &dst, 2).await?;
    ensure!(codes == [2, 2], "{codes:?} beyond the limit");
    Ok(())
}

pub(super) async fn k2_while_the_store_is_away() -> Outcome {
    let (_target, dst) = target().await;
    let (log, _guard) = Log::start(tracing::Level::INFO);
    // Nodes of one turn would say in the next one that their store has gone.
    let mut stores = Vec::new();
    for (away, expected) in [
        // One of three is known to be elsewhere.
        (WhileAway::Local, [0, 2, 2, 2, 2]),
        // Only its own count.
        (WhileAway::Open, [0, 0, 2, 2, 2]),
        (WhileAway::Closed, [1; 5]),
    ] {
        let store = Store::start();
        let nodes = [store.node(), store.node()];
        let server = node(&nodes[0], 3, away).await;
        let other = node(&nodes[1], 3, away).await;
        let (_elsewhere, first) = ask(&other, &dst, 1).await?;
        ensure!(first == [0], "{away:?}: {first:?}");
        let (_held, first) = ask(&server, &dst, 1).await?;
        ensure!(first == [0], "{away:?}: {first:?}");
        log.take();
        store.hang();
        let started = Instant::now();
        let (_more, codes) = ask(&server, &dst, 5).await?;
        let time = started.elapsed();
        store.go_on();
        ensure!(codes == expected, "{away:?}: {codes:?}");
        // Three of them wait for 250 ms; a slow machine has as much again.
        ensure!(time < Duration::from_millis(1_500), "{away:?}: {time:?}");
        let said = log.take();
        let said = said.matches("the store is away").count();
        // Each of both nodes says so where it asks at all.
        ensure!((1..=2).contains(&said), "{away:?}: said {said} times");
        stores.push(store);
    }
    Ok(())
}

pub(super) async fn k3_coming_back_counts_nothing_twice() -> Outcome {
    let (_target, dst) = target().await;
    for is_killed in [false, true] {
        let mut store = Store::start();
        let nodes = [store.node(), store.node()];
        let one = node(&nodes[0], 6, WhileAway::Local).await;
        let other = node(&nodes[1], 6, WhileAway::Local).await;
        let (mut held, codes) = ask(&one, &dst, 2).await?;
        let (_theirs, more) = ask(&other, &dst, 1).await?;
        ensure!((codes, more) == (vec![0, 0], vec![0]), "not given");
        match is_killed {
            true => store.kill(),
            false => store.hang(),
        }
        // One more, and one that ends meanwhile.
        let (more, codes) = ask(&one, &dst, 1).await?;
        ensure!(codes == [0], "{codes:?} while it is away");
        held.pop().into_iter().for_each(leave);
        match is_killed {
            true => store.restart(),
            false => store.go_on(),
        }
        becomes(&store, 3).await?;
        let (_rest, codes) = ask(&other, &dst, 5).await?;
        ensure!(codes == [0, 0, 0, 2, 2], "{codes:?} once it is back");
        held.into_iter().chain(more).for_each(leave);
        becomes(&store, 4).await?;
    }
    Ok(())
}

/// Says a header, and whatever else.
async fn behind(server: &Server, client: u8, said: &[u8]) -> Result<TcpStream, Miss> {
    let mut stream = server.connect().await?;
    let header = format!("PROXY TCP4 192.0.2.{client} 198.51.100.1 40000 1080\r\n");
    stream.say(&[header.as_bytes(), said].concat()).await?;
    Ok(stream)
}

pub(super) async fn k6_the_client_of_the_header_is_the_key() -> Outcome {
    let (_target, dst) = target().await;
    let store = Store::start();
    let nodes = [store.node(), store.node()];
    let mut servers = Vec::new();
    for redis in &nodes {
        let tunnels = ConcurrentTunnels::new(1, key::client);
        let rate = RequestRate::by_request(Pace::per_minute(100), key::client);
        let limit = LimitLayer::new((
            rate.with_store(RedisRates::new(redis, "rate")),
            tunnels.with_store(RedisTunnels::new(redis, "tunnels")),
        ));
        let failed = RedisFailedLogins::new(redis, "logins", "a secret of the fleet");
        let logins = FailedLoginsLayer::new().with_store(failed);
        let auth = AuthLayer::new(UserPass::new(users([("joe", "secret")])));
        let service = auth.layer(limit.layer(Connector::direct()));
        let trusted = ProxyProtocolLayer::trusting(["127.0.0.0/8".parse().unwrap()]);
        let stack = HandshakeLayer::new().layer(logins.layer(service));
        servers.push(ours(trusted.layer(stack)).await);
    }
    let asks = [b"\x05\x01\x02\x01\x03joe\x06secret\x05\x01\x00", &*dst].concat();
    let mut held = Vec::new();
    // One client after another at both nodes: each has one tunnel over all.
    for (node, client, expected) in [(0, 1, 0), (1, 1, 2), (1, 2, 0), (0, 2, 2)] {
        let mut stream = behind(&servers[node], client, &asks).await?;
        stream.hear(b"\x05\x02\x01\x00").await?;
        let code = stream.reply().await?.code;
        ensure!(code == expected, "client {client} at {node}: {code:02x}");
        held.push(stream);
    }
    let wrong = b"\x05\x01\x02\x01\x03joe\x05wrong";
    let mut stream = behind(&servers[0], 3, wrong).await?;
    stream.hear(b"\x05\x02\x01").await?;
    // Where failed logins are counted by address, the address is in the key as it is.
    let started = Instant::now();
    loop {
        let keys = store.cli(&["--scan", "--pattern", "tower-socks:*"]);
        let has = |text: &str| keys.lines().any(|key| key.contains(text));
        ensure!(!has("127.0.0.1"), "the balancer is a key: {keys}");
        if has("tunnels:{192.0.2.1}") && has("rate:{192.0.2.2}") && has("192.0.2.3") {
            return Ok(());
        }
        let time = started.elapsed();
        ensure!(time < Duration::from_secs(10), "keys: {keys}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
