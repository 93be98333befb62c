//! Two hosts with a long cable between them: clients on one, servers and targets on the other.
//!
//! The hosts are network namespaces. Shaping is Linux's own (tbf); delay and loss are the program `cable`'s,
//! since not every kernel has sch_netem, and everybody is to measure the same.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::oneshot;

use crate::{options::Options, targets::Targets};

/// Where the servers and the targets are.
pub(crate) const FAR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// What the network is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) name: &'static str,
    /// In one direction, in milliseconds.
    delay: u32,
    /// Mbit/s.
    rate: u32,
    /// Of 1,000 frames.
    lost: u32,
    mtu: u32,
}

impl Condition {
    pub(crate) const ALL: [Self; 7] = [
        Self::new("1g", 0, 1_000, 0, 1_500),
        Self::new("10g", 0, 10_000, 0, 1_500),
        Self::new("mtu-1280", 0, 1_000, 0, 1_280),
        Self::new("20ms", 10, 500, 0, 1_500),
        Self::new("100ms", 50, 500, 0, 1_500),
        Self::new("loss-0.1", 10, 500, 1, 1_500),
        Self::new("loss-1", 10, 500, 10, 1_500),
    ];

    const fn new(name: &'static str, delay: u32, rate: u32, lost: u32, mtu: u32) -> Self {
        Self {
            name,
            delay,
            rate,
            lost,
            mtu,
        }
    }

    /// For people.
    pub(crate) fn title(self) -> String {
        format!(
            "{} Mbit/s, {} ms there and back, {} % lost, MTU {}",
            self.rate,
            2 * self.delay,
            f64::from(self.lost) / 10.0,
            self.mtu
        )
    }
}

/// The hosts, until it is dropped.
pub(crate) struct Network {
    /// Of the namespace where the servers are.
    pub(crate) far: String,
    middle: String,
    cable: Option<Child>,
    pub(crate) targets: Option<Targets>,
    /// The thread of the targets ends with it.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Network {
    /// Lays it. The near host is the namespace that this process is in.
    pub(crate) fn lay(condition: Condition, options: &Options) -> anyhow::Result<Self> {
        let id = std::process::id();
        let mut network = Self {
            far: format!("compare-far-{id}"),
            middle: format!("compare-middle-{id}"),
            cable: None,
            targets: None,
            end: None,
            thread: None,
        };
        let (far, middle) = (network.far.clone(), network.middle.clone());
        let Condition {
            delay,
            rate,
            lost,
            mtu,
            ..
        } = condition;
        ip(&format!("netns add {far}"))?;
        ip(&format!("-n {far} link set lo up"))?;
        inside(&far, "sysctl -qw net.core.somaxconn=4096")?;
        // As near here, by `run`.
        let control = fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control")?;
        let setting = format!("net.ipv4.tcp_congestion_control={}", control.trim());
        inside(&far, &format!("sysctl -qw {setting}"))?;
        if delay == 0 && lost == 0 {
            ip(&format!(
                "link add near0 type veth peer name far0 netns {far}"
            ))?;
        } else {
            ip(&format!("netns add {middle}"))?;
            ip(&format!(
                "link add near0 type veth peer name middle0 netns {middle}"
            ))?;
            ip(&format!(
                "-n {far} link add far0 type veth peer name middle1 netns {middle}"
            ))?;
            inside(&middle, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1")?;
            for end in ["middle0", "middle1"] {
                ip(&format!("-n {middle} link set {end} up"))?;
            }
        }
        ip(&format!("address add 10.77.0.1/24 dev near0"))?;
        ip(&format!("-n {far} address add {FAR}/24 dev far0"))?;
        ip(&format!("link set near0 mtu {mtu} up"))?;
        ip(&format!("-n {far} link set far0 mtu {mtu} up"))?;
        if delay == 0 && lost == 0 {
            let shape = format!("root tbf rate {rate}mbit burst 1mb latency 20ms");
            run(&format!("tc qdisc add dev near0 {shape}"))?;
            inside(&far, &format!("tc qdisc add dev far0 {shape}"))?;
        } else {
            let off = "tx off tso off gso off gro off";
            run(&format!("ethtool -K near0 {off}"))?;
            inside(&far, &format!("ethtool -K far0 {off}"))?;
            let program = std::env::current_exe()?.with_file_name("cable");
            let command = format!(
                "--pdeathsig KILL ip netns exec {middle} taskset -c {} {} middle0 middle1 --delay {delay} \
                 --rate {rate} --loss {}",
                options.core,
                program.display(),
                f64::from(lost) / 10.0
            );
            let child = Command::new("setpriv")
                .args(command.split(' '))
                .stdin(Stdio::null())
                .spawn()?;
            network.cable = Some(child);
        }
        network.populate()?;
        Ok(network)
    }

    /// Starts the targets, in a thread that is on the far host.
    fn populate(&mut self) -> anyhow::Result<()> {
        let namespace = File::open(format!("/run/netns/{}", self.far))?;
        let (end, ended) = oneshot::channel();
        let (started, starting) = mpsc::channel();
        self.end = Some(end);
        self.thread = Some(thread::spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            let moved = move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let (Ok(()), Ok(runtime)) = (moved, runtime) else {
                return;
            };
            runtime.block_on(async {
                let targets = Targets::start(&[FAR]).await;
                if started.send(targets).is_ok() {
                    let _ = ended.await;
                }
            });
        }));
        self.targets = Some(starting.recv().context("no thread on the far host")??);
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(cable) = &mut self.cable {
            let _ = cable.kill();
            let _ = cable.wait();
        }
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // The cables go with their ends; those that are left do no harm.
        let _ = ip("link del near0");
        for namespace in [&self.far, &self.middle] {
            let _ = ip(&format!("netns del {namespace}"));
        }
    }
}

fn ip(arguments: &str) -> anyhow::Result<()> {
    run(&format!("ip {arguments}"))
}

fn inside(namespace: &str, command: &str) -> anyhow::Result<()> {
    run(&format!("ip netns exec {namespace} {command}"))
}

fn run(command: &str) -> anyhow::Result<()> {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let output = Command::new(program).args(words).output();
    let output = output.with_context(|| format!("no {program} here"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command}: {}", said.trim());
    }
    Ok(())
}
