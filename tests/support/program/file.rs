//! A configuration file of a test.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use super::Server;

/// A file of this test, which goes with it.
#[derive(Debug)]
pub struct File(pub PathBuf);

impl File {
    pub fn new(text: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-socks-file-{}-{number}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = Self(path);
        file.write(text);
        file
    }

    pub fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// A server with this file, for which this machine is as good as public.
    pub fn server(&self) -> Server {
        let flags = [
            "--listen",
            "127.0.0.1:0",
            "--allow-private",
            "--config",
            self.path(),
        ];
        Server::start(&flags, "info")
    }

    /// A server with this file and nothing more.
    pub fn strict_server(&self) -> Server {
        let flags = ["--listen", "127.0.0.1:0", "--config", self.path()];
        Server::start(&flags, "info")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}
