//! What is bounded: what came in through one door is missing at the next.

use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    time::{Instant, sleep, timeout},
};
use tower_socks::server::SessionLimit;

use crate::{
    door::{Answer, Door},
    stage::{HOME, JOE, Knobs, Stage, TARGET, echoes, rest},
    support::{Script, settle},
};

const SECOND: Duration = Duration::from_secs(1);

/// Through every door, this one first.
fn from(door: Door) -> impl Iterator<Item = Door> {
    let others = Door::ALL.into_iter().filter(move |other| *other != door);
    [door].into_iter().chain(others)
}

/// Wrong passwords, and claims that nobody accepts, make the right password wait, whatever protocol it comes in.
pub async fn failed_logins(door: Door) {
    for next in Door::ALL {
        let stage = Stage::new();
        let wrong = Some(match door {
            Door::Socks4 => ("eve", ""),
            Door::Socks5 | Door::Http | Door::Get => ("joe", "wrong"),
        });
        let failed = match door {
            Door::Socks4 => Answer::Code(0x5b),
            Door::Socks5 | Door::Http | Door::Get => Answer::Login,
        };
        let began = Instant::now();
        for _ in 0..5 {
            let (answer, _) = stage.ask_from(HOME, door, wrong, TARGET).await;
            assert_eq!(answer, failed);
        }
        // Four of them were free.
        assert!(began.elapsed() >= SECOND, "{:?}", began.elapsed());
        for (from, waits) in [(HOME, true), ("1.1.1.1", false)] {
            let began = Instant::now();
            let (answer, _) = stage
                .ask_from(from, next, Some(("ann", "secret")), TARGET)
                .await;
            assert_eq!(answer, Answer::Open);
            let waited = began.elapsed();
            assert_eq!(
                waited >= SECOND,
                waits,
                "after {door:?}, {next:?} waited {waited:?}"
            );
        }
    }
}

pub async fn tunnels_by_user(door: Door) {
    let stage = Stage::with(Knobs {
        tunnels: 2,
        ..Knobs::default()
    });
    let _first = stage.tunnel(door).await;
    for second in Door::ALL {
        let _second = stage.tunnel(second).await;
        assert_eq!(stage.tunnels.live(&"joe".into()), 2);
        for third in Door::ALL {
            let (answer, _) = stage.joe(third, TARGET).await;
            assert_eq!(answer, third.limited(), "{third:?}");
        }
        let ann = Some(("ann", "secret"));
        assert_eq!(
            stage.ask_from(HOME, Door::Http, ann, TARGET).await.0,
            Answer::Open
        );
        settle().await;
        // Not by leaving: a target that is silent hears of that late, where its request is forwarded.
        let newest = stage.open.list().last().map(|it| it.id);
        assert_eq!(stage.open.close_where(|it| Some(it.id) == newest), 1);
        settle().await;
        assert_eq!(stage.tunnels.live(&"joe".into()), 1, "{second:?}");
    }
}

pub async fn request_rate(door: Door) {
    let stage = Stage::with(Knobs {
        requests_per_minute: 4,
        ..Knobs::default()
    });
    for door in from(door) {
        stage.tunnel(door).await;
    }
    for door in from(door) {
        let (answer, _) = stage.joe(door, TARGET).await;
        assert_eq!(answer, door.limited(), "{door:?}");
    }
}

pub async fn quota(door: Door) {
    for next in Door::ALL {
        let stage = Stage::with(Knobs {
            quota: 20,
            ..Knobs::default()
        });
        let (_, mut client) = stage.joe(door, TARGET).await;
        if door != Door::Get {
            echoes(&mut client, b"ping").await;
        }
        // Eight octets are used, and 24 are asked for. A forwarded request with its head is too long by itself.
        let _ = client.write_all(b"a dozen more").await;
        rest(&mut client).await;
        let (answer, _) = stage.joe(next, TARGET).await;
        assert_eq!(answer, next.limited(), "{next:?}");
    }
}

pub async fn bandwidth(door: Door) {
    for next in [Door::Socks5, Door::Socks4, Door::Http] {
        let stage = Stage::with(Knobs {
            down: 10_000,
            ..Knobs::default()
        });
        let began = Instant::now();
        let mut clients = [stage.tunnel(door).await, stage.tunnel(next).await];
        let [one, other] = &mut clients;
        let said = vec![7; 30_000];
        tokio::join!(echoes(one, &said), echoes(other, &said));
        let took = began.elapsed();
        assert!((4 * SECOND..7 * SECOND).contains(&took), "{took:?}");
    }
}

/// Nothing is heard of a connection beyond the limit.
async fn is_closed(mut client: DuplexStream, door: Door) {
    let answer = door.ask(&mut client, JOE, TARGET, b"").await;
    assert_eq!(answer, Answer::Closed, "{door:?}");
}

pub async fn sessions_per_client(door: Door) {
    let sessions = SessionLimit::new(1000).per_client(2).per_user(1000);
    let stage = Stage::with(Knobs {
        sessions,
        ..Knobs::default()
    });
    let _open = [stage.tunnel(door).await, stage.tunnel(door).await];
    for next in Door::ALL {
        is_closed(stage.arrive(HOME), next).await;
        let (answer, _) = stage.ask_from("8.8.4.4", next, JOE, TARGET).await;
        assert_eq!(answer, Answer::Open);
    }
}

pub async fn sessions_per_user(door: Door) {
    let sessions = SessionLimit::new(1000).per_client(1000).per_user(2);
    let stage = Stage::with(Knobs {
        sessions,
        ..Knobs::default()
    });
    let _open = [stage.tunnel(door).await, stage.tunnel(door).await];
    for next in Door::ALL {
        let (answer, _) = stage.ask_from("8.8.4.4", next, JOE, TARGET).await;
        assert!(
            answer == next.limited() || answer == next.denied(),
            "{next:?}: {answer:?}"
        );
        let ann = Some(("ann", "secret"));
        let (answer, _) = stage.ask_from("8.8.4.4", next, ann, TARGET).await;
        assert_eq!(answer, Answer::Open);
    }
}

/// A connection counts until its request is read, and not any longer.
pub async fn handshakes(door: Door) {
    let stage = Stage::with(Knobs {
        handshakes: 2,
        ..Knobs::default()
    });
    let mut tunnels = Vec::new();
    for _ in 0..4 {
        tunnels.push(stage.tunnel(door).await);
    }
    let mut waiting = [stage.arrive(HOME), stage.arrive(HOME)];
    let said = door.dialogue(JOE, TARGET.0, TARGET.1);
    waiting[1].write_all(&said[0][..1]).await.unwrap();
    for next in Door::ALL {
        is_closed(stage.arrive(HOME), next).await;
    }
    drop(waiting);
    settle().await;
    stage.tunnel(door).await;
}

/// An octet a second, and silence.
pub async fn deadline(door: Door) {
    let stage = Stage::new();
    let began = Instant::now();
    let mut client = stage.arrive(HOME);
    let said = door
        .dialogue(JOE, "a-name-that-takes-long.example.com", 443)
        .concat();
    for octet in said {
        if client.write_all(&[octet]).await.is_err() {
            break;
        }
        sleep(SECOND).await;
        if began.elapsed() > 20 * SECOND {
            break;
        }
    }
    let mut silent = stage.arrive(HOME);
    let quiet = Instant::now();
    rest(&mut silent).await;
    assert!(quiet.elapsed() <= 11 * SECOND, "{:?}", quiet.elapsed());
    timeout(SECOND, rest(&mut client))
        .await
        .expect("it was closed long ago");
    assert!(stage.open.list().is_empty());
}

/// A server that stops lets a tunnel end by itself, for a while.
pub async fn drain(door: Door) {
    let stage = Stage::new();
    let mut client = stage.tunnel(door).await;
    let open = stage.open.clone();
    let began = Instant::now();
    let stopping = tokio::spawn(stage.stop());
    sleep(SECOND).await;
    echoes(&mut client, b"until the limit").await;
    stopping.await.unwrap();
    let took = began.elapsed();
    assert!((7 * SECOND..8 * SECOND).contains(&took), "{took:?}");
    client.hear_end().await;
    assert!(open.list().is_empty());

    let stage = Stage::new();
    let client = stage.tunnel(door).await;
    let began = Instant::now();
    let stopping = tokio::spawn(stage.stop());
    settle().await;
    drop(client);
    stopping.await.unwrap();
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
}
