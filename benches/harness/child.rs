//! The proxy in a process of its own, so that nothing else counts.
//!
//! A benchmark runs itself again with `--proxy NAME --threads N` in its arguments. The child says
//! its port on stdout, and ends when its stdin does.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use tokio::{net::TcpListener, runtime};

use super::{number, proxy::Proxy};

/// Runs the proxy if this process is the child. Comes first in `main`.
pub(crate) fn serve_if_child() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--proxy");
    let Some(proxy) = arguments.nth(1).and_then(|name| Proxy::named(&name)) else {
        return;
    };
    super::raise_descriptor_limit();
    super::proxy::log_warnings();
    // tokio's own stdin would be one more user of the runtime.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let mut runtime = match number("--threads", 0) {
        0 => runtime::Builder::new_current_thread(),
        threads => {
            let mut runtime = runtime::Builder::new_multi_thread();
            runtime.worker_threads(threads);
            runtime
        }
    };
    let ended = runtime.enable_all().build().unwrap().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        proxy.run(listener).await
    });
    panic!("the proxy ended: {ended:?}");
}

/// A proxy in a child process. Dropping it ends the process.
pub(crate) struct ProxyProcess {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl ProxyProcess {
    /// Starts `proxy` on as many worker threads, or on the main thread alone where that is 0.
    pub(crate) fn start(proxy: Proxy, threads: usize) -> Self {
        Self::start_under(&[], proxy, threads)
    }

    /// The same under a command such as strace.
    pub(crate) fn start_under(wrapper: &[&str], proxy: Proxy, threads: usize) -> Self {
        let own = std::env::current_exe().unwrap();
        let threads = threads.to_string();
        let mut words = wrapper.to_vec();
        words.push(own.to_str().unwrap());
        words.extend(["--proxy", proxy.name(), "--threads", &threads]);
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut address).unwrap();
        Self {
            child,
            address: address.trim().parse().expect("the child says its address"),
        }
    }

    /// The process, or its wrapper.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ProxyProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
