//! System calls per connection, by name.

use std::{
    collections::BTreeMap,
    env, fs,
    net::SocketAddrV4,
    process::{self, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use crate::harness::{child::ProxyProcess, peers::visit_by, progress, proxy::Proxy, scale};

/// Calls, and those of them that failed with EAGAIN.
type Calls = BTreeMap<String, (f64, f64)>;

pub(crate) fn run(target: SocketAddrV4) {
    let connections = scale(500, 5);
    let installed = Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    if installed.is_err() {
        println!("system calls: not counted, since strace is not installed");
        return;
    }
    let mut columns = Vec::new();
    for &proxy in Proxy::EACH {
        progress(format_args!("system calls: {}", proxy.name()));
        let idle = trace(proxy, target, 0);
        let mut busy = trace(proxy, target, connections);
        for (name, (calls, again)) in &mut busy {
            let (idle_calls, idle_again) = idle.get(name).copied().unwrap_or_default();
            *calls = (*calls - idle_calls) / connections as f64;
            *again = (*again - idle_again) / connections as f64;
        }
        // What happens once in a while, such as memory that grows, belongs to no connection.
        busy.retain(|_, (calls, _)| *calls >= 0.005);
        columns.push(busy);
    }
    progress(format_args!(""));
    println!("system calls per connection, {connections} connections one after the other");
    print!("{:<16}", "");
    for proxy in Proxy::EACH {
        print!(" {:>18}", proxy.name());
    }
    println!();
    let mut names: Vec<&String> = columns.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    for name in names {
        let cells = columns.iter().map(|column| column.get(name).copied());
        print_row(name, cells.map(Option::unwrap_or_default));
    }
    let totals = columns.iter().map(|column| {
        let sum = |(calls, again), (more, more_again)| (calls + more, again + more_again);
        column.values().copied().fold((0.0, 0.0), sum)
    });
    print_row("all", totals);
}

fn print_row(name: &str, cells: impl Iterator<Item = (f64, f64)>) {
    print!("{name:<16}");
    for (calls, again) in cells {
        let again = match again {
            some if some >= 0.005 => format!(" ({some:.2})"),
            _ => String::new(),
        };
        print!(" {:>18}", format!("{calls:.2}{again:>7}"));
    }
    println!();
}

/// What strace sees of a proxy that serves so many connections after a few to warm up.
fn trace(proxy: Proxy, target: SocketAddrV4, connections: usize) -> Calls {
    let log = env::temp_dir().join(format!("tower-socks-strace-{}", process::id()));
    let name = log.to_str().unwrap();
    let strace = ["strace", "-f", "-qq", "-e", "signal=none", "-o", name];
    let traced = ProxyProcess::start_under(&strace, proxy, 0);
    for _ in 0..20 + connections {
        visit_by(proxy.spoken(), traced.address, target);
    }
    // The last session ends after its client has gone.
    sleep(Duration::from_millis(100));
    drop(traced);
    let lines = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();

    let mut calls = Calls::new();
    for line in lines.lines() {
        // "PID name(arguments) = result ERROR (explanation)"; a call that another thread interrupts
        // has a second line that begins with "<...".
        let Some((_, call)) = line.split_once(' ') else {
            continue;
        };
        let Some((name, rest)) = call.trim_start().split_once('(') else {
            continue;
        };
        if name.starts_with('<') || name.is_empty() {
            continue;
        }
        let (count, again) = calls.entry(name.to_owned()).or_default();
        *count += 1.0;
        if rest.contains("= -1 EAGAIN") {
            *again += 1.0;
        }
    }
    calls
}
