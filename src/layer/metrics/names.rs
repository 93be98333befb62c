//! What is measured, by name.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Sessions that have ended, by `outcome`: `done`, or whose fault it was, `client`, `refused`,
/// `target` or `server`.
pub const SESSIONS: &str = "socks_sessions_total";

/// Sessions that are open, those in the handshake among them.
pub const SESSIONS_OPEN: &str = "socks_sessions_open";

/// Clients that could not prove who they are, or offered no method that will do.
pub const AUTHENTICATION_FAILURES: &str = "socks_authentication_failures_total";

/// Requests that were answered, by `command` and `reply`, a number.
pub const REQUESTS: &str = "socks_requests_total";

/// The time that requests took to be carried out, in seconds, by `command`.
pub const DIAL_SECONDS: &str = "socks_dial_seconds";

/// The time that names took to be resolved, in seconds, by `outcome`, `ok` or `failed`.
pub const RESOLVE_SECONDS: &str = "socks_resolve_seconds";

/// Tunnels that are open, by `command`: associations are `udp`.
pub const TUNNELS_OPEN: &str = "socks_tunnels_open";

/// The time that tunnels were open, in seconds, by `command`.
pub const TUNNEL_SECONDS: &str = "socks_tunnel_seconds";

/// Payload that has come from either side, in bytes, by `direction`, `up` or `down`, and `transport`,
/// `tcp` or `udp`.
pub const BYTES: &str = "socks_bytes_total";

/// Datagrams that have come from either side, by `direction`.
pub const DATAGRAMS: &str = "socks_datagrams_total";

/// Datagrams that were dropped, by `reason`: see [`DropReason`](crate::io::DropReason).
pub const DATAGRAMS_DROPPED: &str = "socks_datagrams_dropped_total";

/// Requests that were refused and tunnels that were closed, by the rule or limit that did it, as
/// [`Refusal::rule`](crate::Refusal::rule) has it, or `other` for a reply code of 02 without.
pub const REFUSALS: &str = "socks_refusals_total";

/// How often somebody has reached a limit, or has room again, by `limit` and `event`, `reached` or
/// `released`. The limits count this themselves.
pub const LIMITS: &str = crate::admission::LIMITS;

/// Tells the recorder what the names mean, and their units. Once, after it is installed.
pub fn describe() {
    describe_counter!(SESSIONS, "Sessions that have ended, by outcome.");
    describe_gauge!(SESSIONS_OPEN, "Sessions that are open.");
    describe_counter!(
        AUTHENTICATION_FAILURES,
        "Clients that could not prove who they are."
    );
    describe_counter!(REQUESTS, "RequestRate, by command and reply code.");
    describe_histogram!(DIAL_SECONDS, Unit::Seconds, "Time to carry a request out.");
    describe_histogram!(RESOLVE_SECONDS, Unit::Seconds, "Time to resolve a name.");
    describe_gauge!(TUNNELS_OPEN, "ConcurrentTunnels that are open, by command.");
    describe_histogram!(
        TUNNEL_SECONDS,
        Unit::Seconds,
        "Time that tunnels were open."
    );
    describe_counter!(BYTES, Unit::Bytes, "Payload, by direction and transport.");
    describe_counter!(DATAGRAMS, "Datagrams, by direction.");
    describe_counter!(DATAGRAMS_DROPPED, "Datagrams that were dropped, by reason.");
    describe_counter!(REFUSALS, "Refusals, by rule or limit.");
    describe_counter!(LIMITS, "Limits that were reached and released.");
}
