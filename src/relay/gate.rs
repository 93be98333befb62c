//! The meters of one direction.

use std::task::{Context, Poll};

use super::error::Broken;
use crate::io::{Direction, Meters};

/// Asks the meters of a tunnel for one direction.
pub(super) struct Gate<'a> {
    meters: &'a mut Meters,
    direction: Direction,
}

impl<'a> Gate<'a> {
    pub(super) const fn new(meters: &'a mut Meters, direction: Direction) -> Self {
        Self { meters, direction }
    }

    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        let allowance = self.meters.poll_allowance(cx, self.direction);
        allowance.map_err(Broken::Limit)
    }

    #[inline]
    pub(super) fn moved(&mut self, bytes: usize) {
        self.meters.moved(self.direction, bytes);
    }
}
