//! What is counted by this server alone, or by all: one type for both.

use std::{
    io,
    task::{Context, Poll},
};

use tower_socks::{
    Request,
    io::{Direction, DropReason, Meter},
    layer::meter::MakeMeter,
    session::Admission,
};

/// Here, or together with others.
#[derive(Clone, Debug)]
pub(crate) enum Place<H, T> {
    Here(H),
    Together(T),
}

impl<H: MakeMeter, T: MakeMeter> MakeMeter for Place<H, T> {
    type Meter = Place<H::Meter, T::Meter>;

    fn meter(&self, request: &Request) -> Admission<Option<Self::Meter>> {
        match self {
            Self::Here(here) => here.meter(request).map(|meter| meter.map(Place::Here)),
            Self::Together(together) => {
                let meter = together.meter(request);
                meter.map(|meter| meter.map(Place::Together))
            }
        }
    }
}

impl<H: Meter, T: Meter> Meter for Place<H, T> {
    fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Here(meter) => meter.poll_allowance(cx, direction),
            Self::Together(meter) => meter.poll_allowance(cx, direction),
        }
    }

    fn admit(&mut self, direction: Direction, bytes: usize) -> usize {
        match self {
            Self::Here(meter) => meter.admit(direction, bytes),
            Self::Together(meter) => meter.admit(direction, bytes),
        }
    }

    fn moved(&mut self, direction: Direction, bytes: usize) {
        match self {
            Self::Here(meter) => meter.moved(direction, bytes),
            Self::Together(meter) => meter.moved(direction, bytes),
        }
    }

    fn datagrams(&mut self, direction: Direction, count: usize) {
        match self {
            Self::Here(meter) => meter.datagrams(direction, count),
            Self::Together(meter) => meter.datagrams(direction, count),
        }
    }

    fn dropped(&mut self, reason: DropReason, count: usize) {
        match self {
            Self::Here(meter) => meter.dropped(reason, count),
            Self::Together(meter) => meter.dropped(reason, count),
        }
    }
}
