//! The bound on connections that wait for a header.

use crate::admission::{Place, Places};

/// So many connections that wait, and no more than a share of them from one network of senders.
#[derive(Debug)]
pub(super) struct Waiting {
    most: usize,
    share: usize,
    places: Places<Of>,
}

/// What a place is one of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    All,
    /// Those of the network of senders with this number, counting from 0.
    Network(usize),
}

/// The place of one connection, until it is dropped.
pub(super) struct Waits(#[expect(dead_code, reason = "held")] [Option<Place<Of>>; 2]);

impl Waiting {
    /// `senders` is how many networks there are.
    pub(super) fn new(most: usize, senders: usize) -> Self {
        let most = most.max(1);
        // One that holds its connections up leaves room for the others.
        let share = match senders {
            0 | 1 => most,
            _ => (most - most / 4).max(1),
        };
        Self {
            most,
            share,
            places: Places::new("waiting for a PROXY header"),
        }
    }

    /// Takes a place for a connection of the network with this number.
    pub(super) fn enter(&self, network: usize) -> Option<Waits> {
        let all = self.places.take(Of::All, self.most)?;
        if self.share == self.most {
            return Some(Waits([Some(all), None]));
        }
        let own = self.places.take(Of::Network(network), self.share)?;
        Some(Waits([Some(all), Some(own)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_leaves_room_for_others() {
        let waiting = Waiting::new(8, 2);
        let mut held: Vec<_> = (0..6).map(|_| waiting.enter(0).unwrap()).collect();
        assert!(waiting.enter(0).is_none());
        held.extend((0..2).map(|_| waiting.enter(1).unwrap()));
        assert!(waiting.enter(1).is_none()); // all are taken
        held.remove(0);
        assert!(waiting.enter(0).is_some());
        drop(held);
        assert_eq!(
            (0..8)
                .map_while(|n| waiting.enter(n % 2))
                .collect::<Vec<_>>()
                .len(),
            8
        );
    }

    #[test]
    fn a_single_network_has_all() {
        let waiting = Waiting::new(4, 1);
        let held: Vec<_> = (0..9).map_while(|_| waiting.enter(0)).collect();
        assert_eq!(held.len(), 4);
        assert!(Waiting::new(0, 3).enter(2).is_some());
    }
}
