//! Where the numbers and the page are. A reload changes it.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    sync::Arc,
};

use tokio::task::JoinSet;
use tower_socks::BoxError;

use super::{Metrics, Status, site};
use crate::{
    listen,
    upgrade::{Handed, Role, Taken},
};

/// The server of `[metrics]`, if there is one. Dropping it closes it.
#[derive(Debug, Default)]
pub(crate) struct StatusServer {
    metrics: Option<Metrics>,
    socket: Option<Arc<TcpListener>>,
    task: JoinSet<()>,
    /// Where it is by the file of another process, which has given it away.
    taken: Option<SocketAddr>,
}

impl StatusServer {
    /// Prepares another one, which serves once it is [started](Self::start). Where it is at the same place it has the same
    /// socket.
    ///
    /// # Errors
    ///
    /// Nobody can listen there.
    pub(crate) fn at(&self, metrics: Option<Metrics>) -> Result<Self, BoxError> {
        let stated = |metrics: &Option<Metrics>| metrics.map(|metrics| metrics.listen);
        let socket = match metrics {
            Some(_) if stated(&self.metrics) == stated(&metrics) => self.socket.clone(),
            Some(Metrics { listen, .. }) if self.is_taken(listen) => self.socket.clone(),
            Some(Metrics { listen, .. }) => {
                let socket = listen::tcp(listen, &[])
                    .map_err(|error| format!("metrics: cannot listen on {listen}: {error}"))?;
                Some(Arc::new(socket))
            }
            None => None,
        };
        Ok(Self {
            metrics,
            socket,
            task: JoinSet::new(),
            taken: None,
        })
    }

    /// One that is not started, with the socket that another process has given away, if it is where this one is to be.
    pub(crate) fn taken(metrics: Option<Metrics>, taken: Option<&mut Taken>) -> Self {
        let stated = metrics.map(|metrics| metrics.listen);
        let socket = stated
            .zip(taken)
            .and_then(|(stated, taken)| taken.metrics(stated));
        Self {
            taken: stated.filter(|_| socket.is_some()),
            socket: socket.map(|socket| Arc::new(socket.into())),
            ..Self::default()
        }
    }

    fn is_taken(&self, stated: SocketAddr) -> bool {
        self.taken == Some(stated)
    }

    /// A duplicate for another process.
    pub(crate) fn give(&self) -> io::Result<Option<Handed>> {
        let Some((metrics, socket)) = self.metrics.as_ref().zip(self.socket.as_ref()) else {
            return Ok(None);
        };
        Ok(Some(Handed {
            role: Role::Metrics {
                stated: metrics.listen,
            },
            socket: socket.as_fd().try_clone_to_owned()?,
        }))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.socket.as_ref()?.local_addr().ok()
    }

    /// Whether it is to have nothing else than another one.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.metrics == other.metrics
    }

    /// Serves.
    ///
    /// # Errors
    ///
    /// Descriptors have run out.
    pub(crate) fn start(&mut self, status: &Arc<Status>) -> Result<(), BoxError> {
        if let Some(socket) = &self.socket {
            let listener = tokio::net::TcpListener::from_std(socket.try_clone()?)?;
            self.task.spawn(site::serve(listener, Arc::clone(status)));
        }
        Ok(())
    }

    /// Whether there is to be one.
    pub(crate) const fn is_stated(&self) -> bool {
        self.metrics.is_some()
    }
}
