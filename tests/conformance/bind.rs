//! B: BIND.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep},
};
use tower::Layer;
use tower_socks::{
    AclLayer, Connector, NoAuth,
    connector::bind::Bind,
    proto::{Address, Command},
};

use crate::{
    case::{Miss, Outcome, Scope},
    selection::prefixed,
    server::{Server, ours, server},
    support::stack,
    support::udp::{
        binding::{connect_at_once, dst},
        connect_from, pass,
        policies::forbidding,
    },
    talk::{BIND, LIMIT, Talk, echo},
};

cases! {
    B1 b1_the_listener_is_there_and_can_be_reached, "1928, 6", Scope::Any,
        "When the first reply comes the server listens, at an address that a peer can connect to.",
        "BND is no wildcard; a peer connects before the server gets another turn.";
    B2 b2_the_second_reply_comes_with_the_peer, "1928, 6", Scope::Any,
        "The second reply comes with the peer and names it, and then bytes go both ways.",
        "Silence until a peer connects; BND is where the peer is.";
    B3 b3_strangers_are_not_let_in, "1928, 6", Scope::Any,
        "Nobody but DST.ADDR gets in; zeros are anybody, if the policy likes that.",
        "A peer from 127.0.0.2 where 127.0.0.1 is expected; ours: zeros, with and without a policy against them.";
    B4 b4_one_peer_and_the_listener_is_gone, "1928, 6", Scope::Any,
        "Once the peer is there nobody listens any more.",
        "A second connection is refused.";
    B5 b5_the_clients_end_or_a_time_limit_ends_the_listener, "+", Scope::Any,
        "The listener goes with its client or after its time, and the second reply says why.",
        "The client ends its half; ours: replies 01 and, 20 s of a clock that jumps later, 06.";
    B6 b6_the_policy_sees_the_peer, "+", Scope::Ours("it sets a policy"),
        "The policy is asked about DST, and about the address of the peer that comes.",
        "A policy that notes what it is asked.";
}

/// A client with a listener at the server for this peer, and where that is.
async fn listening(server: &Server, peer: &str) -> Result<(TcpStream, SocketAddr), Miss> {
    let mut client = server.asked(BIND, &dst(peer)).await?;
    let reply = client.reply().await?;
    if reply.code == 7 && !server.is_ours() {
        return Err(Miss::Skipped("it has no BIND".into()));
    }
    ensure!(reply.code == 0, "reply {:02x}", reply.code);
    let bound = reply.bound;
    Ok((
        client,
        bound.ok_or_else(|| Miss::Fails("BND is a name".into()))?,
    ))
}

/// Within a moment, connections are refused there. Those are a stranger's.
async fn gone(bound: SocketAddr) -> Outcome {
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        match connect_from("127.0.0.9", bound).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(()),
            _ => sleep(Duration::from_millis(5)).await,
        }
    }
    Err(Miss::Fails("somebody still listens".into()))
}

/// The second reply names the peer, and bytes go both ways.
async fn connects(client: &mut TcpStream, peer: &mut TcpStream) -> Outcome {
    let (named, is) = (client.bound().await?, peer.local_addr().unwrap());
    ensure!(
        named == is,
        "the second reply has {named}, and the peer is {is}"
    );
    echo(client, peer).await
}

async fn b1_the_listener_is_there_and_can_be_reached() -> Outcome {
    let server = server().await;
    let (mut client, bound) = listening(&server, "127.0.0.1").await?;
    ensure!(
        !bound.ip().is_unspecified() && bound.port() != 0,
        "BND {bound}"
    );
    let mut peer = connect_at_once(bound);
    client.bound().await?;
    echo(&mut client, &mut peer).await
}

async fn b2_the_second_reply_comes_with_the_peer() -> Outcome {
    let server = server().await;
    let (mut client, bound) = listening(&server, "127.0.0.1").await?;
    // Time for a server that does not wait.
    sleep(Duration::from_millis(50)).await;
    client.is_silent()?;
    let mut peer = connect_from("127.0.0.1", bound).await.unwrap();
    connects(&mut client, &mut peer).await
}

async fn b3_strangers_are_not_let_in() -> Outcome {
    let server = server().await;
    let (mut client, bound) = listening(&server, "127.0.0.1").await?;
    let Ok(mut stranger) = connect_from("127.0.0.2", bound).await else {
        return Err(Miss::Fails("the listener is gone before its time".into()));
    };
    // To give the listener up would be another answer.
    if server.is_ours() {
        stranger.closes().await?;
        let mut peer = connect_from("127.0.0.1", bound).await.unwrap();
        connects(&mut client, &mut peer).await?;
    } else {
        let peer = connect_from("127.0.0.1", bound).await;
        let reply = client.reply().await?;
        let strange = reply.code == 0 && reply.bound == stranger.local_addr().ok();
        ensure!(!strange, "the stranger gets in");
        drop(peer);
        return Ok(());
    }

    for zeros in ["0.0.0.0", "::"] {
        let (mut client, bound) = listening(&server, zeros).await?;
        let mut anybody = connect_from("127.0.0.2", bound).await.unwrap();
        prefixed(zeros, connects(&mut client, &mut anybody).await)?;
    }
    let (policy, _) = forbidding(|target: &Address, address| {
        address.is_none() && target.ip().is_some_and(|any| any.ip().is_unspecified())
    });
    let server = ours(stack(
        NoAuth,
        AclLayer::new(policy).layer(Connector::direct()),
    ))
    .await;
    for zeros in ["0.0.0.0", "::"] {
        let mut client = server.asked(BIND, &dst(zeros)).await?;
        client.refused(2).await?;
    }
    Ok(())
}

async fn b4_one_peer_and_the_listener_is_gone() -> Outcome {
    let server = server().await;
    let (mut client, bound) = listening(&server, "127.0.0.1").await?;
    let mut peer = connect_from("127.0.0.1", bound).await.unwrap();
    client.bound().await?;
    gone(bound).await?;
    echo(&mut client, &mut peer).await
}

async fn b5_the_clients_end_or_a_time_limit_ends_the_listener() -> Outcome {
    let subject = server().await;
    let (mut client, bound) = listening(&subject, "127.0.0.1").await?;
    client.shutdown().await.unwrap();
    prefixed("the client's end", gone(bound).await)?;
    if !subject.is_ours() {
        return Ok(());
    }
    client.refused(1).await?;

    let bind = Bind::new().accept_timeout(Duration::from_secs(20));
    let server = ours(stack(NoAuth, Connector::direct().with_bind(bind))).await;
    let (mut client, bound) = listening(&server, "127.0.0.1").await?;
    pass(10).await;
    client.is_silent()?;
    pass(10).await;
    prefixed("the time limit", client.refused(6).await)?;
    gone(bound).await
}

async fn b6_the_policy_sees_the_peer() -> Outcome {
    let (policy, asked) = forbidding(|_, _| false);
    let server = ours(stack(
        NoAuth,
        AclLayer::new(policy).layer(Connector::direct()),
    ))
    .await;
    let (mut client, bound) = listening(&server, "127.0.0.2").await?;
    let mut peer = connect_from("127.0.0.2", bound).await.unwrap();
    connects(&mut client, &mut peer).await?;
    let stated = Address::from(SocketAddr::from(([127, 0, 0, 2], 20))).to_string();
    let questions = asked.about(Command::BIND);
    let first = questions.first();
    ensure!(
        first == Some(&(stated.clone(), None)),
        "asked {questions:?}"
    );
    let peer = Some(peer.local_addr().unwrap().to_string());
    let last = questions.last();
    ensure!(last == Some(&(stated, peer)), "asked {questions:?}");
    Ok(())
}
