//! Of a build without Redis: the table says how to build one that has it.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use tower_socks::{
    layer::{
        key::KeyExtractor,
        limit::{ConcurrentTunnels, Pace, RequestRate},
    },
    session::Amount,
};

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

    pub(crate) async fn leave(&self) {}
}
