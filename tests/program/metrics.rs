//! The numbers of the example server: those that alerts and the dashboard name are there from the start, and explained.

use std::{
    collections::BTreeSet,
    net::TcpStream,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::status::status;
use crate::support::program::{Server, certificates::Authority, file::File, http::get};

const MONITORING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/monitoring");

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{MONITORING}/{name}")).unwrap()
}

/// With everything that has numbers of its own. The certificate and its key go with it.
fn file() -> (File, (File, File)) {
    let tls = Authority::new().signs("proxy").files();
    let log = std::env::temp_dir().join(format!("tower-socks-metrics-{}.log", std::process::id()));
    let file = File::new(&format!(
        "upstream = \"paris\"\n[upstreams.paris]\nurl = \"socks5h://127.0.0.1:9\"\n\
         [tls]\ncertificate = {:?}\nkey = {:?}\n\
         [metrics]\nlisten = \"127.0.0.1:0\"\n[access_log]\nfile = {log:?}\n\
         [acl]\ndefault = \"allow\"\n[[acl.rules]]\nname = \"no mail\"\naction = \"deny\"\nport = 25\n",
        tls.0.path(),
        tls.1.path(),
    ));
    (file, tls)
}

/// The names of the series, as they are in the text.
fn series(numbers: &str) -> BTreeSet<&str> {
    let lines = numbers
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect()
}

/// The name of a metric, without what a histogram adds to it.
fn metric<'a>(series: &'a str, histograms: &BTreeSet<&str>) -> &'a str {
    let ends = ["_bucket", "_sum", "_count"];
    let stems = ends.iter().filter_map(|end| series.strip_suffix(end));
    let mut stems = stems.filter(|stem| histograms.contains(stem));
    stems.next().unwrap_or(series)
}

/// Names of metrics in an expression: what looks like one, and is neither a label nor a function.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c));
    let begins = ["socks_", "process_", "access_log_"];
    let words = words.filter(|word| begins.iter().any(|begin| word.starts_with(begin)));
    words.map(str::to_owned).collect()
}

/// What `expr` says in the rules, which may go on over lines that are indented further.
fn expressions(rules: &str) -> String {
    let mut found = String::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(expression) = line.trim_start().strip_prefix("expr: ") else {
            continue;
        };
        found.push_str(expression);
        while let Some(more) = lines.next_if(|line| line.starts_with("          ")) {
            found.push_str(more);
        }
        found.push('\n');
    }
    found
}

/// All texts of these keys, wherever they are.
fn texts(value: &serde_json::Value, keys: &[&str], found: &mut String) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if keys.contains(&key.as_str()) => {
                        found.push_str(text);
                        found.push('\n');
                    }
                    _ => texts(value, keys, found),
                }
            }
        }
        serde_json::Value::Array(values) => {
            for value in values {
                texts(value, keys, found);
            }
        }
        _ => {}
    }
}

#[test]
fn what_alerts_and_the_dashboard_name_is_there_from_the_start() {
    let (file, _tls) = file();
    let mut server = file.server();
    let (_, numbers) = get(status(&mut server), "/metrics");
    let there = series(&numbers);

    let alerts = named(&expressions(&read("alerts.yml")));
    assert!(alerts.len() > 10, "{alerts:?}");
    let dashboard: serde_json::Value = serde_json::from_str(&read("grafana.json")).unwrap();
    let mut queries = String::new();
    texts(&dashboard, &["expr", "definition"], &mut queries);
    let dashboard = named(&queries);
    assert!(dashboard.len() > 20, "{dashboard:?}");
    for name in alerts.iter().chain(&dashboard) {
        assert!(there.contains(name.as_str()), "{name} is not in {numbers}");
    }
}

#[test]
fn each_number_has_a_text_a_good_name_and_a_line_in_the_readme() {
    let (file, _tls) = file();
    let mut server = file.server();
    let (_, numbers) = get(status(&mut server), "/metrics");
    let histograms: BTreeSet<_> = numbers
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram"))
        .collect();
    let readme = read("README.md");
    for series in series(&numbers) {
        let name = metric(series, &histograms);
        assert!(
            numbers.contains(&format!("# HELP {name} ")),
            "{name} has no text"
        );
        assert!(
            readme.contains(&format!("`{name}`")),
            "{name} is not in the readme"
        );
        let is_counter = numbers.contains(&format!("# TYPE {name} counter\n"));
        assert_eq!(name.ends_with("_total"), is_counter, "{name}");
    }
    // And the other direction.
    for name in named(&readme) {
        let stem = |series: &&str| metric(series, &histograms) == name;
        let is_there = series(&numbers).iter().any(stem);
        assert!(
            is_there || name == "socks_" || name == "access_log_",
            "{name} is not emitted"
        );
    }
}

#[test]
fn counters_begin_with_0() {
    let (file, _tls) = file();
    let mut server = file.server();
    let (_, numbers) = get(status(&mut server), "/metrics");
    for line in [
        "socks_sessions_total{outcome=\"server\"} 0\n",
        "socks_requests_total{command=\"resolve\",reply_code=\"4\"} 0\n",
        "socks_requests_total{command=\"bind\",reply_code=\"8\"} 0\n",
        "socks_refusals_total{reason=\"rule 1 (no mail)\"} 0\n",
        "socks_refusals_total{reason=\"limit tunnels\"} 0\n",
        "socks_datagrams_dropped_total{reason=\"overflow\"} 0\n",
        "socks_resolve_failures_total{kind=\"not_found\"} 0\n",
        "socks_resolve_seconds_count{outcome=\"failed\"} 0\n",
        "socks_dial_seconds_count{command=\"udp\"} 0\n",
        "socks_authentication_failures_total 0\n",
        "socks_tunnels_open{command=\"udp\"} 0\n",
        "socks_verifications_waiting 0\n",
        "socks_lookups_waiting 0\n",
        "socks_sessions_waiting 0\n",
        "socks_upstream_dials_total{upstream=\"paris\",outcome=\"ok\"} 0\n",
        "access_log_lines_total{outcome=\"dropped\"} 0\n",
        "access_log_lines_waiting 0\n",
        "socks_log_lines_total{outcome=\"dropped\"} 0\n",
        "socks_accounting_records_dropped_total 0\n",
        "socks_accounting_records_waiting 0\n",
        concat!(
            "socks_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1\n"
        ),
    ] {
        assert!(numbers.contains(line), "{line} in {numbers}");
    }
}

/// The value of a series.
pub(crate) fn value(numbers: &str, name: &str) -> f64 {
    let line = numbers
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap().parse().unwrap()
}

#[test]
fn a_reload_is_told() {
    let (file, _tls) = file();
    let mut server = file.server();
    let status = status(&mut server);
    let reload = |numbers: &str| {
        let time = value(
            numbers,
            "socks_config_last_reload_success_timestamp_seconds",
        );
        (
            value(numbers, "socks_config_last_reload_successful") as u8,
            time,
        )
    };
    let (is_successful, first) = reload(&get(status, "/metrics").1);
    assert!(is_successful == 1 && first > 1.7e9, "{first}");

    let right = std::fs::read_to_string(&file.0).unwrap();
    file.write("mistake = 1\n");
    server.signal(Signal::HUP);
    server.says("kept what was in force");
    assert_eq!(reload(&get(status, "/metrics").1), (0, first));

    file.write(&right);
    server.signal(Signal::HUP);
    server.says("reloaded");
    let (is_successful, second) = reload(&get(status, "/metrics").1);
    assert!(is_successful == 1 && second > first, "{second}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_has_its_numbers() {
    let (file, _tls) = file();
    let mut server = file.server();
    let (_, numbers) = get(status(&mut server), "/metrics");
    let value = |name| value(&numbers, name);
    let mebibyte = 1024.0 * 1024.0;
    assert!((mebibyte..4096.0 * mebibyte).contains(&value("process_resident_memory_bytes")));
    assert!((5.0..1000.0).contains(&value("process_open_fds")));
    assert!(value("process_max_fds") > value("process_open_fds"));
    assert!((0.0..60.0).contains(&value("process_cpu_seconds_total")));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age = now.unwrap().as_secs_f64() - value("process_start_time_seconds");
    assert!((-1.0..60.0).contains(&age), "{age}");
}

/// A pipe holds 64 KiB, and each request for the numbers has lines of its own at this level.
#[test]
fn lines_that_wait_are_told_and_those_that_are_lost() {
    let (file, _tls) = file();
    let mut server = Server::start(&["--config", file.path()], "trace");
    let status = status(&mut server);
    let numbers = || get(status, "/metrics").1;
    let first = numbers();
    assert_eq!(
        value(&first, "socks_log_lines_total{outcome=\"dropped\"}"),
        0.0
    );
    let until = |what: &str, holds: &dyn Fn(&str) -> bool| {
        let started = Instant::now();
        while !holds(&numbers()) {
            assert!(started.elapsed() < Duration::from_secs(30), "{what}");
            drop(TcpStream::connect(server.address));
        }
    };
    until("waiting", &|numbers| {
        value(numbers, "socks_log_lines_waiting") > 0.0
    });
    until("dropped", &|numbers| {
        value(numbers, "socks_log_lines_total{outcome=\"dropped\"}") > 0.0
    });
    let written = value(&numbers(), "socks_log_lines_total{outcome=\"written\"}");
    // Whoever reads has what was waiting, and the log goes on.
    server.says("lines dropped");
    server.signal(Signal::HUP);
    server.says("reloaded");
    assert!(
        value(
            &get(status, "/metrics").1,
            "socks_log_lines_total{outcome=\"written\"}"
        ) > written
    );
}
