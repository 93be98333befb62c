//! The example server as a process, and what it says of itself.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use rustix::process::{Pid, Signal, kill_process};

/// What it is started with.
const CONFIG: &str = "\
[acl]
default = \"allow\"
allow_private = true
[metrics]
listen = \"127.0.0.1:0\"
[limits]
sessions_per_client = 10_000
unauthenticated_per_client = 10_000
";

pub(crate) struct Server {
    child: Child,
    config: PathBuf,
    /// Lines of the log that tell of something wrong.
    log: Option<JoinHandle<Vec<String>>>,
    pub(crate) address: SocketAddr,
    status: SocketAddr,
}

impl Server {
    /// Builds it, optimised where something is measured, and starts it.
    pub(crate) fn start(optimised: bool) -> Self {
        let config = format!("tower-socks-soak-{}.toml", std::process::id());
        let config = std::env::temp_dir().join(config);
        fs::write(&config, CONFIG).unwrap();
        let mut child = Command::new(program(optimised))
            .args(["--listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (found, addresses) = mpsc::channel();
        let log = thread::spawn(move || {
            let mut wrong = Vec::new();
            for line in lines.map(Result::unwrap) {
                for text in ["listening on ", "metrics at http://"] {
                    if let Some((_, address)) = line.split_once(text) {
                        let address = address.trim_end_matches('/').parse::<SocketAddr>();
                        _ = found.send(address.unwrap());
                    }
                }
                if !line.contains(" INFO ") {
                    wrong.push(line);
                }
            }
            wrong
        });
        let address = addresses.recv().expect("the server starts");
        let status = addresses.recv().expect("it says where its numbers are");
        Self {
            child,
            config,
            log: Some(log),
            address,
            status,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn reload(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// Open descriptors: pipes, of which threads keep a few for bulk data to come, and all others.
    pub(crate) fn descriptors(&self) -> (usize, usize) {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap();
        let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let (pipes, others): (Vec<_>, Vec<_>) =
            links.partition(|link| link.to_string_lossy().starts_with("pipe:"));
        (pipes.len(), others.len())
    }

    /// What it counts, as Prometheus reads it.
    pub(crate) fn numbers(&self) -> Numbers {
        let mut stream = TcpStream::connect(self.status).unwrap();
        let host = self.status;
        write!(
            stream,
            "GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        Numbers(answer)
    }

    /// Ends it in order. Says what the log had to say besides the usual.
    pub(crate) fn stop(mut self) -> Vec<String> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        let mut wrong = self.log.take().unwrap().join().unwrap();
        if !status.success() {
            wrong.push(format!("the server ended with {status}"));
        }
        wrong
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = fs::remove_file(&self.config);
    }
}

pub(crate) struct Numbers(String);

impl Numbers {
    /// The sum over all series of this name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let series = self.0.lines().filter_map(|line| {
            let (series, number) = line.rsplit_once(' ')?;
            let rest = series.strip_prefix(name)?;
            let ours = (rest.is_empty() || rest.starts_with('{'))
                && labels.iter().all(|label| rest.contains(label));
            ours.then(|| number.parse::<f64>().unwrap())
        });
        series.sum()
    }

    /// Sessions, each of which is a task, and tunnels.
    pub(crate) fn open(&self) -> (f64, f64) {
        let [sessions, tunnels] = ["socks_sessions_open", "socks_tunnels_open"];
        (self.sum(sessions, &[]), self.sum(tunnels, &[]))
    }
}

fn program(optimised: bool) -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build
        .args(["build", "--example", "server", "--message-format=json"])
        .args(optimised.then_some("--release"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit());
    // What cargo tells a benchmark would be a change to build scripts, which then run again.
    for (name, _) in std::env::vars_os() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        if told
            .iter()
            .any(|told| name.to_string_lossy().starts_with(told))
        {
            build.env_remove(name);
        }
    }
    let built = build.output().unwrap();
    assert!(built.status.success(), "the example server does not build");
    let messages = String::from_utf8(built.stdout).unwrap();
    let program = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let server = message["target"]["name"] == "server";
        server.then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    program.expect("cargo says where the program is")
}
