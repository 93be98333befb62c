//! O1 to O10: datagrams in the client's stream. What holds of associations is in
//! [`framed`](super::framed).

use std::{net::SocketAddr, time::Duration};

use futures_util::FutureExt;
use tokio::{
    io::AsyncWriteExt,
    net::UdpSocket,
    time::{Instant, sleep},
};
use tower_socks::{Connector, connector::direct::Direct};

use crate::{
    association::reaches,
    case::{Miss, Outcome, Scope},
    framed::o9_what_holds_of_associations_holds_here,
    frames::{
        FORWARD_UDP, Frames, KINDS, Kind, V1_NAME, V2_NAME, forwarded, offered, opened, server,
        serving,
    },
    selection::prefixed,
    support::{
        has_ipv6,
        udp::{address, association::socket, policies::hosts},
    },
    talk::{CONNECT, LIMIT, Talk, leave, name},
};

cases! {
    O1 o1_version_2_has_a_request_and_two_modes, "sing", Scope::Any,
        "CONNECT to sp.v2.udp-over-tcp.arpa, any port, then ISCONNECT ATYP ADDR PORT: 0, and each frame has an address; 1, and LEN DATA goes to that one and comes from it.",
        "Ports 0, 443 and 65,535; both modes, of the second by address and by name; ours: another socket's answer.";
    O2 o2_frames_of_version_1_have_other_types_of_address, "sing", Scope::Any,
        "CONNECT to sp.udp-over-tcp.arpa, then ATYP ADDR PORT LEN DATA each way, ATYP 00 IPv4, 01 IPv6, 02 a name.",
        "Octets written out, of each type; answers come from IP addresses.";
    O3 o3_fwd_udp_is_command_05, "hev", Scope::Any,
        "CMD 05 has an ordinary reply, then LEN HDRLEN ATYP ADDR PORT DATA each way: LEN counts DATA, HDRLEN all before it.",
        "Octets written out, of each type; DST as zeros, an address and a name.";
    O4 o4_other_names_are_names, "+", Scope::Any,
        "Other names under .arpa stand for hosts; + of these two the one form counts, whatever the notation.",
        "Four that look alike; ours: what is looked up, capital letters, a dot at the end.";
    O5 o5_the_first_frame_may_come_with_the_request, "sing", Scope::Ours("many read no further than the reply"),
        "Frames may come in one piece with the request.",
        "Method, request, what is in front of the frames, and three of them in one write.";
    O6 o6_pieces_change_nothing, "+", Scope::Any,
        "Frames may be cut anywhere.",
        "A cut at each octet of three frames, and octet by octet from the first on.";
    O7 o7_a_malformed_frame_ends_the_tunnel, "+", Scope::Any,
        "Where the next frame begins is unknown behind a malformed one: the stream ends; what came before has gone.",
        "Unknown types of address, a wrong HDRLEN, the end within a frame.";
    O8 o8_datagrams_pass_whole_or_not_at_all, "1928, 7", Scope::Any,
        "Empty datagrams pass, so does what fits into a datagram, and nothing is cut: an answer too long for a frame is dropped, alone.",
        "0 to 16,000 octets each way; ours: 65,507, and of FWD UDP an answer of 1,494; 65,535 from the client.";
    O9 o9_what_holds_of_associations_holds_here, "+", Scope::Any,
        "A10 to A15 hold; a client that does not read loses datagrams beyond a bound in octets, which are counted, and no other's.",
        "Destinations that cannot be reached; ours: a policy, a slow lookup, filtering, limits, 32 MiB for one who sleeps.";
    O10 o10_the_end_of_the_stream_is_the_end, "+", Scope::Any,
        "When the stream ends the association ends.",
        "The port that targets saw is free again behind an end and a reset.";
}

async fn o1_version_2_has_a_request_and_two_modes() -> Outcome {
    let server = server().await;
    let (target, other) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
    let to = target.local_addr().unwrap();
    for port in [0, 443, 65_535] {
        let mut client = server.asked(CONNECT, &name(V2_NAME, port)).await?;
        prefixed(&format!("port {port}"), opened(&server, &mut client).await)?;
        let first = [&b"\0"[..], &address(to)].concat();
        client.say(&first).await?;
        let mut frames = Frames {
            stream: client,
            kind: Kind::V2,
            target: &target,
        };
        frames.echo(b"ping").await?;
        // Where frames have addresses, that of the request means nothing.
        frames.target = &other;
        frames.echo(b"pong").await?;
    }
    for (what, dst) in [
        ("an address", address(to)),
        ("a name", name("localhost", to.port())),
    ] {
        if what == "a name" && !is_ipv4("localhost") {
            continue;
        }
        let mut frames = Frames::asked(&server, Kind::Connected, &target).await?;
        frames.stream.say(&[&b"\x01"[..], &dst].concat()).await?;
        let out = prefixed(what, frames.echo(b"ping").await)?;
        if server.is_ours() {
            // A frame has no word for where it is from.
            other.send_to(b"from elsewhere", out).await.unwrap();
        }
        prefixed(what, frames.echo(b"pong").await)?;
    }
    Ok(())
}

/// Whether a name stands for addresses of IPv4 alone, as far as this machine says.
fn is_ipv4(name: &str) -> bool {
    use std::net::ToSocketAddrs;
    let addresses = (name, 0).to_socket_addrs();
    addresses.is_ok_and(|mut them| them.all(|address| address.is_ipv4()))
}

/// What the client says comes to the target as `payload`, and its answer back as the client is to hear it.
async fn echoes(
    client: &mut impl Talk,
    target: &UdpSocket,
    payload: &[u8],
    said: &[u8],
    heard: &[u8],
) -> Outcome {
    client.say(said).await?;
    let out = reaches(target, payload).await?;
    target.send_to(payload, out).await.unwrap();
    client.hear(heard).await
}

async fn o2_frames_of_version_1_have_other_types_of_address() -> Outcome {
    let server = server().await;
    let target = socket("127.0.0.1").await;
    let port = target.local_addr().unwrap().port().to_be_bytes();
    let mut client = server.asked(CONNECT, &name(V1_NAME, 0)).await?;
    opened(&server, &mut client).await?;
    let heard = [b"\x00\x7f\0\0\x01", &port[..], b"\0\x04ping"].concat();
    let named = [b"\x02\x09127.0.0.1", &port[..], b"\0\x04ping"].concat();
    for said in [&heard, &named] {
        echoes(&mut client, &target, b"ping", said, &heard).await?;
    }
    if has_ipv6() {
        let target = socket("::1").await;
        let port = target.local_addr().unwrap().port().to_be_bytes();
        let frame = [
            b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01",
            &port[..],
            b"\0\0",
        ]
        .concat();
        echoes(&mut client, &target, b"", &frame, &frame).await?;
    }
    Ok(())
}

async fn o3_fwd_udp_is_command_05() -> Outcome {
    let server = server().await;
    let target = socket("127.0.0.1").await;
    let port = target.local_addr().unwrap().port().to_be_bytes();
    for dst in [
        b"\x01\0\0\0\0\0\0".to_vec(),
        b"\x01\xc0\0\x02\x01\0\x35".to_vec(),
        name("host.invalid", 53),
    ] {
        let mut client = server.asked(FORWARD_UDP, &dst).await?;
        opened(&server, &mut client).await?;
        let heard = [b"\0\x04\x0a\x01\x7f\0\0\x01", &port[..], b"ping"].concat();
        let named = [b"\0\x04\x10\x03\x09127.0.0.1", &port[..], b"ping"].concat();
        for said in [&heard, &named] {
            echoes(&mut client, &target, b"ping", said, &heard).await?;
        }
        if has_ipv6() {
            let target = socket("::1").await;
            let port = target.local_addr().unwrap().port().to_be_bytes();
            let frame = [
                b"\0\x02\x16\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01",
                &port[..],
                b"v6",
            ]
            .concat();
            echoes(&mut client, &target, b"v6", &frame, &frame).await?;
        }
    }
    Ok(())
}

async fn o4_other_names_are_names() -> Outcome {
    let mut server = server().await;
    let (resolver, lookups) = hosts(&[]);
    if server.is_ours() {
        server = serving(Connector::direct().with_connect(Direct::new().resolver(resolver))).await;
    }
    let others = [
        "udp-over-tcp.arpa",
        "sp.v3.udp-over-tcp.arpa",
        "x.sp.v2.udp-over-tcp.arpa",
        "sp.v2.udp-over-tcp.arpa.example",
    ];
    for other in others {
        let mut client = server.asked(CONNECT, &name(other, 443)).await?;
        if server.is_ours() {
            prefixed(other, client.refused(4).await)?;
        } else {
            let opened = opened(&server, &mut client).await;
            ensure!(opened.is_err(), "{other}: a success");
        }
    }
    if server.is_ours() {
        let lookups = lookups.lock().unwrap().clone();
        ensure!(lookups == others, "looked up {lookups:?}");
        for same in ["SP.v2.UDP-over-TCP.ARPA", "sp.udp-over-tcp.arpa."] {
            let mut client = server.asked(CONNECT, &name(same, 0)).await?;
            prefixed(same, opened(&server, &mut client).await)?;
        }
    }
    Ok(())
}

async fn o5_the_first_frame_may_come_with_the_request() -> Outcome {
    let server = server().await;
    let target = socket("127.0.0.1").await;
    let to = target.local_addr().unwrap();
    for kind in KINDS {
        let mut said = [server.hello(), vec![5], kind.request(), kind.first(to)].concat();
        for payload in [&b"one"[..], b"", b"three"] {
            said.extend(kind.frame(to, payload));
        }
        let mut stream = server.connect().await?;
        stream.say(&said).await?;
        stream.hear(server.welcome()).await?;
        opened(&server, &mut stream).await?;
        let mut frames = Frames {
            stream,
            kind,
            target: &target,
        };
        for payload in [&b"one"[..], b"", b"three"] {
            prefixed(&format!("{kind:?}"), frames.echoed(payload).await)?;
        }
    }
    Ok(())
}

async fn o6_pieces_change_nothing() -> Outcome {
    let server = server().await;
    let target = socket("127.0.0.1").await;
    let to = target.local_addr().unwrap();
    for kind in offered(&server).await? {
        let mut said = kind.first(to);
        for payload in [&b"one"[..], b"", b"three"] {
            said.extend(kind.frame(to, payload));
        }
        for cut in 1..said.len() {
            let mut frames = Frames::asked(&server, kind, &target).await?;
            frames.stream.set_nodelay(true).unwrap();
            let (start, rest) = said.split_at(cut);
            frames.stream.say(start).await?;
            sleep(Duration::from_millis(1)).await;
            frames.stream.say(rest).await?;
            for payload in [&b"one"[..], b"", b"three"] {
                let echoed = frames.echoed(payload).await;
                prefixed(&format!("{kind:?} cut at {cut}"), echoed)?;
            }
            leave(frames.stream);
        }
        let mut frames = Frames::asked(&server, kind, &target).await?;
        frames.stream.say_bytewise(&said).await?;
        for payload in [&b"one"[..], b"", b"three"] {
            prefixed(&format!("{kind:?}"), frames.echoed(payload).await)?;
        }
    }
    Ok(())
}

async fn o7_a_malformed_frame_ends_the_tunnel() -> Outcome {
    let server = server().await;
    let target = socket("127.0.0.1").await;
    let to = target.local_addr().unwrap();
    let dst = address(to);
    let mut short = forwarded(&dst, b"ping");
    let mut long = short.clone();
    (short[2], long[2]) = (9, 11);
    for (kind, bad) in [
        (Kind::V1, b"\x03\x09127.0.0.1\0\x35\0\x04ping".to_vec()),
        (Kind::V1, b"\xff".to_vec()),
        (Kind::V2, b"\x04".to_vec()),
        (Kind::ForwardUdp, short),
        (Kind::ForwardUdp, long),
        (Kind::ForwardUdp, b"\0\x04\x0a\x02\x7f".to_vec()),
    ] {
        if !offered(&server).await?.contains(&kind) {
            continue;
        }
        let strict = server.is_ours() || kind != Kind::ForwardUdp;
        let mut frames = Frames::new(&server, kind, &target).await?;
        frames.echo(b"before").await?;
        let said = [kind.frame(to, b"just before"), bad].concat();
        frames.stream.say(&said).await?;
        reaches(&target, b"just before").await?;
        if strict {
            prefixed(&format!("{kind:?}"), frames.stream.closes().await)?;
        }
    }
    // Of the request of version 2.
    let mut frames = Frames::asked(&server, Kind::V2, &target).await?;
    frames.stream.say(b"\0\x02\x09127.0.0.1").await?;
    prefixed("a request", frames.stream.closes().await)?;
    // An end within.
    for kind in offered(&server).await? {
        let mut frames = Frames::new(&server, kind, &target).await?;
        let mut said = kind.frame(to, b"just before");
        said.extend(kind.frame(to, b"half a frame"));
        said.truncate(said.len() - 1);
        frames.stream.say(&said).await?;
        reaches(&target, b"just before").await?;
        frames.stream.shutdown().await.unwrap();
        prefixed(&format!("{kind:?}"), frames.stream.closes().await)?;
    }
    let nothing = target.recv(&mut [0; 1]).now_or_never();
    ensure!(nothing.is_none(), "half a frame has gone");
    Ok(())
}

async fn o8_datagrams_pass_whole_or_not_at_all() -> Outcome {
    let server = server().await;
    let target = socket("127.0.0.1").await;
    let payload = |len: usize| (0..=250).cycle().take(len).collect::<Vec<u8>>();
    for kind in offered(&server).await? {
        let mut frames = Frames::new(&server, kind, &target).await?;
        let mut lengths = vec![0, 1, 255, 256, 1_472, 1_493];
        match (kind, server.is_ours()) {
            (Kind::ForwardUdp, _) => {}
            (_, true) => lengths.extend([1_494, 16_000, 65_506, 65_507]),
            (_, false) => lengths.extend([1_494, 16_000]),
        }
        if kind == Kind::ForwardUdp && !server.is_ours() {
            // An empty one ends the session of hev's programs.
            lengths.remove(0);
        }
        for len in lengths {
            let echo = frames.echo(&payload(len)).await;
            prefixed(&format!("{kind:?}, {len} octets"), echo)?;
        }
        if !server.is_ours() {
            continue;
        }
        if kind == Kind::ForwardUdp {
            frames.say(&payload(65_507)).await?;
            let out = reaches(&target, &payload(65_507)).await?;
            target.send_to(&payload(1_494), out).await.unwrap();
            target.send_to(b"small", out).await.unwrap();
            prefixed("behind 1,494", frames.hear(b"small").await)?;
        }
        for len in [65_508, 65_535] {
            frames.say(&payload(len)).await?;
            let echo = frames.echo(b"behind it").await;
            prefixed(&format!("{kind:?}, behind {len}"), echo)?;
        }
    }
    Ok(())
}

async fn o10_the_end_of_the_stream_is_the_end() -> Outcome {
    let server = server().await;
    let target = socket("127.0.0.1").await;
    for kind in offered(&server).await? {
        for by_reset in [false, true] {
            let mut frames = Frames::new(&server, kind, &target).await?;
            let out = frames.echo(b"ping").await?;
            match by_reset {
                true => leave(frames.stream),
                false => drop(frames.stream),
            }
            is_free_again(out).await?;
        }
    }
    Ok(())
}

async fn is_free_again(port: SocketAddr) -> Outcome {
    let wildcard = SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), port.port());
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        if UdpSocket::bind(wildcard).await.is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(5)).await;
    }
    Err(Miss::Fails(format!("{port} is in use {LIMIT:?} later")))
}
