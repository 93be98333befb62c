//! A meter that notes what it hears.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tower_socks::io::{Direction, DropReason, Meter};

/// What one meter has heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub bytes: BTreeMap<&'static str, usize>,
    pub datagrams: BTreeMap<&'static str, usize>,
    pub dropped: BTreeMap<&'static str, usize>,
}

/// A meter that notes what it hears.
#[derive(Clone, Debug, Default)]
pub struct Ear(pub Arc<Mutex<Heard>>);

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}

impl Meter for Ear {
    fn moved(&mut self, direction: Direction, bytes: usize) {
        *self
            .0
            .lock()
            .unwrap()
            .bytes
            .entry(name(direction))
            .or_default() += bytes;
    }

    fn datagrams(&mut self, direction: Direction, count: usize) {
        *self
            .0
            .lock()
            .unwrap()
            .datagrams
            .entry(name(direction))
            .or_default() += count;
    }

    fn dropped(&mut self, reason: DropReason, count: usize) {
        *self
            .0
            .lock()
            .unwrap()
            .dropped
            .entry(reason.as_str())
            .or_default() += count;
    }
}

#[cfg(feature = "limit")]
impl tower_socks::layer::meter::MakeMeter for Ear {
    type Meter = Self;

    fn meter(
        &self,
        _: &tower_socks::Request,
    ) -> tower_socks::layer::meter::Admission<Option<Self>> {
        tower_socks::layer::meter::Admission::Permit(Some(self.clone()))
    }
}

impl Ear {
    /// How many datagrams were dropped, by reason.
    pub fn drops(&self) -> Vec<(&'static str, usize)> {
        let heard = self.0.lock().unwrap();
        heard
            .dropped
            .iter()
            .map(|(reason, count)| (*reason, *count))
            .collect()
    }
}
