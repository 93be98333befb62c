//! A SOCKS5 server for the command line.
//!
//! ```text
//! cargo run --release --example server
//! curl --proxy socks5h://127.0.0.1:1080 http://example.com/
//! ```
//!
//! Without flags it serves on 127.0.0.1:1080, to everyone on this machine. `--help` lists the flags.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod flags;

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tower::{ServiceBuilder, util::Either};
use tower_socks::{AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, UserPass, Users, serve};
use tracing_subscriber::EnvFilter;

use flags::{Flags, Start};

fn main() -> ExitCode {
    let flags = match Flags::parse(std::env::args_os()) {
        Ok(Start::Serve(flags)) => flags,
        Ok(Start::Help) => {
            print!("{}", flags::HELP);
            return ExitCode::SUCCESS;
        }
        Err(problem) => return complain(&problem, ExitCode::from(2)),
    };
    log_to_stderr();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(problem) => return complain(&problem, ExitCode::FAILURE),
    };
    let outcome = runtime.block_on(run(flags));
    // A lookup that hangs in its thread is no reason to stay.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => complain(&problem, ExitCode::FAILURE),
    }
}

/// One line, and nothing else.
fn complain(problem: &dyn std::fmt::Display, code: ExitCode) -> ExitCode {
    eprintln!("server: {problem}");
    code
}

/// `RUST_LOG` chooses what is logged, `info` by default. Where we listen is said in any case:
/// scripts wait for it.
fn log_to_stderr() {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    let filter = match "listening=info".parse() {
        Ok(always) => filter.add_directive(always),
        Err(_) => filter,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

async fn run(flags: Flags) -> Result<(), BoxError> {
    raise_descriptor_limit();
    let auth = if flags.users.is_empty() {
        Either::Left(NoAuth)
    } else {
        let users: Users = flags.users.into_iter().collect();
        Either::Right(UserPass::new(users))
    };
    let stack = ServiceBuilder::new()
        .concurrency_limit(10_000)
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(auth))
        .timeout(Duration::from_secs(30))
        .service(Connector::direct());

    // All of them are bound before one of them serves.
    let mut listeners = Vec::new();
    for address in flags.listen {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) => return Err(format!("cannot listen on {address}: {error}").into()),
        }
    }
    let stop = watch_signals()?;
    let mut servers = JoinSet::new();
    for listener in listeners {
        tracing::info!(target: "listening", "listening on {}", listener.local_addr()?);
        let mut stop = stop.clone();
        let server = serve(listener, stack.clone()).with_graceful_shutdown(async move {
            // An error means that the watcher is gone, which is a reason to stop as well.
            _ = stop.wait_for(|stop| *stop).await;
        });
        servers.spawn(server.into_future());
    }
    while let Some(server) = servers.join_next().await {
        server??;
    }
    Ok(())
}

/// True from the first SIGINT or SIGTERM on. The second one ends the process.
fn watch_signals() -> Result<watch::Receiver<bool>, BoxError> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        for last in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if last {
                std::process::exit(1);
            }
            tracing::info!("stopping; sessions have 30 s to end, a second signal drops them");
            _ = stop.send(true);
        }
    });
    Ok(stopped)
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
