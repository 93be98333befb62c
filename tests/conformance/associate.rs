//! A1 to A8: associations, who may use them, and what is a datagram.

use std::{net::SocketAddr, time::Duration};

use futures_util::FutureExt;
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep},
};
use tower_socks::{Connector, NoAuth, connector::associate::Associate};

use crate::{
    association::{Association, reaches, receive},
    case::{Miss, Outcome, Scope},
    selection::prefixed,
    server::{ours, server},
    support::udp::{
        address,
        association::{datagram, socket},
        pass,
    },
    support::{has_ipv6, stack},
    talk::{LIMIT, Talk, name, shown},
};

cases! {
    A1 a1_dst_is_where_the_client_sends_from, "1928, 4 and 6", Scope::Any,
        "DST tells where the client will send from, zeros that it does not know; nothing is ever sent there.",
        "With the client's address and with zeros; ours: with another socket's, which hears nothing.";
    A2 a2_the_association_ends_with_its_connection, "1928, 6", Scope::Any,
        "When its TCP connection ends the association ends.",
        "The port of BND is free again.";
    A3 a3_bnd_can_be_sent_to, "1928, 6", Scope::Any,
        "BND is where the client has to send: never a wildcard, but where it reached the server, or what was configured.",
        "An address and a port; ours: several addresses of the server, and one that is configured.";
    A4 a4_nobody_else_gets_in, "1928, 7", Scope::Any,
        "Datagrams from another IP address than the client's are dropped; + so are those from another port than its first.",
        "A stranger at 127.0.0.2, before and after the client; another port of the client's; ours: the option.";
    A5 a5_answers_tell_their_source, "1928, 7", Scope::Any,
        "An answer says by IP address where it came from.",
        "Two targets by address, one by name, one over IPv6.";
    A6 a6_garbage_is_dropped_in_silence, "1928, 7", Scope::Any,
        "Garbage is dropped without a word, and the association lives on.",
        "Short headers, reserved octets, unknown address types, bad names.";
    A7 a7_fragments_are_put_together_or_dropped, "1928, 7", Scope::Any,
        "Fragments make one datagram, within bounds of time and memory, or are dropped; none goes on alone.",
        "Two fragments; ours: begun anew by a lower one, a gap, the timer at 5 s, 64 KiB; the option to drop.";
    A8 a8_empty_payloads_pass, "1928, 7", Scope::Any,
        "A datagram without a payload is one.",
        "Both ways, among others.";
}

async fn a1_dst_is_where_the_client_sends_from() -> Outcome {
    let server = server().await;
    let target = socket("127.0.0.1").await;
    let zeros = Association::new(&server).await?;
    prefixed("zeros", zeros.echo(&target, b"ping").await)?;

    let udp = socket("127.0.0.1").await;
    let known = udp.local_addr().unwrap();
    let known = Association::from(&server, known, udp).await?;
    prefixed(
        "its address",
        known.echo(&target, b"ping").await.map(|_| ()),
    )?;

    let elsewhere = socket("127.0.0.2").await;
    let dst = elsewhere.local_addr().unwrap();
    let udp = socket("127.0.0.1").await;
    let association = Association::from(&server, dst, udp).await?;
    if server.is_ours() {
        association.echo(&target, b"ping").await?;
    } else {
        association.say(&target, b"ping").await?;
        sleep(Duration::from_millis(50)).await;
    }
    let heard = elsewhere.recv(&mut [0; 1]).now_or_never();
    ensure!(heard.is_none(), "DST was sent to");
    Ok(())
}

async fn a2_the_association_ends_with_its_connection() -> Outcome {
    let server = server().await;
    let association = Association::new(&server).await?;
    let relay = association.relay;
    let target = socket("127.0.0.1").await;
    association.echo(&target, b"ping").await?;
    drop(association);
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        if UdpSocket::bind(relay).await.is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(5)).await;
    }
    Err(Miss::Fails(format!("the socket is there {LIMIT:?} later")))
}

async fn a3_bnd_can_be_sent_to() -> Outcome {
    let mut subject = server().await;
    let udp = socket("127.0.0.1").await;
    let mut control = subject.client().await?;
    control.say(b"\x05\x03\x00\x01\0\0\0\0\0\0").await?;
    let reply = control.reply().await?;
    if reply.code == 7 && !subject.is_ours() {
        return Err(Miss::Skipped("it has no UDP ASSOCIATE".into()));
    }
    let (code, Some(bound)) = (reply.code, reply.bound) else {
        return Err(Miss::Fails("BND is a name".into()));
    };
    ensure!(
        code == 0 && !bound.ip().is_unspecified() && bound.port() != 0,
        "reply {code:02x}, BND {bound}"
    );
    let target = socket("127.0.0.1").await;
    let association = Association {
        control,
        udp,
        relay: bound,
    };
    association.echo(&target, b"ping").await?;
    if !subject.is_ours() {
        return Ok(());
    }

    subject.address =
        crate::support::proxy_on("0.0.0.0:0", stack(NoAuth, Connector::direct())).await;
    for ip in ["127.0.0.1", "127.0.0.3"] {
        subject.address.set_ip(ip.parse().unwrap());
        let association = Association::new(&subject).await?;
        let told = association.relay.ip();
        ensure!(told == subject.address.ip(), "{told} for a client of {ip}");
        association.echo(&target, b"ping").await?;
    }
    let public = [203, 0, 113, 7].into();
    let associate = Associate::new().public_address(public);
    let server = ours(stack(NoAuth, Connector::direct().with_associate(associate))).await;
    let association = Association::new(&server).await?;
    ensure!(
        association.relay.ip() == public,
        "BND {}",
        association.relay
    );
    Ok(())
}

async fn a4_nobody_else_gets_in() -> Outcome {
    let server = server().await;
    let association = Association::new(&server).await?;
    let target = socket("127.0.0.1").await;
    let stranger = socket("127.0.0.2").await;
    let intrusion = datagram(0, &address(target.local_addr().unwrap()), b"intrusion");
    for what in [
        "a stranger before the client",
        "a stranger behind the client",
    ] {
        association.send_from(&stranger, &intrusion).await?;
        let echo = association.echo(&target, b"ping").await;
        prefixed(what, echo)?;
    }
    let port = socket("127.0.0.1").await;
    association.send_from(&port, &intrusion).await?;
    let echo = association.echo(&target, b"ping").await;
    prefixed("+ another port of the client", echo)?;

    if server.is_ours() {
        let associate = Associate::new().any_client_port();
        let server = ours(stack(NoAuth, Connector::direct().with_associate(associate))).await;
        let mut association = Association::new(&server).await?;
        for _ in 0..2 {
            association.echo(&target, b"ping").await?;
            association.udp = socket("127.0.0.1").await;
        }
    }
    Ok(())
}

async fn a5_answers_tell_their_source() -> Outcome {
    let server = server().await;
    let association = Association::new(&server).await?;
    let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
    for target in [&one, &two, &one] {
        association.echo(target, b"by address").await?;
    }
    let by_name = name("127.0.0.1", one.local_addr().unwrap().port());
    association.send_to(&by_name, b"by name").await?;
    let source = reaches(&one, b"by name").await?;
    one.send_to(b"answer", source).await.unwrap();
    prefixed("by name", association.hear(&one, b"answer").await)?;
    if server.is_ours() && has_ipv6() {
        association.echo(&socket("::1").await, b"over IPv6").await?;
    }
    Ok(())
}

async fn a6_garbage_is_dropped_in_silence() -> Outcome {
    let server = server().await;
    let association = Association::new(&server).await?;
    let target = socket("127.0.0.1").await;
    association.echo(&target, b"ping").await?;
    let dst = address(target.local_addr().unwrap());
    let whole = datagram(0, &dst, b"x");
    let mut garbage = Vec::new();
    for cut in 0..10 {
        garbage.push((format!("{cut} octets"), whole[..cut].to_vec()));
    }
    for (octet, value) in [(3, 0), (3, 2), (3, 5), (3, 255), (0, 1), (1, 1), (0, 255)] {
        let mut other = whole.clone();
        other[octet] = value;
        garbage.push((format!("{value:02x} at {octet}"), other));
    }
    for bad in ["", "a b", "a\0b", "a\rb"] {
        garbage.push((format!("{bad:?}"), datagram(0, &name(bad, 80), b"x")));
    }
    garbage.push(("a name cut".into(), b"\0\0\0\x03\xffshort".to_vec()));
    garbage.push((
        "an address cut".into(),
        b"\0\0\0\x04\0\0\0\0\0\0\0\0\x01\0\x50".to_vec(),
    ));
    for (what, datagram) in garbage {
        association.send(&datagram).await?;
        let echo = association.echo(&target, b"ping").await;
        prefixed(&what, echo)?;
    }
    Ok(())
}

async fn a7_fragments_are_put_together_or_dropped() -> Outcome {
    const LAST: u8 = 0x80;
    const ANEW: &[(u8, &[u8])] = &[
        (1, b"lost "),
        (2, b"lost "),
        (1, b"one "),
        (2 | LAST, b"two"),
    ];
    let subject = server().await;
    let target = socket("127.0.0.1").await;
    let dst = address(target.local_addr().unwrap());
    let pieces: [(u8, &[u8]); 2] = [(1, b"one "), (2 | LAST, b"two")];

    let association = Association::new(&subject).await?;
    association.echo(&target, b"ping").await?;
    fragments(&association, &dst, &pieces).await?;
    association.say(&target, b"behind").await?;
    let (mut heard, _) = receive("the target", &target).await?;
    if heard == b"one two" {
        heard = receive("the target", &target).await?.0;
    }
    ensure!(heard == b"behind", "the target hears {}", shown(&heard));
    if !subject.is_ours() {
        return Ok(());
    }

    let association = Association::new(&subject).await?;
    for whole in [&pieces[..], ANEW] {
        fragments(&association, &dst, whole).await?;
        reaches(&target, b"one two").await?;
    }
    let large = [7; 32_000];
    for lost in [
        &[(1, &b"lost"[..]), (3 | LAST, b"lost")][..],
        &[(2, b"lost"), (3 | LAST, b"lost")],
        &[(1, &large), (2, &large), (3 | LAST, &large[..1_508])],
    ] {
        fragments(&association, &dst, lost).await?;
        association.echo(&target, b"ping").await?;
    }
    // Not under 5 s, and not much more.
    fragments(&association, &dst, &pieces[..1]).await?;
    association.echo(&target, b"meanwhile").await?;
    pass(4).await;
    fragments(&association, &dst, &pieces[1..]).await?;
    reaches(&target, b"one two").await?;
    fragments(&association, &dst, &pieces[..1]).await?;
    association.echo(&target, b"meanwhile").await?;
    pass(6).await;
    fragments(&association, &dst, &pieces[1..]).await?;
    association.echo(&target, b"too late").await?;

    let associate = Associate::new().drop_fragments();
    let server = ours(stack(NoAuth, Connector::direct().with_associate(associate))).await;
    let association = Association::new(&server).await?;
    fragments(&association, &dst, &pieces).await?;
    prefixed(
        "dropped",
        association.echo(&target, b"ping").await.map(|_| ()),
    )
}

async fn fragments(association: &Association, dst: &[u8], all: &[(u8, &[u8])]) -> Outcome {
    for (fragment, payload) in all {
        association.send(&datagram(*fragment, dst, payload)).await?;
    }
    Ok(())
}

async fn a8_empty_payloads_pass() -> Outcome {
    let association = Association::new(&server().await).await?;
    let target = socket("127.0.0.1").await;
    for payload in [&b""[..], b"x", b"", b""] {
        let echo = association.echo(&target, payload).await;
        prefixed(
            &format!("{} octets", payload.len()),
            echo.map(|_: SocketAddr| ()),
        )?;
    }
    Ok(())
}
