//! Metrics of sessions, requests, tunnels and lookups, through the `metrics` facade.
//!
//! They go to whatever recorder the program has installed, a Prometheus exporter for one. A layer
//! stands where the things are that it counts:
//!
//! | layer | stands | counts |
//! |---|---|---|
//! | [`SessionMetricsLayer`] | above [`HandshakeLayer`](crate::HandshakeLayer) | sessions and failed authentication |
//! | [`RequestMetricsLayer`] | right below [`AuthLayer`](crate::AuthLayer), so that it counts refusals as well | requests, dials, tunnels, octets |
//! | [`LookupMetricsLayer`] | on a resolver | lookups |
//! | [`UpstreamMetricsLayer`] | on each of several upstreams | dials by it; the program tells it the rest |
//!
//! | name | counts or measures | labels | from |
//! |---|---|---|---|
//! | [`socks_sessions_total`](names::SESSIONS) | sessions that have ended | `outcome` | [`SessionMetricsLayer`] |
//! | [`socks_sessions_open`](names::SESSIONS_OPEN) | sessions that are open | | the same |
//! | [`socks_authentication_failures_total`](names::AUTHENTICATION_FAILURES) | clients whose credentials were wrong | | the same |
//! | [`socks_foreign_connections_total`](names::FOREIGN_CONNECTIONS) | connections in a protocol that is not served | `protocol`, what they look like | the same |
//! | [`socks_requests_total`](names::REQUESTS) | requests | `command`, `reply_code` | [`RequestMetricsLayer`] |
//! | [`socks_dial_seconds`](names::DIAL_SECONDS) | the time of dials | `command` | the same |
//! | [`socks_tunnels_open`](names::TUNNELS_OPEN) | tunnels and associations that are open | `command` | the same |
//! | [`socks_tunnel_seconds`](names::TUNNEL_SECONDS) | the time that tunnels were open | `command` | the same |
//! | [`socks_bytes_total`](names::BYTES) | payload octets | `direction`, `transport` | the same |
//! | [`socks_datagrams_total`](names::DATAGRAMS) | datagrams | `direction` | the same |
//! | [`socks_datagrams_dropped_total`](names::DATAGRAMS_DROPPED) | datagrams that were dropped | `reason` | the same |
//! | [`socks_refusals_total`](names::REFUSALS) | refusals | `reason`: the rule or limit | the same |
//! | [`socks_limit_events_total`](names::LIMIT_EVENTS) | keys that reach a limit, and fall below it again | `limit`, `event` | the limits and the server themselves |
//! | [`socks_upstream_up`](names::UPSTREAM_UP) | whether an upstream is up | `upstream`, its name | [`UpstreamMetricsLayer`] |
//! | [`socks_upstream_probe_failures_total`](names::UPSTREAM_PROBE_FAILURES) | probes that failed | `upstream` | the same |
//! | [`socks_upstream_dials_total`](names::UPSTREAM_DIALS) | dials | `upstream`, `outcome` | the same |
//! | [`socks_upstream_dial_seconds`](names::UPSTREAM_DIAL_SECONDS) | the time of dials | `upstream` | the same |
//! | [`socks_resolve_seconds`](names::RESOLVE_SECONDS) | the time to resolve a name | `outcome` | [`LookupMetricsLayer`] |
//! | [`socks_resolve_failures_total`](names::RESOLVE_FAILURES) | lookups that failed | `kind` | the same |
//! | [`socks_lookups_waiting`](names::LOOKUPS_WAITING) | lookups that wait for a turn | | the resolvers themselves |
//! | [`socks_verifications_waiting`](names::VERIFICATIONS_WAITING) | logins that wait for a turn | | the verifier itself |
//!
//! No label has a value that a client can invent: no user, no target. What each client does is in the
//! log, and in the list of [open tunnels](super::track).
//!
//! Install the recorder before the first connection, and call [`names::describe`] once for recorders
//! that show texts and units, and [`register`] to have all that is known beforehand there with 0: an alert on a
//! counter does not see its first event otherwise.
//!
//! # Example
//!
//! ```
//! use metrics_util::debugging::{DebugValue, DebuggingRecorder};
//! use tower::{Layer, ServiceExt};
//! use tower_socks::{
//!     Connector, Request,
//!     layer::metrics::{RequestMetricsLayer, names},
//!     proto::{Address, Command},
//! };
//!
//! let recorder = DebuggingRecorder::new();
//! let numbers = recorder.snapshotter();
//! metrics::with_local_recorder(&recorder, || {
//!     let service = RequestMetricsLayer::new().layer(Connector::direct());
//!     let request = Request::new(Command(9), Address::UNSPECIFIED);
//!     let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//!     assert!(runtime.block_on(service.oneshot(request)).is_err());
//! });
//! let numbers = numbers.snapshot().into_vec();
//! let (requests, _, _, value) = &numbers[0];
//! assert_eq!(requests.key().name(), names::REQUESTS);
//! assert_eq!(*value, DebugValue::Counter(1));
//! ```

mod keys;
mod refusals;
mod register;
mod requests;
mod resolver;
mod sessions;
mod upstreams;

pub mod names;

pub use self::{
    register::register,
    requests::{MetricsTunnel, RequestMetrics, RequestMetricsLayer},
    resolver::{LookupMetrics, LookupMetricsLayer},
    sessions::{SessionMetrics, SessionMetricsLayer},
    upstreams::{UpstreamMetrics, UpstreamMetricsLayer},
};
