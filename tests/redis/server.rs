//! Debian's `redis-server`, on a socket in a private folder.

use std::{
    fs,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tower_socks::redis::{Redis, RedisBuilder};

/// Removed, with what it has written, when it is dropped.
pub(crate) struct Server {
    folder: PathBuf,
    child: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let name = format!("tower-socks-redis-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let child = spawn(&folder);
        let server = Self { folder, child };
        server.wait();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// A node of short leases, so that tests are short.
    pub(crate) fn builder(&self) -> RedisBuilder {
        let builder = Redis::builder(&self.url()).unwrap();
        builder.lease(Duration::from_secs(1))
    }

    pub(crate) fn node(&self) -> Redis {
        self.builder().build().unwrap()
    }

    /// Stops it as a machine that hangs.
    pub(crate) fn hang(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it, and what it knew.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        fs::remove_file(self.socket()).unwrap();
        self.child = spawn(&self.folder);
        self.wait();
    }

    /// Asks it, as an operator does.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.arg("-s").arg(self.socket()).args(arguments);
        let output = command.output().expect("redis-cli (Debian: redis-tools)");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    fn wait(&self) {
        let started = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "no redis");
            sleep(Duration::from_millis(5));
        }
    }
}

fn spawn(folder: &PathBuf) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no"])
        .args(["--unixsocket", "redis.sock", "--daemonize", "no"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server (Debian: redis-server)")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
