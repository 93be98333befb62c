//! All sockets that are listened on. A reload opens new ones and closes others; what stays is never closed in between.

mod kept;

use std::{
    io,
    os::fd::AsFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tower_socks::BoxError;

use super::{Bound, Door, Place, Socket, SocketFile, socket::bind};
use crate::upgrade::{Handed, Role, TakenDoor};

/// The sockets that are open, in the order of the doors.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// The names of those that systemd has passed, which take the place of all others.
    names: Vec<String>,
    open: Vec<Arc<Open>>,
}

#[derive(Debug)]
struct Open {
    /// Where it is by the file: with port 0 another place than that where it listens.
    stated: Place,
    listening: Place,
    socket: Socket,
    /// Of a Unix socket of ours: it goes with this.
    file: Mutex<Option<SocketFile>>,
    /// Where it was among those that another process has given away, and whether it had a file.
    taken: Option<(usize, bool)>,
    /// The name under which systemd has kept it for this process.
    kept: Option<String>,
}

impl Open {
    fn file(&self) -> MutexGuard<'_, Option<SocketFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sockets {
    /// Takes what systemd has passed, by name, and what it has kept.
    pub(crate) fn passed(passed: Vec<(String, Socket)>) -> io::Result<Self> {
        let (mut names, mut open, mut all_kept) = (Vec::new(), Vec::new(), Vec::new());
        for (name, socket) in passed {
            let listening = socket.place()?;
            let stated = kept::stated(&name, &listening);
            let is_kept = stated.is_some();
            let one = Arc::new(Open {
                stated: stated.unwrap_or_else(|| listening.clone()),
                listening,
                socket,
                file: Mutex::default(),
                taken: None,
                kept: is_kept.then(|| name.clone()),
            });
            match is_kept {
                true => all_kept.push(one),
                false => {
                    open.push(one);
                    names.push(name);
                }
            }
        }
        open.extend(all_kept);
        Ok(Self { names, open })
    }

    /// Takes what another process has given away. Where systemd had passed it to that one, it is as if it had been passed
    /// to this.
    pub(crate) fn taken(doors: Vec<TakenDoor>) -> io::Result<Self> {
        let (mut names, mut open) = (Vec::new(), Vec::new());
        for door in doors {
            let socket = Socket::from_passed(door.socket, &door.stated);
            names.extend(door.name);
            open.push(Arc::new(Open {
                listening: socket.place()?,
                stated: door.stated,
                socket,
                file: Mutex::default(),
                taken: Some((door.place, door.has_file)),
                kept: None,
            }));
        }
        Ok(Self { names, open })
    }

    /// Finds the sockets for these doors, as they are stated, and opens those that are missing. The others are closed when
    /// the result takes the place of this.
    ///
    /// # Errors
    ///
    /// One of them cannot be opened.
    pub(crate) fn at(&self, doors: &[Door]) -> Result<Self, BoxError> {
        let mut before = self.open.clone();
        let mut open = Vec::new();
        for door in doors {
            let found = before.iter().position(|open| open.stated == door.place);
            open.push(match found {
                Some(place) => before.remove(place),
                None => Arc::new(self.open(door, doors)?),
            });
        }
        let names = self.names.clone();
        Ok(Self { names, open })
    }

    fn open(&self, door: &Door, doors: &[Door]) -> Result<Open, BoxError> {
        let (socket, file) = bind(door, doors).map_err(|problem| match self.rival(door) {
            Some(place) => BoxError::from(format!(
                "{problem}; this server has it at {place}: from one to the other takes a restart"
            )),
            None => problem,
        })?;
        Ok(Open {
            stated: door.place.clone(),
            listening: socket.place()?,
            socket,
            file: Mutex::new(file),
            taken: None,
            kept: None,
        })
    }

    /// Where this server has the port of a door.
    fn rival(&self, door: &Door) -> Option<&Place> {
        let port = |place: &Place| place.address().map(|address| address.port());
        let wanted = port(&door.place)?;
        let mut open = self.open.iter().map(|open| &open.listening);
        open.find(|place| port(place) == Some(wanted))
    }

    /// Where they are.
    pub(crate) fn bound(&self) -> Bound {
        let places = |open: &Arc<Open>| (open.stated.clone(), open.listening.clone());
        let open: Vec<_> = self.open.iter().map(places).collect();
        let listening = open.iter().map(|(_, listening)| listening.clone());
        Bound {
            passed: self.names.iter().cloned().zip(listening).collect(),
            open,
            status: None,
        }
    }

    /// Where these listen and others do not.
    pub(crate) fn besides(&self, others: &Self) -> Vec<Place> {
        let is_other =
            |open: &&Arc<Open>| !others.open.iter().any(|other| Arc::ptr_eq(open, other));
        let besides = self.open.iter().filter(is_other);
        besides.map(|open| open.listening.clone()).collect()
    }

    /// Duplicates each, in the order of the doors.
    pub(crate) fn duplicates(&self) -> io::Result<Vec<Socket>> {
        let open = self.open.iter();
        open.map(|open| open.socket.try_clone()).collect()
    }

    /// Duplicates each for another process, in the order of the doors.
    pub(crate) fn give(&self) -> io::Result<Vec<Handed>> {
        let give = |(place, open): (usize, &Arc<Open>)| {
            Ok(Handed {
                role: Role::Door {
                    stated: open.stated.clone(),
                    name: self.names.get(place).cloned(),
                    has_file: open.file().is_some(),
                },
                socket: open.socket.as_fd().try_clone_to_owned()?,
            })
        };
        self.open.iter().enumerate().map(give).collect()
    }

    /// Leaves the files of those that another process has taken, by their places among those that were given.
    pub(crate) fn leave_files(&self, taken: &[usize]) {
        for open in taken.iter().filter_map(|place| self.open.get(*place)) {
            if let Some(file) = open.file().take() {
                file.leave();
            }
        }
    }

    /// The places of those that were taken, among those that were given.
    pub(crate) fn places_taken(&self) -> Vec<usize> {
        let taken = self.open.iter().filter_map(|open| open.taken);
        taken.map(|(place, _)| place).collect()
    }

    /// Takes over the files as well, which the other process has left.
    pub(crate) fn adopt_files(&self) {
        for open in &self.open {
            if let (Some((_, true)), Place::Unix(path)) = (open.taken, &open.listening) {
                *open.file() = SocketFile::adopt(path);
            }
        }
    }

    /// Closes all of them.
    pub(crate) fn close(&mut self) {
        self.open.clear();
    }
}
