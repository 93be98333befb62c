//! Rechecks in the life of a session: during the dial, under load, and afterwards.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{Layer, service_fn};
use tower_socks::{
    AclLayer, BoxError, Connector, Credentials, Identity, NoAuth, Refusal, Request, UserPass,
    error::{Fault, Step},
    layer::acl::{
        Acl, SwapPolicy,
        recheck::{Recheck, RecheckLayer},
    },
    session::{Check, Policy},
};

use crate::support::{
    CONNECTED, Client, HELLO, HELLO_OK, Script, connect_to, greeted, proxy, stack,
    targets::{slow_targets, targets},
    within,
};

type Judge = fn(&Request, Check) -> Result<(), Refusal>;

fn lets_pass(_: &Request, _: Check) -> Result<(), Refusal> {
    Ok(())
}

/// Says no to requests as stated, and has nothing against an address.
fn closed_for_today(_: &Request, check: Check) -> Result<(), Refusal> {
    match check {
        Check::Stated => Err(Refusal::not_allowed("closed for today")),
        Check::Address(_) | Check::Name => Ok(()),
    }
}

fn watched<P: Policy, S>(policy: &SwapPolicy<P>, service: S) -> Recheck<Acl<S>, P> {
    RecheckLayer::new(policy.clone()).layer(AclLayer::new(policy.clone()).layer(service))
}

/// The session is over, since the policy says so.
async fn assert_refused(client: &mut Client) {
    client.io.hear_end().await;
    let error = client.outcome().await.unwrap_err();
    assert_eq!((error.step(), error.fault()), (Step::Relay, Fault::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_recheck_during_the_dial_is_not_missed() {
    within(async {
        let (dialer, gate, mut dialled) = slow_targets();
        let policy = SwapPolicy::new(lets_pass as Judge);
        let mut client = Client::new(stack(NoAuth, watched(&policy, dialer)));
        client
            .io
            .say(&[HELLO, &connect_to("a.example:80")].concat())
            .await;
        client.io.hear(HELLO_OK).await;
        let (_, mut target) = dialled.recv().await.unwrap();
        policy.swap(closed_for_today);
        policy.recheck();
        gate.add_permits(1);
        client.io.hear(CONNECTED).await;
        target.hear_end().await;
        assert_refused(&mut client).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_has_changed_its_mind_twice_closes_nothing() {
    within(async {
        let (dialer, gate, mut dialled) = slow_targets();
        let policy = SwapPolicy::new(lets_pass as Judge);
        let mut client = Client::new(stack(NoAuth, watched(&policy, dialer)));
        client
            .io
            .say(&[HELLO, &connect_to("a.example:80")].concat())
            .await;
        client.io.hear(HELLO_OK).await;
        let (_, mut target) = dialled.recv().await.unwrap();
        policy.swap(closed_for_today);
        policy.recheck();
        policy.swap(lets_pass);
        policy.recheck();
        gate.add_permits(1);
        client.io.hear(CONNECTED).await;
        client.io.say(b"up").await;
        target.hear(b"up").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_several_layers_each_closes_by_its_own_policy() {
    for closing in [0, 1] {
        within(async {
            let (dialer, mut dialled) = targets();
            let policies = [
                SwapPolicy::new(lets_pass as Judge),
                SwapPolicy::new(lets_pass as Judge),
            ];
            let service = watched(&policies[0], watched(&policies[1], dialer));
            let mut client = Client::new(stack(NoAuth, service)).connected().await;
            let (_, mut target) = dialled.recv().await.unwrap();
            policies[1 - closing].recheck();
            policies[closing].swap(closed_for_today);
            client.io.say(b"up").await;
            target.hear(b"up").await;
            policies[closing].recheck();
            target.hear_end().await;
            assert_refused(&mut client).await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_tunnel_that_is_never_idle_is_closed_as_well() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let policy = SwapPolicy::new(lets_pass as Judge);
        let service = watched(&policy, Connector::direct());
        let mut client = greeted(proxy(stack(NoAuth, service)).await).await;
        let target = listener.local_addr().unwrap().to_string();
        client.say(&connect_to(&target)).await;
        let (stream, _) = listener.accept().await.unwrap();
        client.read_exact(&mut [0; 10]).await.unwrap();
        // As much as goes, in both directions.
        let (received, mut heard) = tokio::sync::mpsc::channel(1);
        let ends = [client, stream].map(|end| {
            let received = received.clone();
            let (mut read, mut write) = end.into_split();
            let writing =
                tokio::spawn(
                    async move { while write.write_all(&[7; 64 * 1024]).await.is_ok() {} },
                );
            let reading = tokio::spawn(async move {
                let mut room = vec![0; 64 * 1024];
                while read.read(&mut room).await.is_ok_and(|read| read > 0) {
                    let _ = received.try_send(());
                }
            });
            [writing, reading]
        });
        for _ in 0..10 {
            heard.recv().await.unwrap();
        }
        policy.swap(closed_for_today);
        policy.recheck();
        for task in ends.into_iter().flatten() {
            task.await.unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_session_that_is_over() {
    within(async {
        let (dialer, mut dialled) = targets();
        // Something that every request has with it, for as long as it is kept anywhere.
        let carried = Arc::new(());
        let carry = Arc::clone(&carried);
        let verifier = service_fn(move |credentials: Credentials| {
            let mut identity = Identity::named(credentials.name());
            identity.extensions_mut().insert(Arc::clone(&carry));
            async { Ok::<_, BoxError>(identity) }
        });
        let policy = SwapPolicy::new(lets_pass as Judge);
        let stack = stack(UserPass::new(verifier), watched(&policy, dialer));
        let idle = Arc::strong_count(&carried);
        let said = [
            b"\x05\x01\x02\x01\x03joe\x06secret",
            &connect_to("a.example:80")[..],
        ]
        .concat();
        for round in 0..20 {
            let mut clients = Vec::new();
            for _ in 0..50 {
                let mut client = Client::new(stack.clone());
                client.io.say(&said).await;
                client.io.hear(b"\x05\x02\x01\x00").await;
                client.io.hear(CONNECTED).await;
                let (request, target) = dialled.recv().await.unwrap();
                drop(request);
                clients.push((client, target));
            }
            assert!(Arc::strong_count(&carried) > idle);
            match round % 3 {
                // The policy closes them, the target does, or the client.
                0 => {
                    policy.swap(closed_for_today);
                    policy.recheck();
                    for (client, _) in &mut clients {
                        assert_refused(client).await;
                    }
                    policy.swap(lets_pass);
                }
                1 => {
                    for (client, target) in clients.drain(..) {
                        drop(target);
                        client.lingering_close().await.unwrap();
                    }
                }
                _ => {
                    for (client, mut target) in clients.drain(..) {
                        let far = async move { target.hear_end().await };
                        let (outcome, ()) = tokio::join!(client.lingering_close(), far);
                        outcome.unwrap();
                    }
                }
            }
            drop(clients);
            assert_eq!(Arc::strong_count(&carried), idle, "round {round}");
        }
    })
    .await;
}
