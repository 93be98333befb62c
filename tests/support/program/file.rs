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
        fs::write(&path, text).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

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
}

impl Drop for File {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}
