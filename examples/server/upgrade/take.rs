//! The new process: asks for sockets, and says when it serves.

use std::{
    io,
    net::SocketAddr,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
};

use tower_socks::BoxError;

use super::{
    Handed, MOST, PROMPT, Role,
    channel::{Channel, is_there},
    control, message,
    message::Message,
    spawn,
};
use crate::{cli::Flags, config::Config, listen::Place};

/// A listener that was given away.
#[derive(Debug)]
pub(crate) struct TakenDoor {
    /// Among all that was given.
    pub(crate) place: usize,
    pub(crate) stated: Place,
    /// Where systemd had passed it.
    pub(crate) name: Option<String>,
    pub(crate) has_file: bool,
    pub(crate) socket: OwnedFd,
}

/// The sockets of the process that serves, and the stream to it.
#[derive(Debug)]
pub(crate) struct Taken {
    channel: Channel,
    given: Vec<Option<Handed>>,
    /// The places of what is in use, besides listeners.
    places: Vec<usize>,
}

/// Takes the sockets, if there is a process to take them from: the one that has started this one, or the one at the socket, if
/// the command line asks for that. Blocks.
///
/// # Errors
///
/// There is none, or it refuses.
pub(crate) fn take(flags: &Flags) -> Result<Option<Taken>, BoxError> {
    let stream = if spawn::is_child() {
        UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?)
    } else if flags.upgrade {
        // What else the file says is checked with the sockets.
        let file = flags
            .config
            .as_deref()
            .map(|path| Config::read(path, false))
            .transpose()?;
        let path = file.and_then(|file| file.upgrade_socket).ok_or(
            "--upgrade: the file does not say where to ask: upgrade_socket = \"/run/tower-socks/upgrade\"",
        )?;
        let path = &path;
        control::connect(path).map_err(|error| format!("--upgrade: {}: {error}", path.display()))?
    } else {
        return Ok(None);
    };
    let taken = Channel::new(stream)
        .map_err(Into::into)
        .and_then(Taken::receive);
    taken
        .map(Some)
        .map_err(|problem| format!("--upgrade: {problem}").into())
}

impl Taken {
    fn receive(channel: Channel) -> Result<Self, BoxError> {
        let protocol = message::PROTOCOL;
        // Where this fails, the answer is a refusal that came first.
        _ = channel.send(&Message::Hello { protocol }, None, PROMPT);
        let mut given = Vec::new();
        loop {
            match channel.receive(PROMPT)? {
                Some((Message::Socket(role), Some(socket))) if given.len() < MOST => {
                    given.push(Some(Handed { role, socket }));
                }
                Some((Message::End, _)) => {
                    return Ok(Self {
                        channel,
                        given,
                        places: Vec::new(),
                    });
                }
                Some((Message::Refused { why }, _)) => {
                    return Err(format!("the server that runs refuses: {why}").into());
                }
                Some(_) => return Err("the server that runs says something else".into()),
                None => return Err("the server that runs has ended".into()),
            }
        }
    }

    /// Takes the listeners out.
    pub(crate) fn doors(&mut self) -> Vec<TakenDoor> {
        let given = self.given.iter_mut().enumerate();
        let doors = given.filter_map(|(place, given)| match given.take() {
            Some(Handed {
                role:
                    Role::Door {
                        stated,
                        name,
                        has_file,
                    },
                socket,
            }) => Some(TakenDoor {
                place,
                stated,
                name,
                has_file,
                socket,
            }),
            other => {
                *given = other;
                None
            }
        });
        doors.collect()
    }

    /// Takes the socket of the numbers out, if it is at this address by the file.
    pub(crate) fn metrics(&mut self, stated: SocketAddr) -> Option<OwnedFd> {
        self.one(|role| *role == Role::Metrics { stated })
    }

    /// Takes the socket for upgrades out, if it is there.
    pub(super) fn upgrade(&mut self, path: &Path) -> Option<OwnedFd> {
        self.one(|role| matches!(role, Role::Upgrade { path: given } if given == path))
    }

    /// Takes the socket of `[pac]` out, if it is there.
    pub(crate) fn pac(&mut self, stated: SocketAddr) -> Option<OwnedFd> {
        self.one(|role| *role == Role::Pac { stated })
    }

    /// Takes the socket of `[admin]` out, if it is there.
    pub(crate) fn admin(&mut self, path: &Path) -> Option<OwnedFd> {
        self.one(|role| matches!(role, Role::Admin { path: given } if given == path))
    }

    fn one(&mut self, is_it: impl Fn(&Role) -> bool) -> Option<OwnedFd> {
        let is_it = |given: &Option<Handed>| given.as_ref().is_some_and(|it| is_it(&it.role));
        let place = self.given.iter().position(is_it)?;
        let given = self.given.get_mut(place)?.take()?;
        self.places.push(place);
        Some(given.socket)
    }

    /// Says that this process serves, with the listeners at these places and what else was taken out, and waits until the other one accepts no more.
    /// Returns the streams of the processes that still drain. Blocks.
    ///
    /// # Errors
    ///
    /// The other process goes on, and this one has to end.
    pub(super) fn ready(self, doors: Vec<usize>) -> Result<Vec<OwnedFd>, BoxError> {
        let Self {
            channel,
            given,
            mut places,
        } = self;
        let earlier = given.into_iter().flatten();
        let earlier = earlier.filter(|given| given.role == Role::Predecessor);
        let mut drain: Vec<_> = earlier.map(|given| given.socket).collect();
        places.extend(doors);
        let taken = places;
        let told = channel.send(&Message::Ready { taken }, None, PROMPT);
        match told.and_then(|()| channel.receive(PROMPT)) {
            Ok(Some((Message::Yours, _))) => {}
            Ok(Some((Message::Refused { why }, _))) => {
                return Err(format!("--upgrade: the server that runs goes on: {why}").into());
            }
            // It has ended at the last moment, or is stuck: somebody has to serve.
            outcome => tracing::warn!(
                ?outcome,
                "the server that ran has not said that it stops: this one serves"
            ),
        }
        drain.push(channel.into_stream());
        drain.retain(|stream| is_there(stream));
        Ok(drain)
    }
}
