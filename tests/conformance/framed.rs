//! O9: what holds of associations holds of datagrams in a stream.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::net::UdpSocket;
use tower::{Layer, util::MapResponse};
use tower_socks::{
    AclLayer, Connector, Refusal, Request,
    connector::associate::{Associate, MakeDirect},
    io::{Direction, DropReason, Meter},
    proto::{Address, Command},
    session::{Check, TunnelExt},
};

use crate::{
    association::reaches,
    case::Outcome,
    frames::{Frames, KINDS, Kind, offered, server, serving},
    selection::prefixed,
    support::{
        has_ipv6,
        udp::{
            association::socket,
            pass,
            policies::{forbidding, hosts, slow},
        },
    },
    talk::Talk,
};

pub async fn o9_what_holds_of_associations_holds_here() -> Outcome {
    lost_alone().await?;
    if server().await.is_ours() {
        prefixed("A11", a_slow_lookup().await)?;
        prefixed("A12", the_policy().await)?;
        prefixed("A13", limits().await)?;
        prefixed("A14", the_unasked().await)?;
        prefixed("a client that does not read", who_does_not_read().await)?;
    }
    Ok(())
}

/// A10 and A15.
async fn lost_alone() -> Outcome {
    let mut server = server().await;
    if server.is_ours() {
        let paths = MakeDirect::new().resolver(hosts(&[]).0);
        let associate = Associate::with_transports(paths);
        server = serving(Connector::direct().with_associate(associate)).await;
    }
    let target = socket("127.0.0.1").await;
    let sixth = match has_ipv6() {
        true => Some(socket("::1").await),
        false => None,
    };
    let closed = socket("127.0.0.1").await.local_addr().unwrap();
    for kind in offered(&server).await? {
        if kind == Kind::Connected {
            continue;
        }
        // Some take the family from the request.
        if kind == Kind::V2 && !server.is_ours() {
            continue;
        }
        let mut frames = Frames::new(&server, kind, &target).await?;
        let mut lost = vec![("a closed port", kind.frame(closed, b"lost"))];
        if server.is_ours() {
            for (what, to) in [
                ("a broadcast", "127.255.255.255:9"),
                ("port 0", "127.0.0.1:0"),
                ("no network", "0.0.0.1:9"),
            ] {
                lost.push((what, kind.frame(to.parse().unwrap(), b"lost")));
            }
            lost.push(("no such name", kind.named("nowhere.invalid", 9, b"lost")));
            lost.push(("a bad name", kind.named("-a b-", 9, b"lost")));
        }
        for (what, frame) in lost {
            for _ in 0..3 {
                frames.stream.say(&frame).await?;
                let echo = frames.echo(b"ping").await;
                prefixed(&format!("{kind:?}, behind {what}"), echo)?;
            }
        }
        if let Some(sixth) = &sixth {
            for target in [sixth, &target, sixth] {
                frames.target = target;
                frames.echo(b"either").await?;
            }
        }
    }
    Ok(())
}

async fn a_slow_lookup() -> Outcome {
    let (resolver, gate) = slow();
    let associate = Associate::with_transports(MakeDirect::new().resolver(resolver));
    let server = serving(Connector::direct().with_associate(associate)).await;
    let target = socket("127.0.0.1").await;
    let port = target.local_addr().unwrap().port();
    for kind in [Kind::V1, Kind::V2, Kind::ForwardUdp] {
        let mut frames = Frames::new(&server, kind, &target).await?;
        let slow = kind.named("slow.example", port, b"held up");
        frames.stream.say(&slow).await?;
        frames.echo(b"by address").await?;
        let quick = kind.named("host.example", port, b"by name");
        frames.stream.say(&quick).await?;
        reaches(&target, b"by name").await?;
        gate.add_permits(1);
        reaches(&target, b"held up").await?;
    }
    Ok(())
}

async fn the_policy() -> Outcome {
    let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
    let forbidden = one.local_addr().unwrap();
    let forbids = move |_: &Address, address: Option<SocketAddr>| {
        address.is_some_and(|address| address.ip() == forbidden.ip())
    };
    let (policy, asked) = forbidding(forbids);
    let server = serving(AclLayer::new(policy).layer(Connector::direct())).await;
    for kind in KINDS {
        asked.forget();
        let mut frames = Frames::new(&server, kind, &two).await?;
        if kind != Kind::Connected {
            let said = kind.frame(forbidden, b"forbidden");
            frames.stream.say(&said).await?;
        }
        frames.echo(b"ping").await?;
        // Each question is one about an association.
        let questions = asked.about(Command::UDP_ASSOCIATE);
        let about = |of: &UdpSocket| {
            let of = Some(of.local_addr().unwrap().to_string());
            questions.iter().any(|(_, about)| *about == of)
        };
        let is_asked = about(&two) && (about(&one) || kind == Kind::Connected);
        ensure!(is_asked, "{kind:?}: asked {questions:?}");
        let mut forbidden = Frames::new(&server, kind, &one).await?;
        forbidden.say(b"forbidden").await?;
        forbidden.stream.is_silent()?;
    }
    // What was sent there before would be there by now.
    one.send_to(b"own", forbidden).await.unwrap();
    reaches(&one, b"own").await?;

    let denying = move |request: &Request, _: Check| match request.command {
        Command::UDP_ASSOCIATE => Err(Refusal::not_allowed("no UDP")),
        _ => Ok(()),
    };
    let server = serving(AclLayer::new(denying).layer(Connector::direct())).await;
    for kind in KINDS {
        let mut client = server.client().await?;
        client.say(&[&[5][..], &kind.request()].concat()).await?;
        prefixed(&format!("{kind:?}"), client.refused(2).await)?;
    }
    Ok(())
}

async fn limits() -> Outcome {
    let associate = Associate::new()
        .idle_timeout(Duration::from_secs(20))
        .per_client(2);
    let server = serving(Connector::direct().with_associate(associate)).await;
    let target = socket("127.0.0.1").await;
    let mut frames = Frames::new(&server, Kind::V2, &target).await?;
    let out = frames.echo(b"ping").await?;
    let second = Frames::new(&server, Kind::V1, &target).await?;
    let mut third = server.client().await?;
    let request = Kind::ForwardUdp.request();
    third.say(&[&[5][..], &request].concat()).await?;
    prefixed("a third", third.refused(2).await)?;
    drop(second);
    pass(12).await;
    frames.say(b"up").await?;
    reaches(&target, b"up").await?;
    for _ in 0..2 {
        pass(9).await;
        target.send_to(b"down", out).await.unwrap();
        frames.hear(b"down").await?;
    }
    frames.stream.is_silent()?;
    pass(3).await;
    prefixed("the idle limit", frames.stream.ends().await)
}

async fn the_unasked() -> Outcome {
    let server = server().await;
    let (target, host) = (socket("127.0.0.1").await, socket("127.0.0.3").await);
    for kind in KINDS {
        let mut frames = Frames::new(&server, kind, &target).await?;
        let out = frames.echo(b"ping").await?;
        host.send_to(b"unasked", out).await.unwrap();
        target.send_to(b"answer", out).await.unwrap();
        frames.hear(b"answer").await?;
    }
    Ok(())
}

/// Counts what is dropped for want of room.
#[derive(Clone, Debug, Default)]
struct Overflows(Arc<AtomicUsize>);

impl Meter for Overflows {
    fn moved(&mut self, _: Direction, _: usize) {}

    fn dropped(&mut self, reason: DropReason, count: usize) {
        if reason == DropReason::Overflow {
            self.0.fetch_add(count, SeqCst);
        }
    }
}

/// 32 MiB come for a client that sleeps, while another one is served. Then it reads: whole datagrams, in order.
async fn who_does_not_read() -> Outcome {
    const EACH: usize = 1_024;
    const COUNT: usize = 32 * 1_024;
    let overflows = Overflows::default();
    let meter = overflows.clone();
    let connector = MapResponse::new(Connector::direct(), move |tunnel| {
        TunnelExt::metered(tunnel, meter.clone())
    });
    let server = serving(connector).await;
    let (target, awake) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
    let mut other = Frames::new(&server, Kind::V1, &awake).await?;
    for kind in KINDS {
        let before = overflows.0.load(SeqCst);
        let mut frames = Frames::new(&server, kind, &target).await?;
        let out = frames.echo(b"ping").await?;
        for number in 0..COUNT {
            let mut payload = [7; EACH];
            payload[..8].copy_from_slice(&number.to_be_bytes());
            target.send_to(&payload, out).await.unwrap();
            if number % 64 == 0 {
                other.echo(b"awake").await?;
            }
        }
        let dropped = overflows.0.load(SeqCst) - before;
        ensure!(
            dropped > COUNT / 4,
            "{kind:?}: {dropped} of {COUNT} dropped"
        );
        // Up to a mark, which is sent until there is room for it.
        let (mut last, mut heard) = (None, 0);
        loop {
            target.send_to(&[8; EACH], out).await.unwrap();
            let frame = kind.frame(frames.to(), &[0; EACH]);
            let octets = frames.stream.octets(frame.len()).await?;
            let (header, payload) = octets.split_at(frame.len() - EACH);
            ensure!(header == &frame[..header.len()], "{kind:?}: {header:x?}");
            if payload[8..] == [8; EACH - 8] {
                break;
            }
            ensure!(payload[8..] == [7; EACH - 8], "{kind:?}: cut");
            let number = usize::from_be_bytes(payload[..8].try_into().unwrap());
            ensure!(last < Some(number), "{kind:?}: {number} behind {last:?}");
            (last, heard) = (Some(number), heard + 1);
        }
        ensure!(heard + dropped <= COUNT, "{kind:?}: {heard} and {dropped}");
        other.echo(b"awake").await?;
    }
    Ok(())
}
