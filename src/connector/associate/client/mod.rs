//! The client of an association: behind a socket, or in frames in its stream.

mod frames;
mod port;
mod socket;

use std::{
    io,
    task::{Context, Poll},
};

use tokio::time::Instant;

pub(super) use self::{
    frames::ClientFrames,
    port::{ClientPort, ClientPorts},
    socket::{ClientSocket, Fragmentation},
};
use crate::{
    datagram::Datagrams,
    io::{Drops, Meters},
    relay::Traffic,
};

/// What an association receives its client's datagrams from, and sends those for it to.
pub(super) trait ClientEnd: Send {
    /// Ready with the end of the association, where something other than its datagrams says so.
    ///
    /// # Errors
    ///
    /// When the association ends for a fault.
    fn poll_control(
        &mut self,
        cx: &mut Context<'_>,
        meters: &mut Meters,
        traffic: Traffic,
    ) -> Poll<io::Result<()>>;

    /// Receives once, into `up`. Ready with `false` at the end of the association. Where it can, it leaves
    /// behind what goes beyond `most` octets.
    ///
    /// # Errors
    ///
    /// When the association ends for a fault.
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        up: &mut Datagrams,
        received: &mut Received,
    ) -> Poll<io::Result<bool>>;

    /// Polled while nothing is received, since what came before has to wait.
    ///
    /// # Errors
    ///
    /// When the client is gone.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready once a batch may be given to [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// When the association ends for a fault.
    fn poll_ready(&mut self, cx: &mut Context<'_>, meters: &mut Meters) -> Poll<io::Result<()>>;

    /// Drops what may not go to the client, or what it has no room for, before that is counted as received.
    fn filter(&mut self, down: &mut Datagrams);

    /// Sends a batch and takes it out. What has to wait is kept. `room` is any batch, to make another of it.
    ///
    /// # Errors
    ///
    /// When the association ends for a fault.
    fn send(
        &mut self,
        cx: &mut Context<'_>,
        down: &mut Datagrams,
        room: &mut Datagrams,
    ) -> io::Result<()>;

    /// Notes a sign of life.
    fn heard(&mut self, now: Instant);

    /// Returns when to call [`overdue`](Self::overdue).
    fn due(&self) -> Option<Instant>;

    /// Does what was due before `now`. Ready where the association ends with that.
    ///
    /// # Errors
    ///
    /// When the association ends for a fault.
    fn overdue(&mut self, now: Instant, is_held_back: bool) -> Poll<io::Result<()>>;

    /// The error with which the association ends for a fault of this end.
    fn broken(error: io::Error, traffic: Traffic) -> io::Error;
}

/// What one call of [`ClientEnd::poll_recv`] has received.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Octets of payloads, also of those that are dropped where the client can be held back.
    pub(super) octets: u64,
    /// The client has sent a datagram, an empty one perhaps.
    pub(super) heard: bool,
    pub(super) drops: Drops,
}
