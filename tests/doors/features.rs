//! What is judged, listed and said, through each door.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::io::AsyncWriteExt;
use tracing::Level;

use crate::{
    door::{Answer, Door},
    stage::{HOME, JOE, LISTENER, Stage, TARGET, echoes, rest, rules},
    support::{Script, log::Log, settle},
};

/// Denies what the rule says, and nothing else.
async fn denies(door: Door, rule: &'static str, denied: impl AsyncFn(&Stage) -> Answer) -> Stage {
    let stage = Stage::ruled(rule);
    assert_eq!(denied(&stage).await, door.denied(), "{rule}");
    stage
}

pub async fn rules_by_user(door: Door) {
    let rule = "default = 'allow'\nrules = [{ action = 'deny', user = 'joe' }]";
    let stage = denies(door, rule, async |stage| stage.joe(door, TARGET).await.0).await;
    let ann = Some(("ann", "secret"));
    let (answer, _) = stage.ask_from(HOME, door, ann, TARGET).await;
    assert_eq!(answer, Answer::Open);
    let (answer, _) = stage.ask_from(HOME, door, None, TARGET).await;
    assert_eq!(answer, Answer::Open);
}

pub async fn rules_by_network(door: Door) {
    let rule = "default = 'allow'\nrules = [{ action = 'deny', client = '8.8.8.0/24' }]";
    let stage = denies(door, rule, async |stage| stage.joe(door, TARGET).await.0).await;
    let (answer, _) = stage.ask_from("8.8.9.8", door, JOE, TARGET).await;
    assert_eq!(answer, Answer::Open);
}

pub async fn rules_by_protocol(door: Door) {
    let rule = match door {
        Door::Socks5 => "default = 'allow'\nrules = [{ action = 'deny', protocol = 'socks5' }]",
        Door::Socks4 => "default = 'allow'\nrules = [{ action = 'deny', protocol = 'socks4' }]",
        Door::Http | Door::Get => {
            "default = 'allow'\nrules = [{ action = 'deny', protocol = ['http'] }]"
        }
    };
    let stage = denies(door, rule, async |stage| stage.joe(door, TARGET).await.0).await;
    for other in Door::ALL
        .into_iter()
        .filter(|other| other.name() != door.name())
    {
        stage.tunnel(other).await;
    }
}

pub async fn rules_by_destination(door: Door) {
    let rule = "default = 'deny'\nrules = [{ action = 'allow', to = '*.example.com', port = 443 }]";
    let stage = denies(door, rule, async |stage| stage.joe(door, TARGET).await.0).await;
    for (host, port, allowed) in [
        ("www.example.com", 443, true),
        ("WWW.Example.COM.", 443, true),
        ("www.example.com", 80, false),
        ("www.example.com.evil.example", 443, false),
    ] {
        let (answer, _) = stage.joe(door, (host, port)).await;
        assert_eq!(answer == Answer::Open, allowed, "{host}:{port}");
        assert!(
            allowed || answer == door.denied(),
            "{host}:{port} {answer:?}"
        );
    }
}

/// R13: names that are addresses are judged as these.
pub async fn literals(door: Door) {
    let stage = Stage::new();
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1.",
        "10.1.2.3",
        "169.254.169.254",
        "localhost",
    ] {
        let (answer, _) = stage.joe(door, (host, 80)).await;
        // `localhost` is a name until somebody resolves it: the mock of a connector resolves nothing.
        let expected = match host {
            "localhost" => Answer::Open,
            _ => door.denied(),
        };
        assert_eq!(answer, expected, "{host}");
    }
}

pub async fn self_connection(door: Door) {
    let stage = Stage::new();
    let (answer, _) = stage.joe(door, LISTENER).await;
    assert_eq!(answer, door.denied());
    // Its own host at any port, as long as no rule opens that.
    let (answer, _) = stage.joe(door, (LISTENER.0, 1081)).await;
    assert_eq!(answer, door.denied());
    let (answer, _) = stage.joe(door, ("9.9.9.2", LISTENER.1)).await;
    assert_eq!(answer, Answer::Open);
}

/// A new policy ends what it refuses.
pub async fn recheck(door: Door) {
    let stage = Stage::new();
    let mut client = stage.tunnel(door).await;
    let mut ann = stage
        .ask_from(HOME, Door::Http, Some(("ann", "secret")), TARGET)
        .await;
    stage.policy.swap(rules(
        "default = 'allow'\nrules = [{ action = 'deny', user = 'joe' }]",
    ));
    stage.policy.recheck();
    settle().await;
    assert_eq!(rest(&mut client).await, b"");
    echoes(&mut ann.1, b"still here").await;
}

pub async fn live_list(door: Door) {
    let stage = Stage::new();
    let mut client = stage.tunnel(door).await;
    let list = stage.open.list();
    let [entry] = &*list else {
        panic!("{} entries", list.len());
    };
    assert_eq!(entry.protocol.name(), door.name());
    assert_eq!(entry.identity.to_string(), "joe");
    assert_eq!(entry.target.to_string(), "example.com:443");
    assert_eq!(entry.client.ip().to_string(), HOME);
    assert!(entry.traffic.up >= 4 && entry.traffic.down >= 4);
    assert!(door == Door::Get || entry.traffic.up + entry.traffic.down == 8);
    assert!(stage.open.close(entry.id));
    assert_eq!(rest(&mut client).await, b"");
    settle().await;
    assert!(stage.open.list().is_empty());
}

pub async fn metrics(door: Door) {
    let recorder = DebuggingRecorder::new();
    let numbers = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let stage = Stage::ruled("default = 'allow'\nrules = [{ action = 'deny', port = 25 }]");
    drop(stage.tunnel(door).await);
    stage.joe(door, ("example.com", 25)).await;
    stage.stop().await;
    let mut counted: Vec<_> = numbers
        .snapshot()
        .into_vec()
        .into_iter()
        .filter_map(|(key, _, _, value)| {
            let labels = key.key().labels();
            let labels: Vec<_> = labels.map(|label| label.value()).collect();
            match value {
                DebugValue::Counter(count) => {
                    Some(format!("{} {} {count}", key.key().name(), labels.join(" ")))
                }
                DebugValue::Gauge(_) | DebugValue::Histogram(_) => None,
            }
        })
        .collect();
    counted.sort();
    let bytes = match door {
        // Heads as well.
        Door::Get => ["socks_bytes_total down tcp ", "socks_bytes_total up tcp "],
        _ => ["socks_bytes_total down tcp 4", "socks_bytes_total up tcp 4"],
    };
    for expected in bytes {
        assert!(
            counted.iter().any(|it| it.starts_with(expected)),
            "{expected} in {counted:#?}"
        );
    }
    for expected in [
        "socks_refusals_total rule 1 1",
        "socks_requests_total connect 0 1",
        "socks_requests_total connect 2 1",
    ] {
        assert!(
            counted.iter().any(|it| it == expected),
            "{expected} in {counted:#?}"
        );
    }
}

pub async fn log_line(door: Door) {
    let (log, _guard) = Log::start(Level::INFO);
    let stage = Stage::new();
    let mut client = stage.tunnel(door).await;
    client.shutdown().await.unwrap();
    rest(&mut client).await;
    stage.stop().await;
    let log = log.text();
    let lines: Vec<_> = log
        .lines()
        .filter(|it| it.contains("session ended"))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    for part in [
        &*format!("protocol={}", door.name()),
        "peer=8.8.8.8:50000",
        "user=joe",
        "command=CONNECT",
        "target=example.com:443",
        "outcome=done",
        "up=4 down=4",
    ] {
        assert!(lines[0].contains(part), "no {part} in {log}");
    }
    assert!(!log.contains("secret"), "{log}");
}

/// What comes right behind the request, in the same write, is the first that the target gets.
pub async fn early_data(door: Door) {
    let stage = Stage::new();
    let mut client = stage.arrive(HOME);
    let answer = door.ask(&mut client, JOE, TARGET, b"early").await;
    assert_eq!(answer, Answer::Open);
    client.hear(b"early").await;
    echoes(&mut client, b"late").await;
}

/// The client has said all, and still hears all.
pub async fn half_close(door: Door) {
    let stage = Stage::new();
    let mut client = stage.tunnel(door).await;
    client.write_all(b"the last words").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, b"the last words");
    settle().await;
    assert!(stage.open.list().is_empty());
}

/// One table of reply codes, as each protocol has words for them.
pub async fn reply_codes(door: Door) {
    let stage = Stage::new();
    let expected = match door {
        Door::Socks5 => [5, 6, 1],
        Door::Socks4 => [0x5b, 0x5b, 0x5b],
        Door::Http | Door::Get => [502, 504, 502],
    };
    // Port 0 is refused before anybody is asked. HTTP says so as of a bad request.
    for (port, code) in [1, 2, 0].into_iter().zip(expected) {
        let (answer, mut client) = stage.joe(door, ("example.com", port)).await;
        match (door, port) {
            (Door::Http | Door::Get, 0) => {
                assert!(matches!(answer, Answer::Code(400..=599)), "{answer:?}")
            }
            _ => assert_eq!(answer, Answer::Code(code), "port {port}"),
        }
        client.shutdown().await.unwrap();
        rest(&mut client).await;
    }
}
