//! Where the script has an address of its own. A reload changes it.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    sync::Arc,
};

use tokio::task::JoinSet;
use tower_socks::BoxError;

use super::{Pac, Scripts};
use crate::{
    listen,
    status::site,
    upgrade::{Handed, Role, Taken},
};

/// The server of `listen` of `[pac]`, if there is one. Dropping it closes it.
#[derive(Debug, Default)]
pub(crate) struct PacServer {
    /// By the file.
    stated: Option<SocketAddr>,
    socket: Option<Arc<TcpListener>>,
    task: JoinSet<()>,
}

impl PacServer {
    /// Prepares another one, which serves once it is [started](Self::start). Where it is at the same place it has the same
    /// socket.
    ///
    /// # Errors
    ///
    /// Nobody can listen there.
    pub(crate) fn at(&self, pac: Option<&Pac>) -> Result<Self, BoxError> {
        let stated = pac.and_then(|pac| pac.listen);
        let socket = match stated {
            Some(_) if self.stated == stated => self.socket.clone(),
            Some(listen) => {
                let socket = listen::tcp(listen, &[])
                    .map_err(|error| format!("pac: cannot listen on {listen}: {error}"))?;
                Some(Arc::new(socket))
            }
            None => None,
        };
        Ok(Self {
            stated,
            socket,
            task: JoinSet::new(),
        })
    }

    /// One that is not started, with the socket that another process has given away, if it is where this one is to be.
    pub(crate) fn taken(pac: Option<&Pac>, taken: Option<&mut Taken>) -> Self {
        let stated = pac.and_then(|pac| pac.listen);
        let socket = stated
            .zip(taken)
            .and_then(|(stated, taken)| taken.pac(stated));
        Self {
            stated: stated.filter(|_| socket.is_some()),
            socket: socket.map(|socket| Arc::new(socket.into())),
            ..Self::default()
        }
    }

    /// A duplicate for another process.
    pub(crate) fn give(&self) -> io::Result<Option<Handed>> {
        let Some((stated, socket)) = self.stated.zip(self.socket.as_ref()) else {
            return Ok(None);
        };
        Ok(Some(Handed {
            role: Role::Pac { stated },
            socket: socket.as_fd().try_clone_to_owned()?,
        }))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.socket.as_ref()?.local_addr().ok()
    }

    /// Whether it is to be where another one is.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.stated == other.stated
    }

    /// Serves.
    ///
    /// # Errors
    ///
    /// Descriptors have run out.
    pub(crate) fn start(&mut self, scripts: &Scripts) -> Result<(), BoxError> {
        if let Some(socket) = &self.socket {
            let listener = tokio::net::TcpListener::from_std(socket.try_clone()?)?;
            self.task
                .spawn(site::serve(listener, Arc::new(scripts.clone())));
        }
        Ok(())
    }
}
