use metrics::{counter, gauge, histogram};

use super::names::{
    AUTHENTICATION_FAILURES, BYTES, DATAGRAMS, DATAGRAMS_DROPPED, DIAL_SECONDS,
    FOREIGN_CONNECTIONS, LIMIT_EVENTS, LOOKUPS_WAITING, REFUSALS, REQUESTS, RESOLVE_FAILURES,
    RESOLVE_SECONDS, SESSIONS, SESSIONS_OPEN, SESSIONS_WAITING, TUNNEL_SECONDS, TUNNELS_OPEN,
    VERIFICATIONS_WAITING,
};
use crate::{error::LookupErrorKind, io::DropReason, proto::ReplyCode};

const OUTCOMES: [&str; 8] = [
    "done", "left", "client", "refused", "target", "upstream", "server", "dropped",
];

const PROTOCOLS: [&str; 7] = ["socks5", "socks4", "http", "tls", "proxy", "ssh", "other"];

const COMMANDS: [&str; 6] = ["connect", "bind", "udp", "resolve", "resolve_ptr", "other"];

/// What refuses besides rules.
const LIMITS: [&str; 9] = [
    "limit associations",
    "limit binds",
    "limit lookups",
    "limit quota",
    "limit requests",
    "limit sessions",
    "limit tunnels",
    "limit verifications",
    "operator",
];

/// Those that count themselves.
const EVENTS: [&str; 9] = [
    "failed logins",
    "lookups",
    "quota",
    "requests",
    "sessions",
    "sessions per client",
    "sessions per user",
    "tunnels",
    "verifications that wait",
];

/// Tells the recorder of everything that is known beforehand, with 0: each outcome, command, reply code, reason and limit.
/// What has counted by then stays. Once, after the recorder is installed; rules and upstreams are the program's to register.
///
/// ```
/// use metrics_util::debugging::DebuggingRecorder;
/// use tower_socks::layer::metrics::{names, register};
///
/// let recorder = DebuggingRecorder::new();
/// let numbers = recorder.snapshotter();
/// metrics::with_local_recorder(&recorder, register);
/// let numbers = numbers.snapshot().into_vec();
/// let sessions = numbers.iter().filter(|(key, ..)| key.key().name() == names::SESSIONS);
/// assert_eq!(sessions.count(), 8);
/// ```
pub fn register() {
    for outcome in OUTCOMES {
        counter!(SESSIONS, "outcome" => outcome).increment(0);
    }
    for gauge in [
        gauge!(SESSIONS_OPEN),
        gauge!(SESSIONS_WAITING),
        gauge!(LOOKUPS_WAITING),
        gauge!(VERIFICATIONS_WAITING),
    ] {
        gauge.increment(0.0);
    }
    counter!(AUTHENTICATION_FAILURES).increment(0);
    for protocol in PROTOCOLS {
        counter!(FOREIGN_CONNECTIONS, "protocol" => protocol).increment(0);
    }
    for command in COMMANDS {
        for code in ReplyCode::SUCCEEDED.0..=ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED.0 {
            let code = code.to_string();
            counter!(REQUESTS, "command" => command, "reply_code" => code).increment(0);
        }
        let _ = histogram!(DIAL_SECONDS, "command" => command);
    }
    for command in ["connect", "bind", "udp"] {
        gauge!(TUNNELS_OPEN, "command" => command).increment(0.0);
        let _ = histogram!(TUNNEL_SECONDS, "command" => command);
    }
    for direction in ["up", "down"] {
        for transport in ["tcp", "udp"] {
            counter!(BYTES, "direction" => direction, "transport" => transport).increment(0);
        }
        counter!(DATAGRAMS, "direction" => direction).increment(0);
    }
    for reason in DropReason::ALL {
        counter!(DATAGRAMS_DROPPED, "reason" => reason.as_str()).increment(0);
    }
    for reason in LIMITS.into_iter().chain(["other"]) {
        counter!(REFUSALS, "reason" => reason).increment(0);
    }
    for limit in EVENTS {
        for event in ["reached", "released"] {
            counter!(LIMIT_EVENTS, "limit" => limit, "event" => event).increment(0);
        }
    }
    for outcome in ["ok", "failed"] {
        let _ = histogram!(RESOLVE_SECONDS, "outcome" => outcome);
    }
    let kinds = LookupErrorKind::ALL.map(LookupErrorKind::as_str);
    for kind in kinds.into_iter().chain(["other"]) {
        counter!(RESOLVE_FAILURES, "kind" => kind).increment(0);
    }
}
