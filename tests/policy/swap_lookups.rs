//! Policies that change while a datagram waits for its name, and those that change by themselves.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::net::UdpSocket;
use tower::Layer;
use tower_socks::{
    AclLayer, Connector, Refusal, Request,
    connector::{
        associate::{Associate, MakeDirect},
        resolve::Resolve,
    },
    layer::acl::SwapPolicy,
    session::{Check, Policy},
};

use crate::support::udp::{
    association::{Association, assert_silent, datagram, socket},
    name,
    policies::slow,
    stack, within,
};

type Judge = fn(&Request, Check) -> Result<(), Refusal>;

/// Everything.
fn lets_pass(_: &Request, _: Check) -> Result<(), Refusal> {
    Ok(())
}

/// No name that begins with `held`, and nothing is said of addresses.
fn no_such_name(request: &Request, check: Check) -> Result<(), Refusal> {
    match (request.target.name(), check) {
        (Some(name), Check::Stated) if name.starts_with("held") => {
            Err(Refusal::not_allowed("no names"))
        }
        _ => Ok(()),
    }
}

/// Not 127.0.0.1 for a name.
fn no_such_address(request: &Request, check: Check) -> Result<(), Refusal> {
    match (request.target.name(), check) {
        (Some(_), Check::Address(address)) if address.ip().is_loopback() => {
            Err(Refusal::not_allowed("no loopback"))
        }
        _ => Ok(()),
    }
}

async fn judged<R: Resolve + Sync>(policy: impl Policy, resolver: R) -> Association {
    let paths = MakeDirect::new().resolver(resolver);
    let connector = Connector::direct().with_associate(Associate::with_transports(paths));
    Association::new(stack(AclLayer::new(policy).layer(connector))).await
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_datagram_that_waits_for_its_name_is_judged_by_the_new_policy() {
    within(async {
        for forbidding in [no_such_name as Judge, no_such_address] {
            let (target, other) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
            let policy = SwapPolicy::new(lets_pass as Judge);
            let (resolver, gate) = slow();
            let association = judged(policy.clone(), resolver).await;
            let held = name("held.example", port(&target));
            association.send(&datagram(0, &held, b"waits")).await;
            association.echo(&other, b"ping").await;
            // It is being looked up, and what is known of it is out of date.
            policy.swap(forbidding);
            gate.add_permits(1);
            association.echo(&other, b"ping").await;
            association.echo(&other, b"ping").await;
            association.send(&datagram(0, &held, b"lost")).await;
            association.echo(&other, b"ping").await;
            assert_silent(&target);

            // Nor is it lost for ever.
            policy.swap(lets_pass);
            gate.add_permits(1);
            association.send(&datagram(0, &held, b"found")).await;
            association.reaches(&target, b"found").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_datagram_that_waits_for_its_name_survives_a_swap() {
    within(async {
        let (target, other) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
        let policy = SwapPolicy::new(lets_pass as Judge);
        let (resolver, gate) = slow();
        let association = judged(policy.clone(), resolver).await;
        let held = name("kept.example", port(&target));
        association.send(&datagram(0, &held, b"one")).await;
        association.echo(&other, b"ping").await;
        policy.swap(no_such_name);
        association.echo(&other, b"ping").await;
        association.send(&datagram(0, &held, b"two")).await;
        policy.swap(lets_pass);
        association.echo(&other, b"ping").await;
        gate.add_permits(1);
        for payload in [b"one", b"two"] {
            let source = association.reaches(&target, payload).await;
            target.send_to(payload, source).await.unwrap();
            association.hear(&target, payload).await;
        }
    })
    .await;
}

/// A policy that changes by itself, and how often it was asked.
#[derive(Clone, Default)]
struct Moody(Arc<Mood>);

#[derive(Default)]
struct Mood {
    forbids: AtomicBool,
    version: AtomicU64,
    asked: AtomicU64,
}

impl Policy for Moody {
    fn check(&self, _: &Request) -> Result<(), Refusal> {
        Ok(())
    }

    fn check_address(&self, _: &Request, _: SocketAddr) -> Result<(), Refusal> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        match self.0.forbids.load(Ordering::SeqCst) {
            true => Err(Refusal::not_allowed("not now")),
            false => Ok(()),
        }
    }

    fn check_name(&self, _: &Request) -> Result<(), Refusal> {
        Err(Refusal::not_allowed("nobody else resolves names here"))
    }

    fn version(&self) -> u64 {
        self.0.version.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_policy_is_asked_again_when_its_version_changes_and_not_before() {
    within(async {
        let target = socket("127.0.0.1").await;
        let policy = Moody::default();
        let association = judged(policy.clone(), slow().0).await;
        let mood = &policy.0;
        for _ in 0..3 {
            association.echo(&target, b"ping").await;
        }
        assert_eq!(mood.asked.load(Ordering::SeqCst), 1);
        mood.forbids.store(true, Ordering::SeqCst);
        association.echo(&target, b"as before").await;
        assert_eq!(mood.asked.load(Ordering::SeqCst), 1);

        mood.version.fetch_add(1, Ordering::SeqCst);
        association.say(&target, b"lost").await;
        // The version goes up, and never back: with the time, or with a swap.
        while mood.asked.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        mood.forbids.store(false, Ordering::SeqCst);
        mood.version.fetch_add(1, Ordering::SeqCst);
        association.echo(&target, b"again").await;
    })
    .await;
}

/// Not 127.0.0.9.
fn no_nine(_: &Request, check: Check) -> Result<(), Refusal> {
    match check {
        Check::Address(address) if address.ip().to_string() == "127.0.0.9" => {
            Err(Refusal::not_allowed("not there"))
        }
        _ => Ok(()),
    }
}

#[tokio::test]
async fn a_swap_of_what_was_swapped_counts() {
    within(async {
        let (nine, other) = (socket("127.0.0.9").await, socket("127.0.0.1").await);
        let inner = SwapPolicy::new(no_nine as Judge);
        let policy = SwapPolicy::new(inner.clone());
        let association = judged(policy.clone(), slow().0).await;
        association.say(&nine, b"lost").await;
        association.echo(&other, b"ping").await;
        inner.swap(lets_pass);
        association.echo(&nine, b"found").await;
        // As many swaps as before.
        policy.swap(SwapPolicy::new(no_nine as Judge));
        association.say(&nine, b"lost").await;
        association.echo(&other, b"ping").await;
        assert_silent(&nine);
    })
    .await;
}
