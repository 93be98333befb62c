//! A SOCKS5 server for the command line.
//!
//! ```text
//! cargo run --release --example server
//! curl --proxy socks5h://127.0.0.1:1080 http://example.com/
//! ```
//!
//! Without flags it serves on 127.0.0.1:1080, to everyone on this machine. `--help` lists the flags.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod accounts;
mod config;
mod door;
mod explain;
mod flags;
mod limits;
mod settings;
mod signals;
mod timeouts;
mod upstream;

use std::{io::IsTerminal, process::ExitCode};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tower::{Service, ServiceBuilder};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, HandshakeLayer, LimitLayer, MeterLayer, OpenTunnels, Request,
    Tunnel,
    layer::{acl::recheck::RecheckLayer, limit::FailedLoginsLayer},
    relay::{Metered, ReadAhead},
    serve,
};
use tracing_subscriber::EnvFilter;

use config::LogFormat;
use door::Door;
use explain::{Question, explain};
use flags::{Flags, Start};
use settings::{Fixed, InForce, Settings};

fn main() -> ExitCode {
    let (flags, task) = match Flags::parse(std::env::args_os()) {
        Ok(Start::Serve(flags)) => (flags, Task::Serve),
        Ok(Start::Explain(flags, question)) => (flags, Task::Explain(question)),
        Ok(Start::Check(flags)) => (flags, Task::Check),
        Ok(Start::HashPassword) => return hash_password(),
        Ok(Start::Help) => {
            print!("{}", flags::HELP);
            return ExitCode::SUCCESS;
        }
        Err(problem) => return complain(&problem, ExitCode::from(2)),
    };
    // Before anybody can connect, and again with the addresses that are listened on.
    let settings = match Settings::load(&flags, &flags.listen) {
        Ok(settings) => settings,
        Err(problem) => return complain(&problem, ExitCode::FAILURE),
    };
    log_to_stderr(settings.fixed.log.format);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(problem) => return complain(&problem, ExitCode::FAILURE),
    };
    let outcome = runtime.block_on(async {
        match task {
            Task::Explain(question) => Ok(answer(&settings, &question).await),
            Task::Check => Ok(check(&flags, &settings)),
            Task::Serve => run(flags, settings.fixed).await.map(|()| ExitCode::SUCCESS),
        }
    });
    // A lookup that hangs in its thread is no reason to stay.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(problem) => complain(&problem, ExitCode::FAILURE),
    }
}

/// What the program is started for.
enum Task {
    Serve,
    Explain(Question),
    Check,
}

/// One line, and nothing else.
fn complain(problem: &dyn std::fmt::Display, code: ExitCode) -> ExitCode {
    eprintln!("server: {problem}");
    code
}

/// `RUST_LOG` chooses what is logged, `info` by default. Where we listen is said in any case:
/// scripts wait for it.
fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    let filter = match "listening=info".parse() {
        Ok(always) => filter.add_directive(always),
        Err(_) => filter,
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

/// Says what the rules say, without serving anybody.
async fn answer(settings: &Settings, question: &Question) -> ExitCode {
    let (lines, allowed) = explain(&settings.rules, question).await;
    for line in lines {
        println!("{line}");
    }
    match allowed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Prints what the file has in place of a password.
fn hash_password() -> ExitCode {
    let mut password = String::new();
    let read = std::io::stdin().read_line(&mut password);
    let hash = read
        .map_err(Into::into)
        .and_then(|_| accounts::hash(password.trim_end_matches(['\r', '\n'])));
    match hash {
        Ok(hash) => {
            println!("{hash}");
            ExitCode::SUCCESS
        }
        Err(problem) => complain(&problem, ExitCode::FAILURE),
    }
}

/// Says what would be in force, without serving anybody.
fn check(flags: &Flags, settings: &Settings) -> ExitCode {
    let Fixed {
        limits,
        timeouts,
        upstream,
        ..
    } = &settings.fixed;
    let listen: Vec<_> = flags.listen.iter().map(ToString::to_string).collect();
    println!("listen    {}", listen.join(", "));
    println!("users     {}", settings.accounts.len());
    println!("rules     {}", settings.rules.len());
    match upstream {
        Some(upstream) => println!("upstream  {upstream}"),
        None => println!("upstream  none"),
    }
    println!("limits    {limits:?}");
    println!("timeouts  {timeouts:?}");
    ExitCode::SUCCESS
}

async fn run(flags: Flags, fixed: Fixed) -> Result<(), BoxError> {
    match &fixed.upstream {
        None => run_through(flags, upstream::direct(&fixed.timeouts)).await,
        Some(upstream) => run_through(flags, upstream.connector(&fixed.timeouts)).await,
    }
}

async fn run_through<C, T>(flags: Flags, connector: C) -> Result<(), BoxError>
where
    C: Service<Request, Response = T, Error = BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    T: Tunnel<ReadAhead<TcpStream>> + Tunnel<Metered> + 'static,
{
    raise_descriptor_limit();
    let reload = signals::reload()?;
    // All of them are bound before one of them serves.
    let mut listeners = Vec::new();
    let mut listening = Vec::new();
    for address in &flags.listen {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                listening.push(listener.local_addr()?);
                listeners.push(listener);
            }
            Err(error) => return Err(format!("cannot listen on {address}: {error}").into()),
        }
    }
    let settings = Settings::load(&flags, &listening)?;
    let Fixed {
        limits, timeouts, ..
    } = settings.fixed.clone();
    let in_force = InForce::new(settings);
    let open = OpenTunnels::new();
    let stack = ServiceBuilder::new()
        .concurrency_limit(limits.sessions.get())
        .layer(HandshakeLayer::new().deadline(timeouts.handshake.0))
        .layer(FailedLoginsLayer::new())
        .layer(AuthLayer::new(Door::new(in_force.accounts())))
        .timeout(timeouts.dial.0)
        .layer(open.layer())
        .layer(RecheckLayer::new(in_force.policy()))
        .layer(AclLayer::new(in_force.policy()))
        .layer(LimitLayer::new(limits.requests()))
        .layer(LimitLayer::new(limits.tunnels()))
        .layer(MeterLayer::new(limits.bandwidth()))
        .layer(MeterLayer::new(limits.quota()))
        .service(connector);

    let stop = signals::stop(timeouts.drain.0)?;
    let mut servers = JoinSet::new();
    for (listener, address) in listeners.into_iter().zip(&listening) {
        tracing::info!(target: "listening", "listening on {address}");
        let mut stop = stop.clone();
        let server = serve(listener, stack.clone())
            .unauthenticated_per_client(limits.unauthenticated_per_client.get())
            .drain_limit(timeouts.drain.0)
            .with_graceful_shutdown(async move {
                // An error means that the watcher is gone, which is a reason to stop as well.
                _ = stop.wait_for(|stop| *stop).await;
            });
        servers.spawn(server.into_future());
    }
    tokio::spawn(in_force.reload_at(reload, flags, listening));
    tokio::spawn(signals::list_at_usr1(open)?);
    while let Some(server) = servers.join_next().await {
        server??;
    }
    Ok(())
}

/// A session takes two descriptors, and the usual limit of 1,024 is about programs that use
/// `select(2)`.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open descriptors");
    }
}
