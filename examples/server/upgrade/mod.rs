//! An upgrade that nobody notices: another process takes over the sockets, and serves before this one stops.
//!
//! ```text
//! new process                         process that serves
//!   hello                     ->
//!                             <-      each socket, with its descriptor; end
//!   (checks its file, prepares to serve, serves)
//!   ready, and what it took   ->      (stops accepting; its sessions have `drain`)
//!                             <-      yours
//!   (tells systemd, takes the files of Unix sockets)
//! ```
//!
//! The queue of a socket is one for both processes: no connection is reset, and none waits. What goes wrong before
//! `ready`, changes nothing for the process that serves. The stream stays open until it ends, so that its
//! successors know how many still drain.
//!
//! Two doors lead to it. `--upgrade` connects to the Unix socket `upgrade_socket`, for which only the same user and root are
//! let in. SIGUSR2 has the process start the program anew, with the flags that it was started with, and the stream as standard
//! input: that is for systemd, whose service the new process belongs to then.

mod channel;
mod control;
mod give;
mod message;
mod spawn;
mod take;
mod upgrades;

use std::time::Duration;

pub(crate) use self::{
    control::Control,
    give::{Asked, Served},
    message::{Handed, Role},
    take::{Taken, TakenDoor, take},
    upgrades::Upgrades,
};

/// Of each message but `ready`.
const PROMPT: Duration = Duration::from_secs(5);

/// From the sockets until the new process serves: it reads its file and those of users and certificates meanwhile.
const PREPARING: Duration = Duration::from_secs(60);

/// So many processes at most may drain behind one that serves.
pub(crate) const GENERATIONS: usize = 4;

/// More sockets are not taken.
const MOST: usize = 1024;
