//! Of a build without RADIUS.

use std::fmt;

use crate::records::Records;

#[derive(Clone, Debug)]
pub(crate) enum Stated {}

impl fmt::Display for Stated {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

#[derive(Clone)]
pub(crate) struct InForce;

impl InForce {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) const fn change(&self, _: Option<&Stated>, _: &Records) {}

    pub(crate) const fn begin(&self) {}

    /// Records that wait, and those that were dropped.
    pub(crate) const fn counts(&self) -> (u64, u64) {
        (0, 0)
    }

    pub(crate) async fn end(&self, _: bool) {}
}
