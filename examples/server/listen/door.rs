//! A listener with all of its settings: what the file says of it, and for the rest what the top level says.

use std::{fmt, io, net::SocketAddr};

use tokio::net::TcpListener;

use super::{Listen, Listener, Passed, Place, Socket, stated::Mode};

/// A listener, as it serves.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) place: Place,
    pub(super) mode: Mode,
}

impl Door {
    fn new(listener: &Listener, place: Place) -> Self {
        Self {
            place,
            mode: listener.mode,
        }
    }

    /// Whether others than the users of this machine can get here.
    pub(crate) fn is_exposed(&self) -> bool {
        let address = self.place.address();
        address.is_some_and(|address| !address.ip().to_canonical().is_loopback())
    }
}

/// The place alone.
impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

/// What is bound, or will be, whatever the file says by now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bound {
    /// Sockets of systemd's and their names, which take the place of all listeners of the file.
    pub(crate) passed: Vec<(String, Place)>,
    /// Where it serves by now.
    pub(crate) doors: Vec<Door>,
    /// Where the metrics are.
    pub(crate) status: Option<SocketAddr>,
}

impl Bound {
    /// Nothing but what systemd has passed.
    pub(crate) fn passed(passed: &[(String, Passed)]) -> io::Result<Self> {
        let passed = passed.iter();
        let places = passed.map(|(name, passed)| Ok((name.clone(), passed.place()?)));
        Ok(Self {
            passed: places.collect::<io::Result<_>>()?,
            ..Self::default()
        })
    }

    /// The doors that are stated: those of the file or the command line, or of sockets that were passed. These have the
    /// settings of the listener with their name, or those of the top level.
    pub(crate) fn stated(&self, listen: &Listen) -> Vec<Door> {
        if self.passed.is_empty() {
            let doors = listen.0.iter();
            return doors.map(|one| Door::new(one, one.place.clone())).collect();
        }
        let doors = self.passed.iter().map(|(name, place)| {
            let mut named = listen.0.iter();
            match named.find(|one| one.name.as_ref() == Some(name)) {
                Some(one) => Door::new(one, place.clone()),
                None => Door::new(&Listener::at(place.clone()), place.clone()),
            }
        });
        doors.collect()
    }

    /// Notes where it serves in the end.
    pub(crate) fn serving(
        mut self,
        doors: &[Door],
        sockets: &[Socket],
        status: Option<&TcpListener>,
    ) -> io::Result<Self> {
        let doors = doors.iter().zip(sockets).map(|(door, socket)| {
            let place = socket.place()?;
            Ok(Door {
                place,
                ..door.clone()
            })
        });
        self.doors = doors.collect::<io::Result<_>>()?;
        self.status = status.map(TcpListener::local_addr).transpose()?;
        Ok(self)
    }
}
