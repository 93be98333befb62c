//! The names of the metrics.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Sessions that have ended, by `outcome`: `done`; `left` where the client closed before its request was read, as health
/// checks do; or whose fault it was, `client`, `refused`, `target`, `upstream` or `server`; or `dropped`.
pub const SESSIONS: &str = "socks_sessions_total";

/// Sessions that are open, those in the handshake included.
pub const SESSIONS_OPEN: &str = "socks_sessions_open";

/// Sessions that there may be, where a [`SessionLimit`](crate::server::SessionLimit) bounds them.
pub const SESSIONS_LIMIT: &str = crate::session::SESSIONS_LIMIT;

/// Connections that wait for a session to end, since all are taken.
pub const SESSIONS_WAITING: &str = crate::session::SESSIONS_WAITING;

/// Clients whose credentials were wrong.
pub const AUTHENTICATION_FAILURES: &str = "socks_authentication_failures_total";

/// Connections in a protocol that is not served where they arrive, by `protocol`, what they look like: see
/// [`ForeignProtocol::name`](crate::error::ForeignProtocol::name).
pub const FOREIGN_CONNECTIONS: &str = "socks_foreign_connections_total";

/// Requests that were replied to, by `command` and `reply_code`, a number.
pub const REQUESTS: &str = "socks_requests_total";

/// The time that dials took, successful or not, in seconds, by `command`.
pub const DIAL_SECONDS: &str = "socks_dial_seconds";

/// The time that lookups of names took, in seconds, by `outcome`, `ok` or `failed`.
pub const RESOLVE_SECONDS: &str = "socks_resolve_seconds";

/// Lookups of names that failed, by `kind`: `not_found`, `no_answer`, `name_servers`, `system` or `upstream`, as
/// [`LookupErrorKind`](crate::error::LookupErrorKind) has them, or `other`, such as one that found no turn.
pub const RESOLVE_FAILURES: &str = "socks_resolve_failures_total";

/// Lookups of names that wait for a turn.
pub const LOOKUPS_WAITING: &str = crate::admission::LOOKUPS_WAITING;

/// Logins whose password waits to be verified by a [`BlockingVerifier`](crate::layer::auth::BlockingVerifier).
pub const VERIFICATIONS_WAITING: &str = crate::admission::VERIFICATIONS_WAITING;

/// Tunnels that are open, by `command`: associations are `udp`.
pub const TUNNELS_OPEN: &str = "socks_tunnels_open";

/// The time that tunnels were open, in seconds, by `command`.
pub const TUNNEL_SECONDS: &str = "socks_tunnel_seconds";

/// Payload octets that were received, by `direction`, `up` or `down`, and `transport`, `tcp` or
/// `udp`.
pub const BYTES: &str = "socks_bytes_total";

/// Datagrams that were received, by `direction`.
pub const DATAGRAMS: &str = "socks_datagrams_total";

/// Datagrams that were dropped, by `reason`: see [`DropReason`](crate::io::DropReason).
pub const DATAGRAMS_DROPPED: &str = "socks_datagrams_dropped_total";

/// Requests that were refused and tunnels that were closed, by `reason`: the rule or limit that did
/// it, as [`Refusal::rule`](crate::Refusal::rule) has it, or `other` for a reply code of 02 without.
pub const REFUSALS: &str = "socks_refusals_total";

/// Keys that reached a limit or fell below it again, by `limit` and `event`, `reached` or `released`.
/// The limits count this themselves.
pub const LIMIT_EVENTS: &str = crate::admission::LIMITS;

/// Whether an upstream is up, 1 or 0, by `upstream`, its name.
pub const UPSTREAM_UP: &str = "socks_upstream_up";

/// Probes of upstreams that failed, by `upstream`.
pub const UPSTREAM_PROBE_FAILURES: &str = "socks_upstream_probe_failures_total";

/// Dials by an upstream, by `upstream` and `outcome`: `ok`; `refused`, by a policy here or by the upstream's own rules; `target`,
/// `upstream` or `server`, whose fault it was; or `dropped`, as when the client goes or its time is over.
pub const UPSTREAM_DIALS: &str = "socks_upstream_dials_total";

/// The time of dials by an upstream, successful or not, in seconds, by `upstream`.
pub const UPSTREAM_DIAL_SECONDS: &str = "socks_upstream_dial_seconds";

/// Tells the recorder what the metrics mean, and their units. Once, after it is installed.
pub fn describe() {
    describe_counter!(SESSIONS, "Sessions that have ended, by outcome.");
    describe_gauge!(SESSIONS_OPEN, "Sessions that are open.");
    describe_gauge!(SESSIONS_LIMIT, "Sessions that there may be.");
    describe_gauge!(
        SESSIONS_WAITING,
        "Connections that wait for a session to end."
    );
    describe_counter!(
        AUTHENTICATION_FAILURES,
        "Clients that failed to authenticate."
    );
    describe_counter!(
        FOREIGN_CONNECTIONS,
        "Connections in a protocol that is not served, by what they look like."
    );
    describe_counter!(REQUESTS, "Requests, by command and reply code.");
    describe_histogram!(DIAL_SECONDS, Unit::Seconds, "Time of dials, by command.");
    describe_histogram!(RESOLVE_SECONDS, Unit::Seconds, "Time to resolve a name.");
    describe_counter!(RESOLVE_FAILURES, "Lookups of names that failed, by kind.");
    describe_gauge!(LOOKUPS_WAITING, "Lookups of names that wait for a turn.");
    describe_gauge!(
        VERIFICATIONS_WAITING,
        "Logins whose password waits to be verified."
    );
    describe_gauge!(TUNNELS_OPEN, "Tunnels that are open, by command.");
    describe_histogram!(
        TUNNEL_SECONDS,
        Unit::Seconds,
        "Time that tunnels were open."
    );
    describe_counter!(
        BYTES,
        Unit::Bytes,
        "Payload octets, by direction and transport."
    );
    describe_counter!(DATAGRAMS, "Datagrams, by direction.");
    describe_counter!(DATAGRAMS_DROPPED, "Datagrams that were dropped, by reason.");
    describe_counter!(REFUSALS, "Refusals, by rule or limit.");
    describe_gauge!(UPSTREAM_UP, "Whether an upstream is up.");
    describe_counter!(UPSTREAM_PROBE_FAILURES, "Probes of upstreams that failed.");
    describe_counter!(UPSTREAM_DIALS, "Dials by upstreams, by outcome.");
    describe_histogram!(
        UPSTREAM_DIAL_SECONDS,
        Unit::Seconds,
        "Time of dials by upstreams."
    );
    describe_counter!(LIMIT_EVENTS, "Limits that were reached and released.");
}
