//! What the meters of a tunnel allow one direction.

use std::task::{Context, Poll};

use super::broken::Broken;
use crate::io::{Meters, Way};

/// The meters of one direction.
pub(super) struct Gate<'a> {
    meters: &'a mut Meters,
    way: Way,
}

impl<'a> Gate<'a> {
    pub(super) const fn new(meters: &'a mut Meters, way: Way) -> Self {
        Self { meters, way }
    }

    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        let allowance = self.meters.poll_allowance(cx, self.way);
        allowance.map_err(Broken::Limit)
    }

    #[inline]
    pub(super) fn moved(&mut self, bytes: usize) {
        self.meters.moved(self.way, bytes);
    }
}
