//! R1 to R8: requests, and the form of replies.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tower_socks::{Connector, NoAuth, connector::direct::Direct};

use crate::{
    case::{Miss, Outcome, Scope},
    selection::prefixed,
    server::{ours, server},
    support::udp::{address, policies::hosts},
    support::{has_ipv6, sockets::closed_port, stack, targets::targets},
    talk::{CONNECT, Reply, Talk, echo, name, target, target_on},
};

cases! {
    R1 r1_requests_of_all_address_types, "1928, 4 and 5", Scope::Any,
        "A request names its target by IPv4 address, name or IPv6 address.",
        "CONNECT by each, as far as the target.";
    R2 r2_reserved_octets_get_a_well_formed_answer, "1928, 4", Scope::Any,
        "A request with RSV other than 00 gets a complete reply, whichever it is.",
        "RSV 01, 05 and FF.";
    R3 r3_unknown_address_types_are_08, "1928, 6", Scope::Any,
        "A request with an ATYP that does not exist gets 08 and the end.",
        "ATYP 00, 02, 05, 7F and FF.";
    R4 r4_unknown_commands_are_07, "1928, 6", Scope::Any,
        "A request with a CMD that does not exist gets 07 and the end.",
        "CMD 00, 04, 80 and FF, with each address type.";
    R5 r5_names_that_are_none_fail, "1928, 5", Scope::Any,
        "A name that is empty or holds NUL, blanks or control octets gets a failure reply; 255 octets are no such thing.",
        "One of each; the longest name gets a reply, and from ours a connection.";
    R6 r6_connect_to_port_0_fails, "1928, 4", Scope::Any,
        "CONNECT to port 0 gets a failure reply.",
        "By address and by name; ours: with a connector that would get there, too.";
    R7 r7_every_reply_is_complete, "1928, 6", Scope::Any,
        "Every reply is complete, failures included: version, code, 00, an address of a known type and a port.",
        "Success and a refused connection; ours: an IP address of the family of BND, unknown commands and types, too.";
    R8 r8_a_failure_arrives_and_the_connection_ends, "1928, 6", Scope::Any,
        "Behind a failure reply the connection is closed within 10 s, and unread data does not cost the reply.",
        "64 KiB of data behind a request for a closed port: the reply, and an end that is no reset, at once.";
}

async fn r1_requests_of_all_address_types() -> Outcome {
    let server = server().await;
    let (v4, by_v4) = target().await;
    let mut ways = vec![("IPv4", v4, by_v4)];
    if has_ipv6() {
        let (v6, by_v6) = target_on("::1").await;
        ways.push(("IPv6", v6, by_v6));
    }
    for (what, listener, dst) in &ways {
        let (mut client, mut peer, _) = server.connected(listener, dst).await?;
        prefixed(what, echo(&mut client, &mut peer).await)?;
    }
    let mut places = lookup_host(("localhost", 0)).await.unwrap();
    let (listener, _) = target_on(&places.next().unwrap().ip().to_string()).await;
    let by_name = name("localhost", listener.local_addr().unwrap().port());
    let (mut client, mut peer, _) = server.connected(&listener, &by_name).await?;
    prefixed("a name", echo(&mut client, &mut peer).await)
}

async fn r2_reserved_octets_get_a_well_formed_answer() -> Outcome {
    let server = server().await;
    let (_listener, dst) = target().await;
    for reserved in [1, 5, 0xff] {
        let mut client = server.client().await?;
        client
            .say(&[&[5, CONNECT, reserved], &*dst].concat())
            .await?;
        client.reply().await?;
    }
    Ok(())
}

async fn r3_unknown_address_types_are_08() -> Outcome {
    let server = server().await;
    for atyp in [0, 2, 5, 0x7f, 0xff] {
        let dst = [atyp, 127, 0, 0, 1, 0, 80];
        let mut client = server.asked(CONNECT, &dst).await?;
        prefixed(&format!("ATYP {atyp:02x}"), client.refused(8).await)?;
    }
    Ok(())
}

async fn r4_unknown_commands_are_07() -> Outcome {
    let server = server().await;
    let (_listener, by_v4) = target().await;
    let by_v6 = address("[::1]:80".parse().unwrap());
    for command in [0, 4, 0x80, 0xff] {
        for dst in [&by_v4, &by_v6, &name("localhost", 80)] {
            let mut client = server.asked(command, dst).await?;
            prefixed(&format!("CMD {command:02x}"), client.refused(7).await)?;
        }
    }
    Ok(())
}

async fn r5_names_that_are_none_fail() -> Outcome {
    let mut server = server().await;
    let (listener, _) = target().await;
    let port = listener.local_addr().unwrap().port();
    for bad in [
        "",
        "local\0host",
        "localhost\0",
        "local host",
        "localhost\r\n",
        "\x7f",
        "\t",
    ] {
        let mut client = server.asked(CONNECT, &name(bad, port)).await?;
        prefixed(&format!("{bad:?}"), fails(&mut client).await)?;
    }
    let longest = [[b'a'; 63], [b'b'; 63], [b'c'; 63], [b'd'; 63]].join(&b'.');
    let longest = String::from_utf8(longest).unwrap();
    let by_name = name(&longest, port);
    if server.is_ours() {
        let (resolver, _) = hosts(&[(&longest, &["127.0.0.1"])]);
        let connector = Connector::direct().with_connect(Direct::new().resolver(resolver));
        server = ours(stack(NoAuth, connector)).await;
        let (mut client, mut peer, _) = server.connected(&listener, &by_name).await?;
        return echo(&mut client, &mut peer).await;
    }
    let mut client = server.asked(CONNECT, &by_name).await?;
    prefixed("255 octets", client.reply().await.map(|_| ()))
}

async fn r6_connect_to_port_0_fails() -> Outcome {
    let server = server().await;
    for dst in [address(([127, 0, 0, 1], 0).into()), name("localhost", 0)] {
        fails(&mut server.asked(CONNECT, &dst).await?).await?;
        if server.is_ours() {
            // One that would get there.
            let (dialer, _dialled) = targets();
            let anywhere = ours(stack(NoAuth, dialer)).await;
            let mut client = anywhere.asked(CONNECT, &dst).await?;
            prefixed("any connector", fails(&mut client).await)?;
        }
    }
    Ok(())
}

/// A failure reply with any code, and the end.
async fn fails(client: &mut TcpStream) -> Result<Reply, Miss> {
    let reply = client.reply().await?;
    ensure!(reply.code != 0, "a success");
    client.closes().await?;
    Ok(reply)
}

async fn r7_every_reply_is_complete() -> Outcome {
    let server = server().await;
    let mut ips = vec!["127.0.0.1"];
    ips.extend(has_ipv6().then_some("::1"));
    for ip in ips {
        let (_listener, dst) = target_on(ip).await;
        let bound = server.asked(CONNECT, &dst).await?.bound().await?;
        let (is, should) = (bound.is_ipv4(), ip == "127.0.0.1");
        ensure!(!server.is_ours() || is == should, "BND {bound} for {ip}");
    }
    let (port, _closed) = closed_port();
    let closed = address(([127, 0, 0, 1], port).into());
    let mut failures = vec![("a refused connection", CONNECT, &closed[..])];
    if server.is_ours() {
        failures.extend([
            ("an unknown command", 9, &closed[..]),
            (
                "an unknown address type",
                CONNECT,
                b"\x09\x7f\0\0\x01\0\x50",
            ),
            ("port 0", CONNECT, b"\x01\x7f\0\0\x01\0\0"),
        ]);
    }
    for (what, command, dst) in failures {
        let mut client = server.asked(command, dst).await?;
        let reply = prefixed(what, fails(&mut client).await)?;
        let by_name = server.is_ours() && reply.bound.is_none();
        ensure!(!by_name, "{what}: BND is a name");
    }
    Ok(())
}

async fn r8_a_failure_arrives_and_the_connection_ends() -> Outcome {
    let server = server().await;
    let (port, _closed) = closed_port();
    let dst = address(([127, 0, 0, 1], port).into());
    let mut client = server.client().await?;
    let all = [&[5, CONNECT, 0], &*dst, &[b'x'; 64 * 1024]].concat();
    let (mut read, mut write) = client.split();
    let heard = async {
        let mut heard = Vec::new();
        let end = read.read_to_end(&mut heard).await;
        (end, heard)
    };
    // Not all of it need fit.
    let (_, heard) = tokio::join!(
        timeout(Duration::from_secs(10), write.write_all(&all)),
        timeout(Duration::from_secs(10), heard),
    );
    let Ok((end, heard)) = heard else {
        return Err(Miss::Fails("still open 10 s later".into()));
    };
    ensure!(
        heard.len() >= 10,
        "{} and the end",
        crate::talk::shown(&heard)
    );
    ensure!(heard[..3] == [5, 5, 0], "{}", crate::talk::shown(&heard));
    ensure!(end.is_ok(), "a reset behind the reply, which may cost it");
    Ok(())
}
