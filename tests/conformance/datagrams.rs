//! A9 to A15: sizes, destinations and limits.

use std::{net::SocketAddr, time::Duration};

use tokio::net::UdpSocket;
use tower::Layer;
use tower_socks::{
    AclLayer, Connector, NoAuth,
    connector::{
        associate::{Associate, Filtering, MakeDirect},
        resolve::Resolve,
    },
    proto::{Address, Command},
};

use crate::{
    association::{Association, reaches},
    case::{Outcome, Scope},
    selection::prefixed,
    server::{Server, ours, server},
    support::udp::{
        address,
        association::socket,
        pass,
        policies::{forbidding, hosts, slow},
    },
    support::{has_ipv6, stack},
    talk::{ASSOCIATE, Talk, name},
};

cases! {
    A9 a9_datagrams_pass_whole_or_not_at_all, "1928, 7", Scope::Any,
        "What fits into a datagram with its header passes whole, and what does not is dropped, never cut.",
        "Payloads up to 65,497 octets, by address and by name, each way; an answer of 65,507 is lost, alone.";
    A10 a10_a_datagram_that_cannot_go_is_lost_alone, "1928, 7", Scope::Any,
        "A destination that is unreachable, forbidden or unknown costs the datagrams to it and nothing else.",
        "Closed ports of both families, a broadcast address, a name that is none; an echo behind each.";
    A11 a11_a_slow_lookup_holds_nothing_up, "+", Scope::Ours("it sets a resolver"),
        "While a name is looked up, datagrams to others go on.",
        "A resolver that is held up; echoes by address and by another name, then the datagram itself.";
    A12 a12_the_policy_is_asked_about_every_destination, "+", Scope::Ours("it sets a policy"),
        "The policy is asked about each destination; groups, broadcast, wildcards and port 0 are none.",
        "A policy that forbids one of two targets, in several notations, and notes about which addresses it is asked.";
    A13 a13_limits_in_time_and_number, "+", Scope::Ours("it needs a clock that jumps"),
        "The datagrams of its client put the end of an idle association off, and no others; associations of a client and destinations are bounded.",
        "20 s of idleness, put off by the client and not by the target; a third association where two may be; a third destination.";
    A14 a14_nobody_unasked_gets_back, "+", Scope::Any,
        "Only hosts that the client has sent to may answer, unless an option says otherwise.",
        "An unasked datagram from 127.0.0.3 ahead of an answer; ours: each kind of filtering.";
    A15 a15_both_families_on_one_association, "1928, 7", Scope::Any,
        "One association reaches targets over IPv4 and over IPv6.",
        "Echoes with 127.0.0.1 and ::1 in turn.";
}

/// A server of ours with associations of these options.
async fn associating<R: Resolve + Sync>(associate: Associate<MakeDirect<R>>) -> Server {
    ours(stack(NoAuth, Connector::direct().with_associate(associate))).await
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

async fn a9_datagrams_pass_whole_or_not_at_all() -> Outcome {
    let association = Association::new(&server().await).await?;
    let target = socket("127.0.0.1").await;
    for len in [1_472, 4_086, 8_192, 9_000, 32_768, 65_497] {
        let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
        let echo = association.echo(&target, &payload).await;
        prefixed(&format!("{len} octets"), echo)?;
    }
    // A header of 16 octets.
    let by_name = name("127.0.0.1", port(&target));
    let most = vec![7; 65_507 - 3 - by_name.len()];
    association.send_to(&by_name, &most).await?;
    let out = reaches(&target, &most).await?;
    // With its header it would be larger than UDP can carry.
    target.send_to(&[7; 65_507], out).await.unwrap();
    target.send_to(b"small", out).await.unwrap();
    association.hear(&target, b"small").await?;
    association.echo(&target, b"ping").await.map(|_| ())
}

async fn a10_a_datagram_that_cannot_go_is_lost_alone() -> Outcome {
    let mut server = server().await;
    if server.is_ours() {
        let paths = MakeDirect::new().resolver(hosts(&[]).0);
        server = associating(Associate::with_transports(paths)).await;
    }
    let association = Association::new(&server).await?;
    let target = socket("127.0.0.1").await;
    association.echo(&target, b"ping").await?;
    let closed = |closed: UdpSocket| address(closed.local_addr().unwrap());
    let mut lost = vec![
        ("a closed port", closed(socket("127.0.0.1").await)),
        ("a broadcast", address("127.255.255.255:9".parse().unwrap())),
        ("port 0", address("127.0.0.1:0".parse().unwrap())),
        ("no network", address("0.0.0.1:9".parse().unwrap())),
    ];
    if has_ipv6() {
        lost.push(("a closed port of IPv6", closed(socket("::1").await)));
    }
    lost.push(("an unknown name", name("nowhere.invalid", 9)));
    for (what, dst) in lost {
        for _ in 0..3 {
            association.send_to(&dst, b"lost").await?;
            let echo = association.echo(&target, b"ping").await;
            prefixed(&format!("behind {what}"), echo)?;
        }
    }
    Ok(())
}

async fn a11_a_slow_lookup_holds_nothing_up() -> Outcome {
    let (resolver, gate) = slow();
    let paths = MakeDirect::new().resolver(resolver);
    let association =
        Association::new(&associating(Associate::with_transports(paths)).await).await?;
    let (target, other) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
    for _ in 0..3 {
        let slow = name("slow.example", port(&target));
        association.send_to(&slow, b"held up").await?;
        association.echo(&other, b"by address").await?;
        let quick = name("host.example", port(&other));
        association.send_to(&quick, b"by name").await?;
        reaches(&other, b"by name").await?;
        association.echo(&target, b"by address").await?;
    }
    gate.add_permits(1);
    for _ in 0..3 {
        reaches(&target, b"held up").await?;
    }
    Ok(())
}

async fn a12_the_policy_is_asked_about_every_destination() -> Outcome {
    let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
    let forbidden = one.local_addr().unwrap();
    let forbids = move |target: &Address, address: Option<SocketAddr>| {
        address.is_some_and(|address| address.ip() == forbidden.ip())
            || target.to_string().starts_with("forbidden.")
    };
    let (policy, asked) = forbidding(forbids);
    let (resolver, lookups) = hosts(&[("open.example", &["127.0.0.1", "127.0.0.2"])]);
    let paths = MakeDirect::new().resolver(resolver);
    let connector = Connector::direct().with_associate(Associate::with_transports(paths));
    let server = ours(stack(NoAuth, AclLayer::new(policy).layer(connector))).await;
    let association = Association::new(&server).await?;
    let request = asked.about(Command::UDP_ASSOCIATE);
    ensure!(request.len() == 1, "asked {request:?} about the request");
    asked.forget();

    let (closed, open) = (port(&one), port(&two));
    let mut none = vec![address(forbidden), name("forbidden.example", open)];
    none.extend(["127.1", "0x7f.1", "::ffff:127.0.0.1"].map(|disguise| name(disguise, closed)));
    for nobody in [
        format!("[::ffff:127.0.0.1]:{closed}"),
        format!("0.0.0.0:{open}"),
        format!("255.255.255.255:{open}"),
        format!("224.0.0.1:{open}"),
        format!("[ff02::1]:{open}"),
        "127.0.0.2:0".into(),
    ] {
        none.push(address(nobody.parse().unwrap()));
    }
    for dst in none {
        association.send_to(&dst, b"forbidden").await?;
    }
    association.echo(&two, b"ping").await?;
    // Of its addresses the one that may be used is.
    association
        .send_to(&name("open.example", open), b"by name")
        .await?;
    reaches(&two, b"by name").await?;
    // What was sent there before would be there by now.
    one.send_to(b"own", forbidden).await.unwrap();
    reaches(&one, b"own").await?;

    let addresses: Vec<_> = asked.about(Command::UDP_ASSOCIATE).into_iter().collect();
    for (stated, about) in &addresses {
        let about = about.as_ref().map(|about| about.parse().unwrap());
        let fine = about.is_none_or(|about: SocketAddr| {
            about.ip().is_loopback() && [closed, open].contains(&about.port())
        });
        ensure!(fine, "asked about {about:?} for {stated}");
    }
    let asked_for = |address: &UdpSocket| {
        let address = Some(address.local_addr().unwrap().to_string());
        addresses.iter().any(|(_, about)| *about == address)
    };
    ensure!(asked_for(&one) && asked_for(&two), "asked {addresses:?}");
    let lookups = lookups.lock().unwrap().clone();
    ensure!(lookups == ["open.example"], "looked up {lookups:?}");
    Ok(())
}

async fn a13_limits_in_time_and_number() -> Outcome {
    let associate = Associate::new().idle_timeout(Duration::from_secs(20));
    let server = associating(associate).await;
    let mut association = Association::new(&server).await?;
    let target = socket("127.0.0.1").await;
    let out = association.echo(&target, b"ping").await?;
    for _ in 0..2 {
        pass(12).await;
        association.say(&target, b"up").await?;
        reaches(&target, b"up").await?;
    }
    for _ in 0..2 {
        pass(9).await;
        target.send_to(b"down", out).await.unwrap();
        association.hear(&target, b"down").await?;
    }
    association.control.is_silent()?;
    pass(3).await;
    prefixed("the idle limit", association.control.ends().await)?;

    let server = associating(Associate::new().per_client(2)).await;
    let _first = Association::new(&server).await?;
    let second = Association::new(&server).await?;
    let mut third = server.asked(ASSOCIATE, b"\x01\0\0\0\0\0\0").await?;
    prefixed("a third association", third.refused(2).await)?;
    second.echo(&target, b"ping").await?;

    let paths = MakeDirect::new().destinations(2);
    let server = associating(Associate::with_transports(paths)).await;
    let association = Association::new(&server).await?;
    let targets = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(socket);
    let [first, second, third] = futures_util::future::join_all(targets)
        .await
        .try_into()
        .unwrap();
    for target in [&first, &second, &first] {
        association.echo(target, b"ping").await?;
    }
    let out = association.echo(&third, b"ping").await?;
    second.send_to(b"forgotten", out).await.unwrap();
    first.send_to(b"known", out).await.unwrap();
    prefixed(
        "a third destination",
        association.hear(&first, b"known").await,
    )
}

async fn a14_nobody_unasked_gets_back() -> Outcome {
    let server = server().await;
    let association = Association::new(&server).await?;
    let target = socket("127.0.0.1").await;
    let (host, sibling) = (socket("127.0.0.3").await, socket("127.0.0.1").await);
    let out = association.echo(&target, b"ping").await?;
    host.send_to(b"unasked", out).await.unwrap();
    target.send_to(b"answer", out).await.unwrap();
    association.hear(&target, b"answer").await?;
    if !server.is_ours() {
        return Ok(());
    }
    for (filtering, heard) in [
        (Filtering::EndpointIndependent, &[&host, &sibling][..]),
        (Filtering::AddressDependent, &[&sibling]),
        (Filtering::AddressAndPortDependent, &[]),
    ] {
        let paths = MakeDirect::new().filtering(filtering);
        let server = associating(Associate::with_transports(paths)).await;
        let association = Association::new(&server).await?;
        let out = association.echo(&target, b"ping").await?;
        for sender in [&host, &sibling, &target] {
            sender.send_to(b"news", out).await.unwrap();
        }
        for sender in heard.iter().copied().chain([&target]) {
            let hears = association.hear(sender, b"news").await;
            prefixed(&format!("{filtering:?}"), hears)?;
        }
    }
    Ok(())
}

async fn a15_both_families_on_one_association() -> Outcome {
    let association = Association::new(&server().await).await?;
    let mut targets = vec![("IPv4", socket("127.0.0.1").await)];
    if has_ipv6() {
        targets.push(("IPv6", socket("::1").await));
    }
    for payload in [&b"one"[..], b"two"] {
        for (what, target) in &targets {
            prefixed(what, association.echo(target, payload).await)?;
        }
    }
    Ok(())
}
