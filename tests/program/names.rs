//! When the example server takes its resolver for stuck.

use std::{
    future::pending,
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::{sleep, timeout};
use tower::{Service, ServiceExt};
use tower_socks::{
    BoxError,
    connector::resolve::{Lookup, SystemResolver},
    proto::DomainName,
};

#[path = "../../examples/server/names.rs"]
mod server;

use server::Names;

/// Name servers, some of which are silent: all of them, or those of `silent.example`.
#[derive(Clone, Default)]
struct Servers {
    are_down: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Servers {
    fn resolver(
        &self,
    ) -> impl Service<Lookup, Response = Vec<IpAddr>, Error = BoxError, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
    + use<> {
        let servers = self.clone();
        tower::service_fn(move |lookup: Lookup| servers.clone().answer(lookup.name))
    }

    async fn answer(self, name: DomainName) -> Result<Vec<IpAddr>, BoxError> {
        self.asked.lock().unwrap().push(name.as_str().to_owned());
        let is_silent = name.as_str().ends_with("silent.example");
        if is_silent || self.are_down.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
        let error = match name.as_str() {
            name if name.ends_with("refused.example") => io::ErrorKind::TimedOut,
            name if name.starts_with("none.") => io::ErrorKind::NotFound,
            _ => return Ok(vec![Ipv4Addr::new(192, 0, 2, 7).into()]),
        };
        let system = SystemResolver::from_fn(1, move |_| Err(error.into()));
        system.oneshot(Lookup::new(name)).await
    }

    /// What was asked for since the last time.
    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked
    }

    fn are_down(&self, are_down: bool) {
        self.are_down.store(are_down, Ordering::Relaxed);
    }
}

/// A client that waits for so many seconds.
async fn client(names: &Names, servers: &Servers, name: &str, seconds: u64) {
    let watched = names.watch(servers.resolver());
    let lookup = watched.oneshot(Lookup::new(DomainName::new(name).unwrap()));
    _ = timeout(Duration::from_secs(seconds), lookup).await;
}

/// Asks as a load balancer does, each second.
async fn asks(names: &Names, seconds: u64) -> Vec<bool> {
    let mut heard = Vec::new();
    for _ in 0..seconds {
        heard.push(names.are_stuck());
        sleep(Duration::from_secs(1)).await;
    }
    heard
}

fn start() -> (Servers, Names) {
    let servers = Servers::default();
    let names = Names::new(servers.resolver());
    (servers, names)
}

#[tokio::test(start_paused = true)]
async fn silent_domains_of_clients_lead_to_a_check_and_no_more() {
    let (servers, names) = start();
    client(&names, &servers, "www.one.example", 1).await;
    assert!(!names.are_stuck());
    for (name, seconds) in [("silent.example", 6), ("refused.example", 1)] {
        for number in 0..20 {
            client(&names, &servers, &format!("n{number}.{name}"), seconds).await;
        }
        servers.asked();
        assert_eq!(asks(&names, 30).await, [false; 30]);
        // Once, and with its answer all is well.
        assert_eq!(servers.asked(), ["www.one.example"]);
    }
    // A client that leaves is none of the resolver's, and a name that does not exist is an answer.
    client(&names, &servers, "silent.example", 4).await;
    client(&names, &servers, "none.example", 1).await;
    servers.asked();
    assert_eq!(asks(&names, 30).await, [false; 30]);
    assert!(servers.asked().is_empty());
}

/// A reload may bring another resolver, and with that others to check.
#[tokio::test(start_paused = true)]
async fn the_resolver_that_is_in_force_is_the_one_that_is_checked() {
    let (before, names) = start();
    client(&names, &before, "www.one.example", 1).await;
    before.are_down(true);
    client(&names, &before, "www.two.example", 6).await;
    before.asked();
    let after = Servers::default();
    names.ask(after.resolver());
    assert_eq!(asks(&names, 30).await, [false; 30]);
    assert!(before.asked().is_empty());
    assert_eq!(after.asked(), ["www.one.example"]);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_without_answers_is_stuck_until_it_has_one() {
    let (servers, names) = start();
    client(&names, &servers, "www.one.example", 1).await;
    client(&names, &servers, "www.two.example", 1).await;
    servers.are_down(true);
    client(&names, &servers, "www.three.example", 6).await;
    servers.asked();
    // A check begins when somebody asks, and takes 5 s.
    let heard = asks(&names, 40).await;
    assert_eq!(heard[..5], [false; 5]);
    assert_eq!(heard[6..], [true; 34]);
    // Four times, 10 s after one another.
    let (one, two) = ("www.one.example", "www.two.example");
    assert_eq!(servers.asked(), [[one; 4], [two; 4]].concat());

    servers.are_down(false);
    let heard = asks(&names, 20).await;
    assert!(
        heard[0] && heard[11..].iter().all(|is_stuck| !is_stuck),
        "{heard:?}"
    );
    assert_eq!(servers.asked(), [one, two]);
}

#[tokio::test(start_paused = true)]
async fn names_that_nobody_else_needs_to_answer_for_prove_nothing() {
    // Nothing was ever resolved: nobody knows.
    let (servers, names) = start();
    servers.are_down(true);
    client(&names, &servers, "www.one.example", 6).await;
    servers.asked();
    assert_eq!(asks(&names, 30).await, [false; 30]);
    assert!(servers.asked().is_empty());

    // In the hosts file of this machine.
    servers.are_down(false);
    client(&names, &servers, "localhost", 1).await;
    servers.asked();
    assert_eq!(asks(&names, 30).await, [false; 30]);
    assert!(servers.asked().is_empty());

    // Others are known then.
    client(&names, &servers, "www.two.test", 1).await;
    servers.are_down(true);
    assert_eq!(asks(&names, 30).await[10..], [true; 20]);
}

#[tokio::test(start_paused = true)]
async fn the_first_four_domains_are_known_and_one_answer_is_enough() {
    let (servers, names) = start();
    for name in [
        "a.silent-later.test",
        "b.silent-later.test",
        "one.test",
        "www.one.test",
        "two.test",
        "three.test",
        "four.test",
        "five.test",
    ] {
        client(&names, &servers, name, 1).await;
    }
    client(&names, &servers, "silent.example", 6).await;
    servers.asked();
    assert_eq!(asks(&names, 20).await, [false; 20]);
    let known = ["a.silent-later.test", "one.test", "three.test", "two.test"];
    assert_eq!(servers.asked(), known);
}
