//! The example server as a program, from outside.

pub mod carried;
pub mod certificates;
pub mod file;
pub mod http;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// The program. `cargo test` has built it, unless it was told to build some tests only.
pub fn program() -> &'static PathBuf {
    built_with("")
}

/// The program with features beside those of the tests: the same ones in all tests of a test program.
pub fn built_with(features: &str) -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--example", "server", "--message-format=json"])
            .args(["--features", features])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        // What cargo tells a test would be a change to build scripts, which then run again.
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
        assert!(built.status.success(), "{built:?}");
        let messages = String::from_utf8(built.stdout).unwrap();
        let executable = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == "server")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from));
        executable.unwrap()
    })
}

/// Runs the program to its end, which comes at once.
pub fn run(flags: &[&str]) -> Output {
    let output = Command::new(program()).args(flags).output().unwrap();
    assert_eq!(output.stdout, b"");
    output
}

/// What it says when it cannot start: one line.
pub fn complaint(flags: &[&str]) -> String {
    let output = run(flags);
    assert!(!output.status.success(), "{flags:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    said
}

#[derive(Debug)]
pub struct Server {
    pub process: Child,
    pub log: BufReader<ChildStderr>,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(flags: &[&str], log: &str) -> Self {
        Self::spawn(Command::new(program()).args(flags).env("RUST_LOG", log))
    }

    /// Spawns what becomes the server, and waits until it listens.
    pub fn spawn(command: &mut Command) -> Self {
        // A machine without a name server is not waited for by names that nobody has.
        command.env("RES_OPTIONS", "timeout:1 attempts:1");
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let address = Self::listening(&mut log);
        Self {
            process,
            log,
            address,
        }
    }

    /// The next address that it says it listens on.
    pub fn listening(log: &mut impl BufRead) -> SocketAddr {
        let mut text = String::new();
        loop {
            let start = text.len();
            let read = log.read_line(&mut text).unwrap();
            assert!(
                read > 0,
                "the log ended before anything was listened on: {text}"
            );
            if let Some((_, address)) = text[start..].trim_end().split_once("listening on ") {
                // In JSON, more follows.
                let address = address.split('"').next().unwrap();
                return address.parse().unwrap();
            }
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    pub fn ends(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "still running");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

pub fn exchange(stream: &mut TcpStream, say: &[u8], hear: usize) -> Vec<u8> {
    stream.write_all(say).unwrap();
    let mut heard = vec![0; hear];
    stream.read_exact(&mut heard).unwrap();
    heard
}

pub fn connect_request(target: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(target) = target else {
        unreachable!()
    };
    let mut request = b"\x05\x01\x00\x01".to_vec();
    request.extend(target.ip().octets());
    request.extend(target.port().to_be_bytes());
    request
}

impl Server {
    /// The next line of the log with this text in it.
    pub fn says(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).unwrap();
            assert!(read > 0, "the log ended without: {text}");
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The next line with this text, before which none has the other.
    pub fn silent_until(&mut self, text: &str, not: &str) {
        loop {
            let line = self.says("");
            assert!(!line.contains(not), "{line}");
            if line.contains(text) {
                return;
            }
        }
    }

    /// Lines with these texts, each once, in any order: they are of different threads.
    pub fn says_all<const N: usize>(&mut self, texts: [&str; N]) {
        let mut missing = texts.to_vec();
        while !missing.is_empty() {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).unwrap();
            assert!(read > 0, "the log ended without: {missing:?}");
            missing.retain(|text| !line.contains(text));
        }
    }
}
