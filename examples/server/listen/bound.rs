//! What is bound, whatever the file says by now.

use std::net::SocketAddr;

use super::{Door, Listen, Listener, Place, TopLevel};

/// What is bound.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bound {
    /// Sockets of systemd's and their names, which take the place of all listeners of the file.
    pub(super) passed: Vec<(String, Place)>,
    /// What was stated, and where that listens.
    pub(super) open: Vec<(Place, Place)>,
    /// Where the metrics are.
    pub(crate) status: Option<SocketAddr>,
}

impl Bound {
    /// Whether anything is listened on by now: the file was read before then.
    pub(crate) fn is_known(&self) -> bool {
        !self.open.is_empty()
    }

    /// With the metrics there.
    pub(crate) fn with_status(mut self, status: Option<SocketAddr>) -> Self {
        self.status = status;
        self
    }

    /// The doors that are stated: those of the file or the command line, or of sockets that were passed. These have the
    /// settings of the listener with their name, or those of the top level.
    ///
    /// # Errors
    ///
    /// A listener's settings do not go together.
    pub(crate) fn stated(&self, listen: &Listen, top: &TopLevel) -> Result<Vec<Door>, String> {
        if self.passed.is_empty() {
            let doors = listen.0.iter();
            return doors
                .map(|one| Door::new(one, one.place.clone(), top))
                .collect();
        }
        let doors = self.passed.iter().map(|(name, place)| {
            let mut named = listen.0.iter();
            match named.find(|one| one.name.as_ref() == Some(name)) {
                Some(one) => Door::new(one, place.clone(), top),
                None => Door::new(&Listener::at(place.clone()), place.clone(), top),
            }
        });
        doors.collect()
    }

    /// The same doors where they listen, as far as they are bound.
    pub(crate) fn listening(&self, doors: &[Door]) -> Vec<Door> {
        let mut open: Vec<_> = self.open.iter().collect();
        let listening = doors.iter().map(|door| {
            let found = open.iter().position(|(stated, _)| *stated == door.place);
            let place = match found.map(|place| open.remove(place)) {
                Some((_, listening)) => listening.clone(),
                None => door.place.clone(),
            };
            Door {
                place,
                ..door.clone()
            }
        });
        listening.collect()
    }
}
