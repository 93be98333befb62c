//! Drives SOCKS servers side by side and reports what they cost: `benches/compare/run`.
//!
//! One generator, on a core of its own, asks the same of every server in turn, round after round, so
//! that whatever disturbs the machine disturbs all of them. Each measurement has a server of its own
//! that has just started.

mod about;
mod batch;
mod between;
mod everything;
mod files;
mod machine;
mod name_server;
mod network;
mod options;
mod process;
mod progress;
mod report;
mod servers;
mod targets;
mod work;

use std::{fs, net::Ipv4Addr, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::{
    network::{FAR, Network},
    options::Options,
    progress::Progress,
    report::Results,
    servers::{Host, Server},
    targets::Targets,
    work::{At, Capacities, Row, Work, capacity},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::read()?;
    options.check(
        &Server::ALL.map(Server::name),
        &Row::ALL.map(Row::name).each_ref().map(String::as_str),
    )?;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("a limit below the maximum")?;

    let cells: Vec<(Row, Server)> = Row::ALL
        .into_iter()
        .filter(|row| options.wants_row(&row.name()))
        .flat_map(|row| Server::ALL.map(|server| (row, server)))
        .filter(|(row, server)| options.wants_server(server.name()) && row.suits(*server))
        .filter(|(_, server)| server.missing(&options).is_none())
        .collect();
    let work = std::env::temp_dir().join(format!("compare.{}", std::process::id()));
    fs::create_dir_all(&work)?;
    fs::create_dir_all(&options.out)?;

    // Many, so that a server that closes first does not run out of ports.
    let near: Vec<_> = (2..66).map(|last| Ipv4Addr::new(127, 0, 0, last)).collect();
    let targets = Targets::start(&near).await?;
    let mut results = Results::default();
    let mut progress = Progress::new(cells.len() * options.rounds);
    let capacities = Capacities::default();
    let place = Place {
        options: &options,
        targets: &targets,
        work: &work,
        capacities: &capacities,
    };
    for round in 1..=options.rounds {
        capacities.clear();
        for &(row, server) in &cells {
            progress.show(&format!("round {round}: {} {}", row.name(), server.name()));
            if let Some(work) = row.needs_all() {
                let all = cells.iter().filter(|cell| cell.0 == row);
                let unknown = all.filter(|cell| capacities.of(work, cell.1).is_none());
                for &(_, server) in unknown.collect::<Vec<_>>() {
                    // One that has none fails in its own turn.
                    let _ = place.measure(Task::Capacity(work), server).await;
                }
            }
            let measured = place.measure(Task::Row(row), server).await;
            if let Some((work, rate)) = measured.as_ref().ok().and_then(|all| row.capacity(all)) {
                capacities.learn(work, server, rate);
            }
            results.add(row, server, measured);
        }
        // What there is so far: a run may be cut short.
        report::write(&options, &results, round)?;
    }
    progress.done();
    fs::remove_dir_all(&work)?;
    print!("{}", report::text(&options, &results, options.rounds));
    for row in results.rows() {
        for server in Server::ALL.into_iter().filter(|server| server.is_ours()) {
            let failures = results.failures(row, server);
            let (server, row) = (server.name(), row.name());
            ensure!(failures.is_empty(), "{server}, {row}: {failures:?}");
        }
    }
    Ok(())
}

/// What a server is started for.
#[derive(Clone, Copy)]
enum Task {
    Row(Row),
    Capacity(Work),
}

/// Where servers are measured.
struct Place<'a> {
    options: &'a Options,
    targets: &'a Targets,
    work: &'a Path,
    capacities: &'a Capacities,
}

impl Place<'_> {
    /// One measurement, whatever becomes of it.
    async fn measure(&self, task: Task, server: Server) -> Result<Vec<f64>, String> {
        let limit = Duration::from_secs_f64(120.0 + 4.0 * self.options.seconds);
        let measuring = async {
            let network = match task {
                Task::Row(Row::Network(condition)) => Some(Network::lay(condition, self.options)?),
                _ => None,
            };
            let (targets, host) = match &network {
                Some(network) => (
                    network.targets.as_ref().context("no targets")?,
                    Host {
                        ip: FAR,
                        namespace: Some(&network.far),
                        amount: None,
                    },
                ),
                None => (
                    self.targets,
                    Host {
                        ip: Ipv4Addr::LOCALHOST,
                        namespace: None,
                        amount: match task {
                            Task::Row(Row::Amount(amount)) => Some(amount),
                            _ => None,
                        },
                    },
                ),
            };
            let running = server.start(self.options, targets, self.work, host).await?;
            let at = At {
                options: self.options,
                targets,
                server: &running,
                capacities: self.capacities,
            };
            match task {
                Task::Row(row) => row.measure(at).await,
                Task::Capacity(work) => capacity(at, work).await.map(|rate| vec![rate]),
            }
        };
        let measured = tokio::time::timeout(limit, measuring).await;
        // The last connections end with the server, at the targets too.
        tokio::time::sleep(Duration::from_millis(100)).await;
        match measured {
            Ok(measured) => measured.map_err(|error| format!("{error:#}")),
            Err(_) => Err("takes too long".to_owned()),
        }
    }
}
