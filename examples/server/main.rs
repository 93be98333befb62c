//! A proxy server for the command line: SOCKS5, SOCKS4 and HTTP on one port.
//!
//! ```text
//! cargo run --release --example server
//! curl --proxy socks5h://127.0.0.1:1080 http://example.com/
//! curl --proxy http://127.0.0.1:1080 http://example.com/
//! ```
//!
//! Without flags it serves on 127.0.0.1:1080, to everyone on this machine. `--help` lists the flags.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod about;
mod accounts;
mod auth;
mod certified;
mod check;
mod cli;
mod close;
mod config;
mod container;
mod descriptors;
mod directories;
mod explain;
mod hashes;
mod healthcheck;
mod help;
mod htpasswd;
mod limits;
mod listen;
mod log;
mod logins;
mod lookups;
mod names;
mod replies;
mod search;
mod serving;
mod settings;
mod signals;
mod state;
mod status;
mod systemd;
mod timeouts;
mod udp_over_tcp;
mod upstream;
mod warnings;

use std::{process::ExitCode, time::Duration};

use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceBuilder};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Request, Tunnel,
    connector::resolve::SystemResolver,
    layer::{
        acl::recheck::RecheckLayer, limit::LimitLayer, meter::MeterLayer,
        metrics::RequestMetricsLayer, record::Recorder, track::OpenTunnels,
    },
};

use auth::ReloadableAuth;
use cli::{Flags, Start};
use explain::{Question, answer};
use limits::InForce;
use listen::{Bound, Passed, Socket};
use log::Condition;
use names::Names;
use serving::Serving;
use settings::{Fixed, Settings};
use state::State;
use status::{Admin, Health, Metrics, Status};
use upstream::Standings;

fn main() -> ExitCode {
    let (flags, task) = match Flags::parse(std::env::args_os()) {
        Ok(Start::Serve(flags)) => (flags, Task::Serve),
        Ok(Start::Explain(flags, question)) => (flags, Task::Explain(question)),
        Ok(Start::Check(flags)) => (flags, Task::Check),
        Ok(Start::HashPassword) => return hash_password(),
        Ok(Start::Healthcheck(check)) => return healthcheck::run(check),
        Ok(Start::Close(closing)) => return closing.run(),
        Ok(Start::Help) => return about::print(&help::text(&about::program())),
        Ok(Start::Manual) => return about::print(&help::manual()),
        Ok(Start::FileManual) => return about::print(&help::file_manual()),
        Ok(Start::Completions(shell)) => return about::print(&shell.completions()),
        Ok(Start::Version) => return about::print(&about::version()),
        Ok(Start::PrintConfig) => return about::print(&about::default_file()),
        Err(problem) => return complain(&problem, ExitCode::from(2)),
    };
    // Before anybody can connect, and again with the addresses that are listened on.
    let loaded = systemd::listeners().and_then(|passed| {
        let bound = Bound::passed(&passed)?;
        Ok((Settings::load(&flags, &bound)?, bound, passed))
    });
    let (settings, bound, passed) = match loaded {
        Ok(loaded) => loaded,
        Err(problem) => return complain(&problem, ExitCode::FAILURE),
    };
    let log = match log::start(settings.fixed.log.format) {
        Ok(log) => log,
        Err(problem) => return complain(&problem, ExitCode::FAILURE),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(problem) => return complain(&problem, ExitCode::FAILURE),
    };
    let outcome = runtime.block_on(async {
        match task {
            Task::Explain(question) => Ok(answer(&settings, &question).await),
            Task::Check => Ok(check::check(&settings)),
            Task::Serve => run(flags, settings.fixed, bound, passed, log.condition())
                .await
                .map(|()| ExitCode::SUCCESS),
        }
    });
    // A lookup that hangs in its thread is no reason to stay, and sessions that are dropped have a
    // moment for their lines.
    runtime.shutdown_timeout(Duration::from_secs(u64::from(outcome.is_err())));
    let is_read = log.flush();
    match outcome {
        Ok(code) => code,
        Err(_) if !is_read => ExitCode::FAILURE,
        Err(problem) => complain(&problem, ExitCode::FAILURE),
    }
}

/// The task that the program is started for.
enum Task {
    Serve,
    Explain(Box<Question>),
    Check,
}

/// Prints a problem, one line and nothing else.
fn complain(problem: &dyn std::fmt::Display, code: ExitCode) -> ExitCode {
    eprintln!("{}: {problem}", about::program());
    code
}

/// Executes `hash-password`: prints what the file has in place of a password.
fn hash_password() -> ExitCode {
    let mut password = String::new();
    let read = std::io::stdin().read_line(&mut password);
    let hash = read
        .map_err(Into::into)
        .and_then(|_| hashes::hash(password.trim_end_matches(['\r', '\n'])));
    match hash {
        Ok(hash) => {
            println!("{hash}");
            ExitCode::SUCCESS
        }
        Err(problem) => complain(&problem, ExitCode::FAILURE),
    }
}

async fn run(
    flags: Flags,
    fixed: Fixed,
    bound: Bound,
    passed: Vec<(String, Passed)>,
    log: Condition,
) -> Result<(), BoxError> {
    descriptors::raise_limit();
    let sockets = if passed.is_empty() {
        listen::bind(&fixed.doors)?
    } else {
        let sockets = passed.into_iter().map(|(_, passed)| passed.into_socket());
        sockets.collect::<Result<_, _>>()?
    };
    let status = fixed.metrics.as_ref().map(Metrics::bind).transpose()?;
    let bound = bound.serving(&fixed.doors, &sockets, status.as_ref())?;
    let limits = InForce::new(&fixed.limits)?;
    let system = SystemResolver::new();
    let names = Names::new(system.clone());
    let upstreams = Standings::default();
    fixed.upstream.log();
    if fixed.upstream.is_direct() {
        let connector = upstream::direct(&fixed, &limits, system, &names);
        let observed = (log, Some(names), upstreams);
        run_with(flags, sockets, status, bound, observed, limits, connector).await
    } else {
        let connector = upstream::by_plan(&fixed, &limits, system, &names, &upstreams);
        let names = fixed.upstream.rest_is_direct().then_some(names);
        let observed = (log, names, upstreams);
        run_with(flags, sockets, status, bound, observed, limits, connector).await
    }
}

async fn run_with<C, T>(
    flags: Flags,
    sockets: Vec<Socket>,
    status: Option<TcpListener>,
    bound: Bound,
    (log, names, upstreams): (Condition, Option<Names>, Standings),
    limits: InForce,
    connector: C,
) -> Result<(), BoxError>
where
    C: Service<Request, Response = T, Error = BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    T: Tunnel + 'static,
{
    let reload = signals::reload()?;
    let settings = Settings::load(&flags, &bound)?;
    let fixed = settings.fixed.clone();
    let Fixed {
        logins,
        timeouts,
        replies,
        metrics,
        admin,
        search_domain,
        ..
    } = fixed.clone();
    let state = State::new(settings, limits.clone())?;
    let open = OpenTunnels::new();
    tokio::spawn(signals::list_at_usr1(open.clone())?);
    let stop = signals::stop(&timeouts)?;
    if let Some(limit) = timeouts.drain_idle {
        tokio::spawn(signals::end_idle(open.clone(), stop.clone(), limit.0));
    }
    let recorder = Recorder::new([]);
    if let (Some(metrics), Some(listener)) = (metrics, status) {
        let health = Health::new(stop.clone(), log, names, upstreams);
        let status = Status::start(
            &metrics,
            admin.as_ref(),
            open.clone(),
            state.policy(),
            health,
        )?;
        recorder.set_sinks(status.sink());
        tokio::spawn(status.serve(listener));
    }
    let policy = state.policy();
    tokio::spawn(directories::recheck::recheck(
        logins.recheck.0,
        state.accounts(),
        open.clone(),
        state.remembered().clone(),
        move || policy.recheck(),
    ));
    let control = admin.as_ref().map(Admin::bind).transpose()?.flatten();
    // Its file goes at the end.
    let _control = control.map(|control| control.serve(open.clone()));
    let auth = ServiceBuilder::new()
        .layer(logins.failed())
        .layer(AuthLayer::new(ReloadableAuth::new(
            state.accounts(),
            &logins,
            state.remembered(),
        )));
    let stack = ServiceBuilder::new()
        .layer(recorder.requests())
        .timeout(timeouts.dial.0)
        .option_layer(search_domain.map(|domain| domain.layer()))
        .layer(RequestMetricsLayer::new())
        .layer(open.layer())
        .layer(RecheckLayer::new(state.policy()))
        .layer(AclLayer::new(state.policy()))
        .map_request(limits.find())
        .layer(LimitLayer::new(limits.requests()))
        .layer(LimitLayer::new(limits.tunnels()))
        .layer(MeterLayer::new(limits.bandwidth()))
        .layer(MeterLayer::new(limits.quota()))
        .service(connector);
    let front = replies.front(&timeouts);
    let mut serving = Serving::new(&fixed, &limits, recorder, stop);
    for ((socket, door), tls) in sockets.into_iter().zip(&bound.doors).zip(state.tls()) {
        let example = door.curl().map(|command| format!("; try: {command}"));
        tracing::info!("{}{}", door.describe(), example.unwrap_or_default());
        tracing::info!(target: "listening", "listening on {door}");
        let carried = udp_over_tcp::layer(door.udp_over_tcp);
        let stack = auth.service(carried.layer(stack.clone()));
        let stack = front.layer(door.protocols).layer(stack);
        serving.spawn(socket, door, tls, stack);
    }
    tokio::spawn(state.reload_at(reload, flags, bound.clone()));
    if let Some(address) = bound.status {
        tracing::info!("metrics at http://{address}/");
    }
    container::log_defaults();
    systemd::ready();
    tokio::spawn(limits.clone().keep_saved());
    let ended = serving.ended().await;
    limits.save();
    ended
}
