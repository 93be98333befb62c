//! Of a build without Redis: the table says how to build one that has it.

use std::{fmt, future::ready};

use serde::{Deserialize, Deserializer, de};
use tokio::sync::watch::Receiver;
use tower_socks::{
    layer::{
        key::KeyExtractor,
        limit::{ConcurrentTunnels, Pace, RequestRate},
        track::OpenTunnels,
    },
    session::Amount,
};

use super::node::{ALONE, Node, Others};
use crate::{signals::Phase, status::Summary};

#[derive(Clone, Debug)]
pub(crate) enum Table {}

impl Table {
    pub(crate) const fn has_secret(&self) -> bool {
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

impl fmt::Display for Stated {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

#[derive(Clone, Debug)]
pub(crate) struct InForce;

impl InForce {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) const fn change(&self, _: Option<&Stated>) {}

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
