//! Policies that note what they are asked, and resolvers that know a few names.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::sync::Semaphore;
use tower::service_fn;
use tower_socks::{
    BoxError, Refusal, Request,
    connector::resolve::{Lookup, Resolve},
    proto::{Address, Command},
    session::{Check, Policy},
};

/// Command, target as stated, and the address for it.
type Question = (Command, String, Option<String>);

/// What a policy was asked.
#[derive(Clone, Debug, Default)]
pub struct Asked(Arc<Mutex<Vec<Question>>>);

impl Asked {
    /// The questions so far, as `(target, address)`, with nothing for the address where the target
    /// was judged as stated. All of them were about `command`.
    pub fn about(&self, command: Command) -> Vec<(String, Option<String>)> {
        let asked = self.0.lock().unwrap();
        let each = asked.iter().map(|(of, target, address)| {
            assert_eq!(*of, command);
            (target.clone(), address.clone())
        });
        each.collect()
    }

    pub fn forget(&self) {
        self.0.lock().unwrap().clear();
    }
}

/// A policy that notes what it is asked, and forbids what `forbids` says.
pub fn forbidding(
    forbids: impl Fn(&Address, Option<SocketAddr>) -> bool + Send + Sync + 'static,
) -> (impl Policy + Clone, Asked) {
    let asked = Asked::default();
    let note = asked.clone();
    let forbids = Arc::new(forbids);
    let policy = move |request: &Request, check: Check| {
        let address = check.address();
        let question = (
            request.command,
            request.target.to_string(),
            address.map(|address| address.to_string()),
        );
        note.0.lock().unwrap().push(question);
        if forbids(&request.target, address) {
            return Err(Refusal::not_allowed("forbidden"));
        }
        Ok(())
    };
    (policy, asked)
}

/// The names that a resolver was asked for, in order.
pub type Lookups = Arc<Mutex<Vec<String>>>;

/// A resolver for `hosts`; no other name exists.
pub fn hosts(hosts: &[(&str, &[&str])]) -> (impl Resolve + Sync + use<>, Lookups) {
    let known: Vec<(String, Vec<IpAddr>)> = hosts
        .iter()
        .map(|(name, ips)| {
            let ips = ips.iter().map(|ip| ip.parse().unwrap());
            (name.to_string(), ips.collect())
        })
        .collect();
    let lookups = Lookups::default();
    let note = Arc::clone(&lookups);
    let resolver = service_fn(move |lookup: Lookup| {
        let name = lookup.name;
        note.lock().unwrap().push(name.to_string());
        let host = known.iter().find(|(known, _)| known == name.as_str());
        let ips = host.map(|(_, ips)| ips.clone());
        async { ips.ok_or_else(|| BoxError::from("no such host")) }
    });
    (resolver, lookups)
}

/// A resolver for which `host.` names are 127.0.0.1 at once, and every other one is as well, but
/// only once there is a permit for it.
pub fn slow() -> (impl Resolve + Sync, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let hold = Arc::clone(&gate);
    let resolver = service_fn(move |lookup: Lookup| {
        let hold = Arc::clone(&hold);
        let answer: std::pin::Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
            if !lookup.name.as_str().starts_with("host.") {
                hold.acquire().await?.forget();
            }
            Ok::<_, BoxError>(vec![IpAddr::from([127, 0, 0, 1])])
        });
        answer
    });
    (resolver, gate)
}
