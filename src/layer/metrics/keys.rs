//! Keys of metrics whose labels are known beforehand.
//!
//! The macros of `metrics` allocate for a label that is no literal, whether a recorder is installed or not. What is counted
//! for each session has its keys here, hashed when the crate is compiled. Which counter a key leads to is asked each
//! time: recorders may forget those that did not change for long.

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata};

use super::names::{
    self, BYTES, DATAGRAMS, DIAL_SECONDS, REQUESTS, SESSIONS, TUNNEL_SECONDS, TUNNELS_OPEN,
};
use crate::{io::Direction, proto::Command};

static METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

pub(super) fn counter(key: &Key) -> Counter {
    metrics::with_recorder(|recorder| recorder.register_counter(key, &METADATA))
}

pub(super) fn gauge(key: &Key) -> Gauge {
    metrics::with_recorder(|recorder| recorder.register_gauge(key, &METADATA))
}

pub(super) fn histogram(key: &Key) -> Histogram {
    metrics::with_recorder(|recorder| recorder.register_histogram(key, &METADATA))
}

macro_rules! key {
    ($name:expr, $($label:literal => $value:literal),+) => {{
        static LABELS: &[Label] = &[$(Label::from_static_parts($label, $value)),+];
        Key::from_static_parts($name, LABELS)
    }};
}

/// The keys of a command's metrics.
pub(super) struct OfCommand {
    pub(super) name: &'static str,
    /// By reply code.
    pub(super) requests: [Key; 9],
    pub(super) dial_seconds: Key,
    pub(super) open: Key,
    pub(super) tunnel_seconds: Key,
    pub(super) up: Key,
    pub(super) down: Key,
}

macro_rules! of_command {
    ($command:literal, $transport:literal) => {
        OfCommand {
            name: $command,
            requests: [
                key!(REQUESTS, "command" => $command, "reply_code" => "0"),
                key!(REQUESTS, "command" => $command, "reply_code" => "1"),
                key!(REQUESTS, "command" => $command, "reply_code" => "2"),
                key!(REQUESTS, "command" => $command, "reply_code" => "3"),
                key!(REQUESTS, "command" => $command, "reply_code" => "4"),
                key!(REQUESTS, "command" => $command, "reply_code" => "5"),
                key!(REQUESTS, "command" => $command, "reply_code" => "6"),
                key!(REQUESTS, "command" => $command, "reply_code" => "7"),
                key!(REQUESTS, "command" => $command, "reply_code" => "8"),
            ],
            dial_seconds: key!(DIAL_SECONDS, "command" => $command),
            open: key!(TUNNELS_OPEN, "command" => $command),
            tunnel_seconds: key!(TUNNEL_SECONDS, "command" => $command),
            up: key!(BYTES, "direction" => "up", "transport" => $transport),
            down: key!(BYTES, "direction" => "down", "transport" => $transport),
        }
    };
}

/// Returns the keys of a command. Those that clients invent share theirs.
pub(super) fn of_command(command: Command) -> &'static OfCommand {
    static CONNECT: OfCommand = of_command!("connect", "tcp");
    static BIND: OfCommand = of_command!("bind", "tcp");
    static UDP: OfCommand = of_command!("udp", "udp");
    static RESOLVE: OfCommand = of_command!("resolve", "tcp");
    static RESOLVE_PTR: OfCommand = of_command!("resolve_ptr", "tcp");
    static OTHER: OfCommand = of_command!("other", "tcp");
    match command {
        Command::CONNECT => &CONNECT,
        Command::BIND => &BIND,
        Command::UDP_ASSOCIATE => &UDP,
        Command::RESOLVE => &RESOLVE,
        Command::RESOLVE_PTR => &RESOLVE_PTR,
        _ => &OTHER,
    }
}

/// Returns the key of datagrams.
pub(super) fn datagrams(direction: Direction) -> &'static Key {
    static UP: Key = key!(DATAGRAMS, "direction" => "up");
    static DOWN: Key = key!(DATAGRAMS, "direction" => "down");
    match direction {
        Direction::Up => &UP,
        Direction::Down => &DOWN,
    }
}

/// The key of sessions that are open.
pub(super) static SESSIONS_OPEN: Key = Key::from_static_name(names::SESSIONS_OPEN);

/// The key of sessions that have ended well.
pub(super) static SESSIONS_DONE: Key = key!(SESSIONS, "outcome" => "done");
