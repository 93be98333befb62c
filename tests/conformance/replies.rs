//! R9 to R13: what a reply says and what goes before and behind it.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
};

use futures_util::FutureExt;
use tower::{Layer, ServiceBuilder};
use tower_socks::{
    AclLayer, Connector, NoAuth, Refusal, Request,
    connector::direct::Direct,
    proto::{Address, Command, ReplyCode},
    session::Check,
};

use crate::{
    case::{Outcome, Scope},
    selection::prefixed,
    server::{ours, server},
    support::udp::{
        address,
        policies::{forbidding, hosts, slow},
    },
    support::{
        sockets::closed_port,
        stack,
        targets::{endless, failing},
    },
    talk::{BIND, CONNECT, Talk, arrival, echo, name, target},
};

cases! {
    R9 r9_refused_by_policy_is_02, "1928, 6", Scope::Ours("it sets a policy"),
        "What the policy refuses gets 02, be it the name, the command or the address behind the name.",
        "A closure as a policy, asked about the request as stated and about each address; nobody connects to the target.";
    R10 r10_every_failure_has_its_code, "1928, 6", Scope::Any,
        "Unreachable networks are 03, hosts and unknown names 04, refusals 05, time-outs 06, families that are not there 08, the rest 01.",
        "A closed port, and a network that is none; ours: each error of a dial, a name that does not resolve.";
    R11 r11_data_ahead_of_the_reply_goes_first, "1928, 6", Scope::Any,
        "What the client sends ahead of the reply is kept, and is the first that the target hears.",
        "Data right behind the request, and more of it; ours: with a dial that takes its time.";
    R12 r12_no_data_ahead_of_the_reply, "1928, 6", Scope::Any,
        "Nothing that the target says comes ahead of the reply.",
        "A target that speaks at once, 20 times.";
    R13 r13_non_canonical_literals_are_judged_as_addresses, "+", Scope::Ours("it sets a policy"),
        "A name that is really an address, in any notation, is judged as that address or refused.",
        "A policy against 127.0.0.1 as stated, and one as dialled; 20 notations of it by name, and one as IPv6.";
}

async fn r9_refused_by_policy_is_02() -> Outcome {
    let (listener, dst) = target().await;
    let port = listener.local_addr().unwrap().port();
    let policy = |request: &Request, check: Check| {
        let forbidden = match check.address() {
            None if request.command == Command::BIND => true,
            None => request.target.to_string().starts_with("forbidden."),
            Some(address) => address.ip().is_loopback(),
        };
        match forbidden {
            true => Err(Refusal::not_allowed("forbidden")),
            false => Ok(()),
        }
    };
    let (resolver, _) = hosts(&[("open.example", &["127.0.0.1"])]);
    let connector = Connector::direct().with_connect(Direct::new().resolver(resolver));
    let server = ours(stack(NoAuth, AclLayer::new(policy).layer(connector))).await;
    for (command, what, dst) in [
        (CONNECT, "by name", name("forbidden.example", port)),
        (CONNECT, "by address", dst.clone()),
        (
            CONNECT,
            "by the address of a name",
            name("open.example", port),
        ),
        (BIND, "BIND", dst),
    ] {
        let mut client = server.asked(command, &dst).await?;
        prefixed(what, client.refused(2).await)?;
    }
    let nobody = listener.accept().now_or_never().is_none();
    ensure!(nobody, "the target was connected to");
    Ok(())
}

async fn r10_every_failure_has_its_code() -> Outcome {
    let subject = server().await;
    let (port, _closed) = closed_port();
    for (what, dst, code) in [
        ("refused", SocketAddr::from(([127, 0, 0, 1], port)), 5),
        // TCP has no way to a group.
        ("no such network", ([224, 0, 0, 1], 9).into(), 3),
    ] {
        let mut client = subject.asked(CONNECT, &address(dst)).await?;
        prefixed(what, client.refused(code).await)?;
    }
    if !subject.is_ours() {
        return Ok(());
    }

    for (kind, code) in [
        (ErrorKind::NetworkUnreachable, 3),
        (ErrorKind::HostUnreachable, 4),
        (ErrorKind::ConnectionRefused, 5),
        (ErrorKind::TimedOut, 6),
        (ErrorKind::PermissionDenied, 1),
        (ErrorKind::Other, 1),
    ] {
        let server = ours(stack(NoAuth, failing(move || io::Error::from(kind)))).await;
        let mut client = server.asked(CONNECT, &name("a.example", 80)).await?;
        prefixed(&format!("{kind:?}"), client.refused(code).await)?;
    }
    for code in [1, 4, 0x91] {
        let refusal = move || Refusal::new(ReplyCode(code), "for a reason");
        let server = ours(stack(NoAuth, failing(refusal))).await;
        let mut client = server.asked(CONNECT, &name("a.example", 80)).await?;
        client.refused(code).await?;
    }
    let late = ServiceBuilder::new()
        .timeout(std::time::Duration::from_millis(20))
        .service(endless().0);
    let server = ours(stack(NoAuth, late)).await;
    let mut client = server.asked(CONNECT, &name("a.example", 80)).await?;
    prefixed("a time limit", client.refused(6).await)?;

    let v4: IpAddr = [127, 0, 0, 1].into();
    let direct = Direct::new().local_address(v4).resolver(hosts(&[]).0);
    let connector = Connector::direct().with_connect(direct);
    let server = ours(stack(NoAuth, connector)).await;
    let mut client = server.asked(CONNECT, &name("nowhere.example", 80)).await?;
    prefixed("an unknown name", client.refused(4).await)?;
    let v6 = address("[::1]:80".parse().unwrap());
    let mut client = server.asked(CONNECT, &v6).await?;
    prefixed("a family that is not there", client.refused(8).await)
}

async fn r11_data_ahead_of_the_reply_goes_first() -> Outcome {
    let server = server().await;
    let (listener, dst) = target().await;
    for len in [1, 100, 20_000] {
        let data: Vec<u8> = (0..=250).cycle().take(len).collect();
        let all = [&[5, CONNECT, 0], &*dst, &data].concat();
        let mut client = server.client().await?;
        client.say(&all).await?;
        client.bound().await?;
        let (mut peer, _) = arrival(&listener).await?;
        client.say(b"and more").await?;
        let heard = peer.hear(&[&*data, b"and more"].concat()).await;
        prefixed(&format!("{len} octets"), heard)?;
    }
    if server.is_ours() {
        let (resolver, gate) = slow();
        let connector = Connector::direct().with_connect(Direct::new().resolver(resolver));
        let server = ours(stack(NoAuth, connector)).await;
        let dst = name("slow.example", listener.local_addr().unwrap().port());
        let mut client = server.asked(CONNECT, &dst).await?;
        client.say(b"one ").await?;
        client.say(b"two ").await?;
        client.is_silent()?;
        gate.add_permits(1);
        client.bound().await?;
        client.say(b"three").await?;
        let (mut peer, _) = arrival(&listener).await?;
        peer.hear(b"one two three").await?;
    }
    Ok(())
}

async fn r12_no_data_ahead_of_the_reply() -> Outcome {
    let server = server().await;
    let (listener, dst) = target().await;
    for _ in 0..20 {
        let mut client = server.asked(CONNECT, &dst).await?;
        let (mut peer, _) = arrival(&listener).await?;
        peer.say(b"220 hello").await?;
        client.bound().await?;
        client.hear(b"220 hello").await?;
        echo(&mut client, &mut peer).await?;
    }
    Ok(())
}

/// 127.0.0.1, for one parser of addresses or another.
const DISGUISES: [&str; 20] = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "0x7f000001",
    "0X7F.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "2130706433",
    "127.000.000.001",
    "00000177.0.0.0x1",
    "::ffff:127.0.0.1",
    "[::ffff:127.0.0.1]",
    "::FFFF:7f00:1",
    "::ffff:7f00:1.",
    "0:0:0:0:0:ffff:127.0.0.1",
    "[127.0.0.1]",
    "127.0.0.1%lo",
    "::ffff:127.0.0.1%1",
];

async fn r13_non_canonical_literals_are_judged_as_addresses() -> Outcome {
    let (listener, _) = target().await;
    let port = listener.local_addr().unwrap().port();
    let v4 = IpAddr::from([127, 0, 0, 1]);
    let mapped = address(format!("[::ffff:127.0.0.1]:{port}").parse().unwrap());
    let mut all: Vec<_> = DISGUISES
        .map(|disguise| (disguise, name(disguise, port)))
        .into();
    all.push(("::ffff:127.0.0.1 as ATYP 04", mapped));
    // One policy looks at what is stated and knows one spelling, the other at what is dialled.
    for as_stated in [true, false] {
        let forbids = move |target: &Address, address: Option<SocketAddr>| match address {
            None => as_stated && target.ip() == Some(SocketAddr::new(v4, port)),
            Some(address) => !as_stated && address.ip() == v4,
        };
        let (policy, _) = forbidding(forbids);
        let service = AclLayer::new(policy).layer(Connector::direct());
        let server = ours(stack(NoAuth, service)).await;
        for (what, dst) in &all {
            let mut client = server.asked(CONNECT, dst).await?;
            let code = client.reply().await?.code;
            ensure!(code != 0, "{what} gets a success");
            client.ends().await?;
        }
    }
    let nobody = listener.accept().now_or_never().is_none();
    ensure!(nobody, "the target was connected to");
    Ok(())
}
