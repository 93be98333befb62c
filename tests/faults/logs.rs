//! The example server whose log goes nowhere: a full disk, a reader that has gone, no stderr.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    faults::{
        OPEN, eventually, flags,
        peers::{asked, echo, is_closed, round_trip, tunnel},
    },
    program::{file::File, program},
};

/// A server that cannot say where it listens.
struct Mute {
    process: Child,
    address: SocketAddr,
}

impl Mute {
    /// Starts it with stderr as the shell has it behind this redirection.
    fn start(redirection: &str, stderr: Stdio, file: &File) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", &format!("exec \"$0\" \"$@\" {redirection}")])
            .arg(program())
            .args(flags(file.path()))
            // Every session and every request is said.
            .env("RUST_LOG", "trace")
            .stderr(stderr)
            .spawn()
            .unwrap();
        let address = eventually("the server listens", || {
            if let Some(status) = process.try_wait().unwrap() {
                panic!("it has ended: {status}");
            }
            listening(process.id()).ok_or("nowhere".into())
        });
        Self { process, address }
    }

    /// Serves, refuses, reloads and ends as if somebody read the log.
    fn goes_on(mut self) {
        let target = echo();
        let mut open = tunnel(self.address, target);
        for number in 0..100 {
            round_trip(&mut tunnel(self.address, target), number);
        }
        let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let (refused, code) = asked(self.address, nobody);
        assert_eq!(code, 5);
        is_closed(refused);
        self.signal(Signal::HUP);
        self.signal(Signal::USR1);
        round_trip(&mut open, 7);
        round_trip(&mut tunnel(self.address, target), 8);

        self.signal(Signal::TERM);
        eventually("the listener is closed", || {
            let listening = listening(self.process.id());
            listening.map_or(Ok(()), |address| Err(address.to_string()))
        });
        round_trip(&mut open, 9);
        drop(open);
        let status = eventually("the server ends", || {
            self.process.try_wait().unwrap().ok_or("it runs".into())
        });
        assert!(status.success(), "{status}");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Where a process listens on 127.0.0.1, as the kernel has it.
fn listening(process: u32) -> Option<SocketAddr> {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{process}/fd"))
        .ok()?
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?;
            Some(inode.strip_suffix(']')?.to_owned())
        })
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // 0A is LISTEN.
        let ours = fields[3] == "0A" && sockets.iter().any(|inode| inode == fields[9]);
        let (_, port) = fields[1].split_once(':').filter(|_| ours)?;
        let port = u16::from_str_radix(port, 16).unwrap();
        Some((Ipv4Addr::LOCALHOST, port).into())
    })
}

#[test]
fn a_full_disk_stops_the_log_and_nothing_else() {
    let file = File::new(OPEN);
    Mute::start("2>/dev/full", Stdio::inherit(), &file).goes_on();
}

#[test]
fn a_reader_of_the_log_that_has_gone_stops_nothing_else() {
    let file = File::new(OPEN);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Mute::start("", writer.into(), &file).goes_on();
}

#[test]
fn a_server_without_stderr_serves() {
    let file = File::new(OPEN);
    Mute::start("2>&-", Stdio::inherit(), &file).goes_on();
}

/// A pipe holds 64 KiB: the lines of a hundred sessions at this level are more than that.
#[test]
fn a_reader_of_the_log_that_does_not_read_stops_nothing_else() {
    let file = File::new(OPEN);
    let (reader, writer) = std::io::pipe().unwrap();
    Mute::start("", writer.into(), &file).goes_on();
    drop(reader);
}

#[test]
fn lines_that_nobody_has_read_in_time_are_counted() {
    let file = File::new(OPEN);
    let (reader, writer) = std::io::pipe().unwrap();
    let server = Mute::start("", writer.into(), &file);
    let target = echo();
    // More than the pipe and the queue hold.
    for number in 0..1500 {
        round_trip(&mut tunnel(server.address, target), number);
    }
    let (found, said) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            if line.contains("lines dropped") {
                _ = found.send(line);
            }
        }
    });
    let said = said.recv_timeout(Duration::from_secs(30)).unwrap();
    let (_, dropped) = said.split_once("dropped=").unwrap();
    assert!(dropped.parse::<u64>().unwrap() > 0, "{said}");
    server.goes_on();
}
