//! Who is compared, and how each of them is started.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    path::Path,
    process::Command,
};

use anyhow::ensure;

use crate::{
    between::Between,
    everything,
    files::{self, Amount},
    options::Options,
    process::Process,
    targets::{Targets, free_port},
};

/// One that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// The example server, as it is without a file.
    Example,
    /// The example server with all that it can watch and limit.
    Everything,
    /// A program of a few lines.
    ShortStack,
    FastSocks5,
    Rama,
    Dante,
    Microsocks,
    ThreeProxy,
    CopyLoop,
    Direct,
}

impl Server {
    pub(crate) const ALL: [Self; 10] = [
        Self::Example,
        Self::Everything,
        Self::ShortStack,
        Self::FastSocks5,
        Self::Rama,
        Self::Dante,
        Self::Microsocks,
        Self::ThreeProxy,
        Self::CopyLoop,
        Self::Direct,
    ];

    /// For tables and command lines.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Example => "server",
            Self::Everything => "everything",
            Self::ShortStack => "short-stack",
            Self::FastSocks5 => "fast-socks5",
            Self::Rama => "rama",
            Self::Dante => "dante",
            Self::Microsocks => "microsocks",
            Self::ThreeProxy => "3proxy",
            Self::CopyLoop => "copy-loop",
            Self::Direct => "direct",
        }
    }

    /// Whether it is a SOCKS server of others.
    pub(crate) const fn is_peer(self) -> bool {
        !self.is_ours() && !matches!(self, Self::CopyLoop | Self::Direct)
    }

    /// Whether this crate is in it.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Example | Self::Everything | Self::ShortStack)
    }

    /// Whether it has UDP ASSOCIATE.
    pub(crate) const fn has_udp(self) -> bool {
        !matches!(self, Self::Microsocks | Self::CopyLoop)
    }

    /// Why it cannot take part, if it cannot.
    pub(crate) fn missing(self, options: &Options) -> Option<&'static str> {
        match self {
            Self::Example | Self::Everything if !options.example.exists() => Some("not built"),
            Self::Rama if !options.rama.exists() => Some("does not build here"),
            Self::Dante if !installed("danted") => Some("not installed"),
            Self::Microsocks if !installed("microsocks") => Some("not installed"),
            Self::ThreeProxy if !installed("3proxy") => Some("not installed, or not packaged here"),
            _ => None,
        }
    }

    /// Starts it.
    pub(crate) async fn start(
        self,
        options: &Options,
        targets: &Targets,
        work: &Path,
        host: Host<'_>,
    ) -> anyhow::Result<Running> {
        if self == Self::Direct {
            return Ok(Running {
                who: self,
                between: Between::Direct,
                process: None,
            });
        }
        let address = SocketAddrV4::new(host.ip, free_port().await?);
        let command = self
            .command(options, targets, work, address, host.amount)
            .await?;
        let log = work.join(self.name()).with_extension("log");
        let process = Process::start(
            &command,
            options.core,
            options.user,
            host.namespace,
            address,
            &log,
        )?;
        Ok(Running {
            who: self,
            between: match self {
                Self::CopyLoop => Between::Fixed(address),
                Self::Everything => Between::Socks(address, Some(everything::LOGIN)),
                _ => Between::Socks(address, host.amount.and_then(Amount::login)),
            },
            process: Some(process),
        })
    }

    async fn command(
        self,
        options: &Options,
        targets: &Targets,
        work: &Path,
        address: SocketAddrV4,
        amount: Option<Amount>,
    ) -> anyhow::Result<Vec<String>> {
        let port = address.port();
        let own = |name: &str| -> anyhow::Result<String> {
            let program = std::env::current_exe()?.with_file_name(name);
            Ok(program.display().to_string())
        };
        let file = |text: String| -> anyhow::Result<String> {
            let path = work.join(format!("{}.{port}.conf", self.name()));
            fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let example = match amount {
            Some(Amount::Lookups(_)) => {
                ensure!(
                    options.hickory.exists(),
                    "not built with its feature hickory"
                );
                &options.hickory
            }
            _ => &options.example,
        };
        let example = example.display().to_string();
        let listen = address.to_string();
        let ip = address.ip().to_string();
        let by_file = |stated: String| {
            let flags = ["--listen", &listen, "--config", &stated, "--open"];
            let flags = flags.map(String::from);
            [example.clone()].into_iter().chain(flags).collect()
        };
        Ok(match self {
            Self::Example => {
                let text = match amount {
                    Some(amount) => amount.file(targets.names.address),
                    None => files::DEFAULT.to_owned(),
                };
                let stated = file(text)?;
                by_file(stated)
            }
            Self::Everything => {
                let metrics = free_port().await?;
                let lines = work.join(format!("everything.{port}.lines"));
                let stated = file(everything::file(metrics, &lines))?;
                by_file(stated)
            }
            Self::ShortStack | Self::FastSocks5 => vec![own(self.name())?, listen],
            Self::CopyLoop => {
                let targets = targets.all().iter().map(ToString::to_string);
                [own(self.name())?, listen]
                    .into_iter()
                    .chain(targets)
                    .collect()
            }
            Self::Rama => vec![options.rama.display().to_string(), listen],
            Self::Dante => vec!["danted".into(), "-f".into(), file(files::dante(address))?],
            // It cannot be told to be quiet.
            Self::Microsocks => vec![
                "sh".into(),
                "-c".into(),
                format!("exec microsocks -i {ip} -p {port} 2>/dev/null"),
            ],
            Self::ThreeProxy => vec!["3proxy".into(), file(files::three_proxy(address))?],
            Self::Direct => Vec::new(),
        })
    }
}

/// Where a server is started.
#[derive(Clone, Copy)]
pub(crate) struct Host<'a> {
    pub(crate) ip: Ipv4Addr,
    /// The network namespace, if it is not that of the clients.
    pub(crate) namespace: Option<&'a str>,
    /// Much of something, for the example server.
    pub(crate) amount: Option<Amount>,
}

/// A server at work.
pub(crate) struct Running {
    pub(crate) who: Server,
    pub(crate) between: Between,
    /// None where there is nothing between client and target.
    pub(crate) process: Option<Process>,
}

impl Running {
    /// Seconds of CPU so far; not a number where nobody uses any.
    pub(crate) fn cpu(&self) -> f64 {
        self.process.as_ref().map_or(f64::NAN, Process::cpu)
    }

    /// Bytes of memory; the same.
    pub(crate) fn memory(&self) -> f64 {
        self.process.as_ref().map_or(f64::NAN, Process::memory)
    }
}

/// Whether there is such a program.
fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}

/// What a command says, in one line.
pub(crate) fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    });
    if text.is_empty() {
        "?".to_owned()
    } else {
        text
    }
}
