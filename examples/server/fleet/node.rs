//! What is known of the fleet.

use serde::Serialize;

/// Why servers do not hear each other.
pub(crate) const ALONE: &str = "this server has no [redis] that it shares with others";

/// This server as a node.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Node {
    /// Its name in Redis, and that which people have given it.
    pub(crate) node: String,
    pub(crate) name: String,
    /// Whether Redis answers.
    pub(crate) up: bool,
    /// How many there are, with this one.
    pub(crate) nodes: u32,
}

/// What others have said when they were asked to close tunnels.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Others {
    /// Tunnels that they have closed.
    pub(crate) closed: u64,
    /// How many have said so.
    pub(crate) answered: usize,
    /// Those that have not in some seconds, by the names that people have given them.
    pub(crate) silent: Vec<String>,
}
