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
mod access_log;
mod accounting;
mod accounts;
mod auth;
mod authorities;
mod background;
mod bind;
mod certificates;
mod certified;
mod check;
mod cli;
mod close;
mod config;
mod container;
mod descriptors;
mod directories;
mod explain;
mod fleet;
mod hashes;
mod healthcheck;
mod help;
mod htpasswd;
mod limits;
mod listen;
mod log;
mod logins;
mod lookups;
mod name_server;
mod names;
mod network;
mod outgoing;
mod ports;
mod public;
mod records;
mod relay;
mod replies;
mod resolver;
mod running;
mod search;
mod serving;
mod settings;
mod shared;
mod shared_stack;
mod signals;
mod stack;
mod status;
mod systemd;
mod tickets;
mod timeouts;
mod udp;
mod udp_over_tcp;
mod upgrade;
mod upstream;
mod warnings;

use std::{io, process::ExitCode, thread, time::Duration};

use cli::{Flags, Start};
use explain::{Question, answer};
use listen::Sockets;
use records::Records;
use running::Running;
use settings::Settings;
use signals::Asked;
use tokio::runtime::{Builder, Runtime};
use tower_socks::BoxError;
use upgrade::Taken;

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
    if let Err(problem) = tickets::enter(&flags) {
        return complain(&problem, ExitCode::FAILURE);
    }
    let started = runtime().and_then(|runtime| {
        let asked = match task {
            Task::Serve => Some(runtime.block_on(async { Asked::caught() })?),
            Task::Explain(_) | Task::Check => None,
        };
        Ok((runtime, asked))
    });
    let (runtime, asked) = match started {
        Ok(started) => started,
        Err(problem) => return complain(&problem, ExitCode::FAILURE),
    };
    // Before anybody can connect, and again with the addresses that are listened on.
    let loaded = sockets(&flags, &task).and_then(|(sockets, taken)| {
        let settings = Settings::load(&flags, &sockets.bound(), None)?;
        Ok((settings, sockets, taken))
    });
    let (settings, sockets, taken) = match loaded {
        Ok(loaded) => loaded,
        Err(problem) => return complain(&problem, ExitCode::FAILURE),
    };
    let mut log_settings = settings.fixed.log.clone();
    if !matches!(task, Task::Serve) {
        // Who checks a file reads what there is to say, and need not be the user who owns the log.
        log_settings.file = None;
    }
    let log = match log::start(&log_settings) {
        Ok(log) => log,
        Err(problem) => return complain(&problem, ExitCode::FAILURE),
    };
    // A check writes to no file.
    let access_log = settings.fixed.access_log.as_ref();
    let access_log = access_log.filter(|_| matches!(task, Task::Serve));
    let records = match Records::start(access_log, &log) {
        Ok(records) => records,
        Err(problem) => return complain(&problem, ExitCode::FAILURE),
    };
    let outcome = runtime.block_on(async {
        match task {
            Task::Explain(question) => Ok(answer(&settings, &question).await),
            Task::Check => check::check(&flags, &settings),
            Task::Serve => {
                let asked = asked.map_or_else(Asked::caught, Ok)?;
                let given = (sockets, taken);
                let condition = log.condition();
                let running = Running::start(flags, asked, given, &settings, condition, &records);
                running.await?.run().await.map(|()| ExitCode::SUCCESS)
            }
        }
    });
    // A lookup that hangs in its thread is no reason to stay, and sessions that are dropped have a
    // moment for their lines.
    runtime.shutdown_timeout(Duration::from_secs(u64::from(outcome.is_err())));
    records.flush();
    let is_read = log.flush();
    match outcome {
        Ok(code) => code,
        Err(_) if !is_read => ExitCode::FAILURE,
        Err(problem) => complain(&problem, ExitCode::FAILURE),
    }
}

/// Creates a thread for each core. On a single one this thread does it all: handing a session over to another that takes
/// turns with it costs more than it brings.
fn runtime() -> io::Result<Runtime> {
    let mut builder = match thread::available_parallelism() {
        Ok(cores) if cores.get() == 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

/// The sockets that there are before any is opened: those of another process, if there is one that gives its away, or
/// of systemd.
fn sockets(flags: &Flags, task: &Task) -> Result<(Sockets, Option<Taken>), BoxError> {
    let mut taken = match task {
        Task::Serve => upgrade::take(flags)?,
        Task::Explain(_) | Task::Check => None,
    };
    let sockets = match &mut taken {
        Some(taken) => Sockets::taken(taken.doors())?,
        None => Sockets::passed(systemd::listeners()?)?,
    };
    Ok((sockets, taken))
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
