//! A policy that is swapped often, and what is left of the old ones.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::yield_now,
};
use tower::Layer;
use tower_socks::{
    AclLayer, Connector, Refusal, Request, Rules,
    layer::acl::SwapPolicy,
    proto::{Address, Command},
    session::{Check, Policy},
};

use crate::support::udp::{Client, ClientScript, address, stack, within};

const CONNECT: u8 = 1;

/// Everything else is refused, since it is special-purpose.
fn opening(to: &str) -> Rules {
    let text = format!("default = \"allow\"\nrules = [{{ action = \"allow\", to = {to} }}]");
    toml::from_str(&text).unwrap()
}

fn nothing() -> Rules {
    toml::from_str("default = \"deny\"").unwrap()
}

/// A client under a policy, right behind its request.
async fn asks(policy: &SwapPolicy<impl Policy>, target: &[u8]) -> Client {
    let service = AclLayer::new(policy.clone()).layer(Connector::direct());
    let mut client = Client::new(stack(service)).await;
    client.io.request(CONNECT, target).await;
    client
}

/// A target that says everything back.
async fn echo() -> SocketAddr {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = target.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = target.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    address
}

async fn there_and_back(client: &mut Client) {
    client.io.write_all(b"there and back").await.unwrap();
    let mut back = [0; 14];
    client.io.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"there and back");
}

/// Fifty clients that open one tunnel after the other, and each keeps its first one, while a
/// thousand swaps take place. Says how many tunnels there were.
async fn swap_under_clients(policies: [fn() -> Rules; 2], may_refuse: bool) -> usize {
    let target = address(echo().await);
    let policy = SwapPolicy::new(opening("'127.0.0.1'"));
    let done = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut first = asks(&policy, &target).await;
        first.io.bound().await;
        let (policy, done, target) = (policy.clone(), Arc::clone(&done), target.clone());
        clients.push(tokio::spawn(async move {
            let mut tunnels = 1;
            while !done.load(Ordering::SeqCst) {
                there_and_back(&mut first).await;
                let mut client = asks(&policy, &target).await;
                let mut reply = [0; 10];
                client.io.read_exact(&mut reply).await.unwrap();
                match reply[1] {
                    0 => {
                        there_and_back(&mut client).await;
                        tunnels += 1;
                    }
                    2 if may_refuse => {}
                    other => panic!("reply {other}"),
                }
                let _ = client.reset().await;
            }
            there_and_back(&mut first).await;
            let _ = first.reset().await;
            tunnels
        }));
    }
    for count in 0..1000 {
        policy.swap(policies[count % 2]());
        // Others get their turn, and some of them in the middle of a request.
        yield_now().await;
    }
    done.store(true, Ordering::SeqCst);
    let mut tunnels = 0;
    for client in clients {
        tunnels += client.await.unwrap();
    }
    tunnels
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_swaps_under_fifty_clients_lose_nothing() {
    within(async {
        // They agree about what the clients do, and about nothing else.
        let policies: [fn() -> Rules; 2] = [
            || opening("['127.0.0.0/8', '::1']"),
            || opening("'127.0.0.1'"),
        ];
        assert!(swap_under_clients(policies, false).await >= 50);
        // Open tunnels go on, whatever becomes of new ones.
        let policies: [fn() -> Rules; 2] = [nothing, || opening("'127.0.0.1'")];
        assert!(swap_under_clients(policies, true).await >= 50);
    })
    .await;
}

/// Lets everything pass. To drop one with ends of channels takes until somebody has heard of it and
/// answered.
struct Large(Option<(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>)>);

impl Drop for Large {
    fn drop(&mut self) {
        if let Some((dropping, answer)) = self.0.take() {
            dropping.send(()).unwrap();
            let answered = answer.lock().unwrap().recv_timeout(Duration::from_secs(20));
            answered.expect("questions wait until the old policy is dropped");
        }
    }
}

impl Policy for Large {
    fn check(&self, _: &Request) -> Result<(), Refusal> {
        Ok(())
    }

    fn check_address(&self, _: &Request, _: SocketAddr) -> Result<(), Refusal> {
        Ok(())
    }

    fn check_name(&self, _: &Request) -> Result<(), Refusal> {
        Ok(())
    }
}

#[test]
fn nobody_waits_until_the_old_policy_is_dropped() {
    let (dropping, dropped) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    let policy = SwapPolicy::new(Large(Some((dropping, Mutex::new(answered)))));
    let asking = policy.clone();
    let asker = thread::spawn(move || {
        dropped.recv().unwrap();
        let request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
        asking.check(&request).unwrap();
        answer.send(()).unwrap();
    });
    policy.swap(Large(None));
    asker.join().unwrap();
}

#[tokio::test]
async fn old_policies_are_gone() {
    within(async {
        let target = address(echo().await);
        let rules = |to: &str| {
            let used = Arc::new(());
            let weak = Arc::downgrade(&used);
            let rules = opening(to);
            let policy = move |request: &Request, check: Check| {
                let _ = &used;
                match check {
                    Check::Stated => rules.check(request),
                    Check::Address(address) => rules.check_address(request, address),
                    Check::Name => rules.check_name(request),
                }
            };
            (policy, weak)
        };
        let (policy, mut last) = rules("'127.0.0.1'");
        let policy = SwapPolicy::new(policy);
        // A tunnel keeps what it needs for itself, and no policy that was swapped.
        let mut client = asks(&policy, &target).await;
        client.io.bound().await;
        for _ in 0..10 {
            let (next, weak) = rules("'127.0.0.1'");
            policy.swap(next);
            assert!(last.upgrade().is_none());
            last = weak;
            there_and_back(&mut client).await;
        }
        assert!(last.upgrade().is_some());
        drop(policy);
        let _ = client.lingering_close().await;
        assert!(last.upgrade().is_none());
    })
    .await;
}
