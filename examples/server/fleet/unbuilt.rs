//! Of a build without Redis: the table says how to build one that has it.

use std::{
    fmt,
    future::{pending, ready},
};

use serde::{Deserialize, Deserializer, de};
use tokio::sync::watch::Receiver;
use tower_socks::{
    layer::{
        key::KeyExtractor,
        limit::{ConcurrentTunnels, FailedLoginsLayer, Limiter, Pace, RequestRate},
        meter::{Bandwidth, CalendarQuota, Quotas, Rates},
        track::OpenTunnels,
    },
    session::Amount,
};

use super::node::{ALONE, Node, Others};
use crate::{
    directories::Directory,
    limits::{self, Full, Limits, Of, Subjects},
    signals::Phase,
    status::Summary,
};

#[derive(Clone, Debug)]
pub(crate) enum Table {}

impl Table {
    pub(crate) const fn has_secret(&self) -> bool {
        match *self {}
    }

    pub(crate) const fn is_directory(&self) -> bool {
        match *self {}
    }

    pub(crate) const fn stated(&self) -> Result<Stated, String> {
        match *self {}
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom(
            "this server is built without Redis: build it by `cargo build --release --example server --features redis`",
        ))
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Stated {}

impl Stated {
    pub(crate) const fn directory(&self, _: &Limits) -> Option<Directory> {
        match *self {}
    }
}

impl fmt::Display for Stated {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct InForce;

impl InForce {
    pub(crate) const fn change(&self, _: Option<&Stated>, _: &Limits) {}

    pub(crate) const fn set(&self, _: &limits::InForce) {}

    pub(crate) fn tunnels<F: KeyExtractor, A: Amount<usize>>(
        &self,
        limit: ConcurrentTunnels<F, A>,
    ) -> ConcurrentTunnels<F, A> {
        limit
    }

    pub(crate) fn requests<F: KeyExtractor, A: Amount<Pace>>(
        &self,
        limit: RequestRate<F, A>,
    ) -> RequestRate<F, A> {
        limit
    }

    pub(crate) fn failed_logins(&self, here: &FailedLoginsLayer) -> FailedLoginsLayer {
        here.clone()
    }

    pub(crate) fn bandwidth(
        &self,
        here: Bandwidth<Subjects, Of<Rates>>,
    ) -> Bandwidth<Subjects, Of<Rates>> {
        here
    }

    pub(crate) fn quota(
        &self,
        here: CalendarQuota<Subjects, Of<Quotas>>,
    ) -> CalendarQuota<Subjects, Of<Quotas>> {
        here
    }

    pub(crate) fn with_quota<L: Limiter>(&self, limiter: L) -> L {
        limiter
    }

    pub(crate) const fn fullest(&self, _: usize) -> Vec<Full> {
        Vec::new()
    }

    pub(crate) async fn changed_accounts(&self) -> Vec<Box<[u8]>> {
        pending().await
    }

    pub(crate) const fn node(&self) -> Option<Node> {
        None
    }

    pub(crate) async fn summaries(&self) -> Option<Vec<Summary>> {
        None
    }

    pub(crate) async fn close_elsewhere(&self, _: &str, _: &str) -> Result<Others, String> {
        Err(ALONE.into())
    }

    pub(crate) async fn leave(&self) {}
}

pub(crate) fn follow(_: InForce, _: OpenTunnels, _: Receiver<Phase>) -> impl Future<Output = ()> {
    ready(())
}
