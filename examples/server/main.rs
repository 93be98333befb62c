//! A SOCKS5 server for the command line.
//!
//! ```text
//! cargo run --release --example server
//! curl --proxy socks5h://127.0.0.1:1080 http://example.com/
//! ```
//!
//! Without flags it serves on 127.0.0.1:1080, to everyone on this machine. `--help` lists the flags.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod config;
mod door;
mod explain;
mod flags;
mod settings;
mod signals;

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use tokio::{net::TcpListener, task::JoinSet};
use tower::ServiceBuilder;
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, HandshakeLayer, layer::acl::recheck::RecheckLayer,
    serve,
};
use tracing_subscriber::EnvFilter;

use door::Door;
use explain::{Question, explain};
use flags::{Flags, Start};
use settings::{InForce, Settings};

fn main() -> ExitCode {
    let (flags, question) = match Flags::parse(std::env::args_os()) {
        Ok(Start::Serve(flags)) => (flags, None),
        Ok(Start::Explain(flags, question)) => (flags, Some(question)),
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
    let outcome = runtime.block_on(async {
        match question {
            Some(question) => answer(&flags, &question).await,
            None => run(flags).await.map(|()| ExitCode::SUCCESS),
        }
    });
    // A lookup that hangs in its thread is no reason to stay.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
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

/// Says what the rules say, without serving anybody.
async fn answer(flags: &Flags, question: &Question) -> Result<ExitCode, BoxError> {
    let settings = Settings::load(flags, &flags.listen)?;
    let (lines, allowed) = explain(&settings.rules, question).await;
    for line in lines {
        println!("{line}");
    }
    Ok(if allowed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn run(flags: Flags) -> Result<(), BoxError> {
    raise_descriptor_limit();
    let reload = signals::reload()?;
    // Before anybody can connect, and again with the addresses that are listened on.
    Settings::load(&flags, &flags.listen)?;
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
    let in_force = InForce::new(Settings::load(&flags, &listening)?);
    let stack = ServiceBuilder::new()
        .concurrency_limit(10_000)
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(Door::new(in_force.users())))
        .timeout(Duration::from_secs(30))
        .layer(RecheckLayer::new(in_force.policy()))
        .layer(AclLayer::new(in_force.policy()))
        .service(Connector::direct());

    let stop = signals::stop()?;
    let mut servers = JoinSet::new();
    for (listener, address) in listeners.into_iter().zip(&listening) {
        tracing::info!(target: "listening", "listening on {address}");
        let mut stop = stop.clone();
        let server = serve(listener, stack.clone()).with_graceful_shutdown(async move {
            // An error means that the watcher is gone, which is a reason to stop as well.
            _ = stop.wait_for(|stop| *stop).await;
        });
        servers.spawn(server.into_future());
    }
    tokio::spawn(in_force.reload_at(reload, flags, listening));
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
