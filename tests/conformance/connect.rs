//! N: CONNECT.

use std::{io, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tower::Layer;
use tower_socks::{
    AclLayer, Connector, NoAuth, Request, UserPass,
    connector::{direct::Direct, resolve::Resolve},
    session::Check,
};

use crate::{
    case::{Outcome, Scope},
    selection::prefixed,
    server::{Login, ours, server, users},
    support::{
        has_ipv6,
        sockets::{listener_beside, resolving_to, silent},
        stack,
    },
    talk::{CONNECT, Talk, arrival, echo, name, target, target_on, within},
};

cases! {
    N1 n1_bnd_is_the_near_end_of_the_outgoing_socket, "1928, 6", Scope::Any,
        "BND is the address and port from which the server has connected to the target.",
        "IPv4 and IPv6; the target sees the connection come from BND.";
    N2 n2_the_policy_sees_target_client_and_identity, "1928, 6", Scope::Ours("it sets a policy"),
        "The policy is asked with the target as stated, the client's address and who the client is.",
        "A policy that notes what it is asked, for a user with a password and a target by name.";
    N3 n3_half_close_reset_and_end_of_data, "1928, 6", Scope::Any,
        "Either way may end and the other goes on; a reset ends both; an end behind data loses none of it.",
        "Half-close by either end; 1 MiB and the end, each way; a reset by either end.";
    N4 n4_every_address_of_a_name_is_tried, "+", Scope::Ours("it sets a resolver"),
        "All addresses of a name are tried, families in turn, and one that is silent does not hold up the next.",
        "Names with addresses that refuse, of either family, before one that accepts; one that never answers.";
}

async fn n1_bnd_is_the_near_end_of_the_outgoing_socket() -> Outcome {
    let server = server().await;
    let mut ips = vec!["127.0.0.1"];
    ips.extend(has_ipv6().then_some("::1"));
    for ip in ips {
        let (listener, dst) = target_on(ip).await;
        let mut client = server.asked(CONNECT, &dst).await?;
        let bound = client.bound().await?;
        let (_stream, source) = arrival(&listener).await?;
        ensure!(bound == source, "BND {bound}, and the target sees {source}");
    }
    Ok(())
}

async fn n2_the_policy_sees_target_client_and_identity() -> Outcome {
    let (ask, mut asked) = mpsc::unbounded_channel();
    let policy = move |request: &Request, check: Check| {
        let name = request.identity.name().map(<[u8]>::to_vec);
        ask.send((
            request.target.to_string(),
            request.peer,
            name,
            check.address(),
        ))
        .unwrap();
        Ok(())
    };
    let (listener, _) = target().await;
    let local = listener.local_addr().unwrap();
    let connector = Connector::direct().with_connect(resolving_to(&["127.0.0.1"]));
    let auth = UserPass::new(users([("joe", "secret")]));
    let mut server = ours(stack(auth, AclLayer::new(policy).layer(connector))).await;
    server.login = Some(Login::new("joe", "secret"));

    let dst = name("target.example", local.port());
    let (client, ..) = server.connected(&listener, &dst).await?;
    let stated = format!("target.example:{}", local.port());
    let peer = client.local_addr().unwrap();
    for address in [None, Some(local)] {
        let question = asked.try_recv().ok();
        let expected = Some((stated.clone(), peer, Some(b"joe".to_vec()), address));
        ensure!(question == expected, "asked {question:?}, not {expected:?}");
    }
    let more = asked.try_recv().ok();
    ensure!(more.is_none(), "asked {more:?} as well");
    Ok(())
}

async fn n3_half_close_reset_and_end_of_data() -> Outcome {
    let server = server().await;
    let (listener, dst) = target().await;

    for client_first in [true, false] {
        let (client, target, _) = server.connected(&listener, &dst).await?;
        let (what, mut first, mut second) = match client_first {
            true => ("the client's half-close", client, target),
            false => ("the target's half-close", target, client),
        };
        let closed = half_close(&mut first, &mut second).await;
        prefixed(what, closed)?;
    }
    for up in [true, false] {
        let (client, target, _) = server.connected(&listener, &dst).await?;
        let (what, from, to) = match up {
            true => ("1 MiB to the target", client, target),
            false => ("1 MiB to the client", target, client),
        };
        prefixed(what, bulk(from, to).await)?;
    }
    for by_client in [true, false] {
        let (client, target, _) = server.connected(&listener, &dst).await?;
        let (what, from, mut to) = match by_client {
            true => ("a reset by the client", client, target),
            false => ("a reset by the target", target, client),
        };
        SockRef::from(&from)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(from);
        prefixed(what, to.closes().await)?;
    }
    Ok(())
}

async fn half_close(first: &mut TcpStream, second: &mut TcpStream) -> Outcome {
    echo(first, second).await?;
    first.say(b"the last words").await?;
    first.shutdown().await.unwrap();
    second.hear(b"the last words").await?;
    second.ends().await?;
    for answer in [b"one", b"two"] {
        second.say(answer).await?;
        first.hear(answer).await?;
    }
    second.shutdown().await.unwrap();
    first.ends().await
}

async fn bulk(mut from: TcpStream, mut to: TcpStream) -> Outcome {
    let data: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    let mut heard = Vec::new();
    let write = async {
        from.write_all(&data).await?;
        from.shutdown().await
    };
    let both = async { tokio::try_join!(write, to.read_to_end(&mut heard)) };
    within("moving data", both).await?;
    let whole = heard == data;
    ensure!(whole, "{} octets arrive, of {}", heard.len(), data.len());
    Ok(())
}

async fn n4_every_address_of_a_name_is_tried() -> Outcome {
    let mut orders: Vec<(&str, &[&str], Vec<&str>)> = vec![
        ("127.0.0.1", &["127.0.0.2"], vec!["127.0.0.2", "127.0.0.1"]),
        (
            "127.0.0.1",
            &["127.0.0.2", "127.0.0.3", "127.0.0.4"],
            vec!["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"],
        ),
    ];
    if has_ipv6() {
        orders.extend([
            ("127.0.0.1", &["::1"][..], vec!["::1", "127.0.0.1"]),
            ("::1", &["127.0.0.1"], vec!["127.0.0.1", "::1"]),
        ]);
    }
    for (works, refuse, addresses) in orders {
        let (listener, _refusing) = listener_beside(works, refuse).await;
        let port = listener.local_addr().unwrap().port();
        let through = gets_through(resolving_to(&addresses), port, &listener).await;
        prefixed(&format!("{addresses:?}"), through)?;
    }

    let (listener, mut reserved) = listener_beside("127.0.0.1", &["127.0.0.2"]).await;
    let _silent = silent(reserved.pop().unwrap()).await;
    let port = listener.local_addr().unwrap().port();
    // The system itself would go on for minutes.
    let direct = resolving_to(&["127.0.0.2", "127.0.0.1"]);
    prefixed(
        "a silent one first",
        gets_through(direct, port, &listener).await,
    )
}

async fn gets_through<R: Resolve + Sync>(
    direct: Direct<R>,
    port: u16,
    listener: &tokio::net::TcpListener,
) -> Outcome {
    let connector = Connector::direct().with_connect(direct);
    let server = ours(stack(NoAuth, connector)).await;
    let dst = name("target.example", port);
    let (mut client, mut target, bound) = server.connected(listener, &dst).await?;
    let source: io::Result<_> = target.peer_addr();
    ensure!(source.is_ok_and(|source| source == bound), "BND {bound}");
    echo(&mut client, &mut target).await
}
