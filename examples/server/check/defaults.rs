//! What is in force where the file says nothing.

use toml::{Table, Value};

use crate::{
    config::Config,
    settings::{Fixed, Settings},
    status::Metrics,
};

/// Those of fields that have one whatever else is stated.
const DEFAULTS: &str = include_str!("defaults.toml");

/// Fields that were called otherwise: table, then what it was called, and is called now.
pub(super) const RENAMED: [(&str, &str, &str); 2] = [
    ("limits", "upload_bytes_per_second", "upload"),
    ("limits", "download_bytes_per_second", "download"),
];

/// Puts defaults beside what is stated.
pub(super) fn fill(stated: &mut Table, settings: &Settings) {
    debug_assert_eq!(
        Config::parse(DEFAULTS)
            .map(|config| format!("{config:?}"))
            .ok(),
        Some(format!("{:?}", Config::default())),
        "defaults.toml is not what the code has"
    );
    for (table, before, now) in RENAMED {
        if let Some(Value::Table(table)) = stated.get_mut(table)
            && let Some(value) = table.remove(before)
        {
            table.insert(now.to_owned(), value);
        }
    }
    merge(stated, DEFAULTS.parse().unwrap_or_default());
    merge(stated, derived(stated, settings));
}

/// Puts the second beside the first, in each table.
fn merge(stated: &mut Table, defaults: Table) {
    for (key, default) in defaults {
        match (stated.get_mut(&key), default) {
            (None, default) => _ = stated.insert(key, default),
            (Some(Value::Table(stated)), Value::Table(default)) => merge(stated, default),
            (Some(_), _) => {}
        }
    }
}

/// A table of these.
macro_rules! table {
    ($($key:ident: $value:expr),* $(,)?) => {
        Table::from_iter([$((stringify!($key).to_owned(), Value::from($value))),*])
    };
}

/// Defaults that follow from something else, and those of tables that there need not be.
fn derived(stated: &Table, settings: &Settings) -> Table {
    let Fixed {
        upstream, metrics, ..
    } = &settings.fixed;
    let mut all = table! {
        listen: "127.0.0.1:1080",
        udp_over_tcp: upstream.has_udp(),
        outgoing: table! { family: "both" },
        udp: table! {
            any_client_port: false, filtering: "address", destinations: 256, fragments: "reassemble",
        },
        logins: logins(),
        log: table! { level: "info" },
        limits: limits(stated),
        resolver: table! { lookups_at_once: if is(stated, "resolver", "kind", "hickory") { 512 } else { 128 } },
    };
    let directory = |connections: i64| {
        table! { connections: connections, waiting: 512, connect_timeout: "4s", answer_timeout: "4s" }
    };
    let mut ldap = directory(16);
    ldap.insert("start_tls".into(), false.into());
    let mut radius = table! {
        nas_identifier: "tower-socks", groups_attribute: "Filter-Id", require_message_authenticator: true,
        at_once: 64, waiting: 512, timeout: "2s", retries: 1,
    };
    if table(stated, "radius").is_some_and(|radius| radius.contains_key("accounting")) {
        let accounting = table! { interim: "5m", queue: 65_536 };
        radius.insert("accounting".into(), accounting.into());
    }
    for (name, defaults) in [
        ("ldap", ldap),
        ("radius", radius),
        (
            "http_auth",
            table! { allow_clear_text: false, at_once: 16, waiting: 512, timeout: "4s" },
        ),
        (
            "redis",
            table! { prefix: "tower-socks", timeout: "250ms", lease: "30s", while_away: "local", accounts: false },
        ),
        (
            "gssapi",
            table! {
                service: "socks", levels: ["confidentiality", "integrity"].map(Value::from).to_vec(), allow_clear: false,
                allow_nec: false, prefer_passwords: false,
            },
        ),
        ("postgres", directory(8)),
        ("access_log", table! { format: "json" }),
        ("admin", table! { mode: "0600" }),
        ("proxy_protocol", table! { others: "refuse" }),
        (
            "metrics",
            table! { dashboard: metrics.as_ref().is_some_and(Metrics::has_dashboard) },
        ),
    ] {
        if stated.contains_key(name) {
            all.insert(name.to_owned(), defaults.into());
        }
    }
    if table(stated, "tls").is_some_and(|tls| tls.contains_key("client_ca")) {
        let clients = table! { client_certificates: "required" };
        all.insert("tls".to_owned(), clients.into());
    }
    if let Some(upstreams) = table(stated, "upstreams") {
        let upstreams = upstreams.iter().filter_map(|(name, upstream)| {
            Some((name.clone(), Value::from(proxy(upstream.as_table()?))))
        });
        let upstreams = upstreams.collect::<Table>();
        all.insert("upstreams".to_owned(), upstreams.into());
    }
    all
}

/// Of one of `[upstreams]`.
fn proxy(stated: &Table) -> Table {
    let mut defaults = Table::new();
    if stated.contains_key("url") {
        defaults = table! { udp: "off", bind: false };
    }
    if stated.contains_key("probe") {
        let probe = table! { every: "10s", timeout: "3s", rise: 2, fall: 3 };
        defaults.insert("probe".to_owned(), probe.into());
    }
    if stated.contains_key("balance") {
        defaults.insert("by".to_owned(), "load".into());
    }
    defaults
}

/// The hashes at once are those of this machine.
fn logins() -> Table {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = i64::try_from(cores).unwrap_or(i64::MAX);
    table! { hashes_at_once: cores, hashes_waiting: cores.saturating_mul(256) }
}

fn limits(stated: &Table) -> Table {
    let stated = table(stated, "limits");
    let number = |field: &str| stated?.get(field)?.as_integer();
    let sessions = number("sessions").unwrap_or(10_000);
    // A quarter, and more of a few.
    let quarter = sessions / 4 + i64::from(sessions % 4 > 0);
    let share = quarter.max((sessions - sessions / 4).min(8));
    let mut limits = table! { sessions_per_client: share, sessions_per_user: share };
    if let Some(rate) = number("requests_per_second") {
        limits.insert("request_burst".to_owned(), rate.into());
    }
    limits
}

fn table<'a>(stated: &'a Table, name: &str) -> Option<&'a Table> {
    stated.get(name)?.as_table()
}

fn is(stated: &Table, name: &str, field: &str, value: &str) -> bool {
    let stated = table(stated, name).and_then(|table| table.get(field));
    stated.and_then(Value::as_str) == Some(value)
}
