//! Resolvers that change their minds.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tower::service_fn;
use tower_socks::{
    BoxError,
    connector::resolve::{Lookup, Resolve},
};

/// A resolver with another answer each time, of which the last one stays, and how often it was
/// asked.
pub fn answering(answers: &[&[&str]]) -> (impl Resolve + Sync + use<>, Arc<AtomicUsize>) {
    let answers: Vec<Vec<IpAddr>> = answers
        .iter()
        .map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect())
        .collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolver = service_fn(move |_: Lookup| {
        let turn = count.fetch_add(1, Ordering::SeqCst);
        let answer = answers[turn.min(answers.len() - 1)].clone();
        async { Ok::<_, BoxError>(answer) }
    });
    (resolver, asked)
}
