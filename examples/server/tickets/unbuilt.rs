//! Of a build without Kerberos.

use std::{fmt, path::Path};

use serde::{Deserialize, Deserializer, de};
use tower_socks::{BoxError, Identity, io::ClientStream, proto::Method, session::Negotiation};

use crate::cli::Flags;

/// A table that nobody can have.
#[derive(Clone, Debug)]
pub(crate) enum Table {}

#[derive(Clone)]
pub(crate) enum Stated {}

impl Table {
    pub(crate) const fn stated(self) -> Result<Stated, String> {
        match self {}
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom(
            "this server is built without Kerberos: build it by `cargo build --release --example server --features gssapi`",
        ))
    }
}

/// What a client's stream is behind the sub-negotiation.
pub(crate) type Stream<Io> = Io;

pub(crate) const fn in_clear<Io>(io: Io) -> Io {
    io
}

impl Stated {
    pub(crate) const fn select<Io: ClientStream>(&self, _: &Negotiation<Io>) -> Option<Method> {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "of a build that has it")]
    pub(crate) async fn authenticate<Io: ClientStream>(
        &self,
        _: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        match *self {}
    }

    pub(crate) const fn prefers_passwords(&self) -> bool {
        match *self {}
    }

    pub(crate) const fn admits(&self, _: &[u8]) -> bool {
        match *self {}
    }

    pub(crate) const fn is_same_as(&self, _: &Self) -> bool {
        match *self {}
    }

    pub(crate) const fn keytab(&self) -> Option<&Path> {
        match *self {}
    }
}

impl fmt::Display for Stated {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

#[expect(clippy::unnecessary_wraps, reason = "of a build that has it")]
pub(crate) const fn enter(_: &Flags) -> Result<(), BoxError> {
    Ok(())
}
