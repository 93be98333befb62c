//! The command line.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use lexopt::{Arg, Parser};
use tower_socks::{Users, proto::Network};

use crate::{
    explain::Question,
    healthcheck::Healthcheck,
    listen::{self, Listen, Protocols, ProxyProtocol, Tls, TopLevel},
};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
A proxy server for SOCKS5, SOCKS4 and HTTP on one port.

Usage: server [FLAGS]
       server hash-password    Read a password from standard input, print its hash

  --listen ADDR:PORT     Where to listen; may be repeated. Default: what the
                         file says, or 127.0.0.1:1080
  --user NAME:PASSWORD   Add this user; may be repeated. With any user given, clients
                         have to authenticate
  --protocols NAMES      What clients may speak: one or more of socks5,socks4,http.
                         Default: all of them
  --tls-certificate FILE, --tls-key FILE
                         Take TLS from clients, in front of all protocols. In PEM, the
                         certificate with its chain
  --proxy-protocol-from NETWORK
                         Take the client from a PROXY header, which load balancers in this
                         network have to send; may be repeated. Others are refused
  --resolve              Look names up for clients: the commands RESOLVE and RESOLVE_PTR
                         of Tor's programs, such as torsocks
  --open                 Listen on other addresses than loopback without any user
  --allow-private        Let clients reach loopback, private and other special-purpose
                         addresses, and this proxy itself
  --config FILE          Take users, rules, limits and the rest from this file
                         (examples/server.toml explains it). SIGHUP reads it again: all is
                         checked first, and with a mistake in it everything stays as it is
  --check                Check the file and the flags, say what would be in force, and end
  --explain QUESTION     Say whether something would be allowed, by which rule, and end.
                         E.g. --explain 'user=joe connect example.com:443'. Status 0 means
                         allowed, 1 refused
  --healthcheck WHERE    Ask a server how it is, and end with status 0 if it is well, 1 otherwise:
                         ADDR:PORT or http://ADDR:PORT/ready for its [metrics], or
                         socks5://ADDR:PORT or tcp://ADDR:PORT for a port of its clients
  --print-config         Print a file for --config that says all defaults, and end
  --version              Print the version and the features, and end
  --help                 Print this

Clients: curl --proxy socks5h://127.0.0.1:1080 http://example.com/
         curl --proxy http://127.0.0.1:1080 http://example.com/

RUST_LOG chooses what is logged to stderr, e.g. RUST_LOG=tower_socks=debug. Default: info.
SIGINT or SIGTERM: stop accepting, give sessions 30 s to end. SIGUSR1: log who is connected.
Under systemd it serves the sockets of its .socket unit, and says when it is ready.
";

#[derive(Debug)]
pub(crate) enum Start {
    Serve(Flags),
    Explain(Flags, Box<Question>),
    Check(Flags),
    HashPassword,
    Healthcheck(Healthcheck),
    PrintConfig,
    Version,
    Help,
}

#[derive(Clone)]
pub(crate) struct Flags {
    listen: Vec<SocketAddr>,
    /// Names and passwords, without a Debug form that would print them.
    users: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) allow_private: bool,
    pub(crate) open: bool,
    pub(crate) resolve: bool,
    protocols: Option<Protocols>,
    /// The certificate and its key.
    tls: Option<(PathBuf, PathBuf)>,
    balancers: Vec<Network>,
}

impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flags")
            .field("listen", &self.listen)
            .field("users", &self.users.len())
            .finish_non_exhaustive()
    }
}

impl Flags {
    /// Reads the arguments, the first of which is the program.
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Start, String> {
        let mut listen = Vec::new();
        let mut users = Vec::new();
        let mut open = false;
        let mut allow_private = false;
        let mut config = None;
        let mut question = None;
        let mut check = false;
        let mut resolve = false;
        let mut protocols = None;
        let (mut certificate, mut key) = (None, None);
        let mut balancers = Vec::new();
        let mut parser = Parser::from_iter(args);
        while let Some(arg) = parser.next().map_err(see_help)? {
            match arg {
                Arg::Long("listen") => listen.push(address(value(&mut parser, "--listen")?)?),
                Arg::Long("user") => users.push(user(value(&mut parser, "--user")?)?),
                Arg::Long("open") => open = true,
                Arg::Long("resolve") => resolve = true,
                Arg::Long("check") => check = true,
                Arg::Long("allow-private") => allow_private = true,
                Arg::Long("config") => config = Some(parser.value().map_err(see_help)?.into()),
                Arg::Long("protocols") => {
                    let parsed = value(&mut parser, "--protocols")?.parse();
                    protocols = Some(parsed.map_err(|problem| format!("--protocols: {problem}"))?);
                }
                Arg::Long("tls-certificate") => {
                    certificate = Some(parser.value().map_err(see_help)?.into());
                }
                Arg::Long("tls-key") => key = Some(parser.value().map_err(see_help)?.into()),
                Arg::Long("proxy-protocol-from") => {
                    let network = listen::network(&value(&mut parser, "--proxy-protocol-from")?);
                    let named = |problem| format!("--proxy-protocol-from {problem}");
                    balancers.push(network.map_err(named)?);
                }
                Arg::Long("explain") => {
                    let text = value(&mut parser, "--explain")?;
                    let parsed = text.parse();
                    question = Some(parsed.map_err(|problem| format!("--explain: {problem}"))?);
                }
                Arg::Long("healthcheck") => {
                    let text = value(&mut parser, "--healthcheck")?;
                    let parsed = text.parse();
                    let check = parsed.map_err(|problem| format!("--healthcheck {problem}"))?;
                    return match parser.next().map_err(see_help)? {
                        Some(more) => Err(see_help(more.unexpected())),
                        None => Ok(Start::Healthcheck(check)),
                    };
                }
                Arg::Long("print-config") => return Ok(Start::PrintConfig),
                Arg::Short('V') | Arg::Long("version") => return Ok(Start::Version),
                Arg::Short('h') | Arg::Long("help") => return Ok(Start::Help),
                Arg::Value(word) if word == "hash-password" => return Ok(Start::HashPassword),
                other => return Err(see_help(other.unexpected())),
            }
        }
        let tls = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err("--tls-certificate needs --tls-key as well".into()),
            (None, Some(_)) => return Err("--tls-key needs --tls-certificate as well".into()),
        };
        let flags = Self {
            listen,
            users,
            config,
            allow_private,
            open,
            resolve,
            protocols,
            tls,
            balancers,
        };
        Ok(match question {
            Some(question) => Start::Explain(flags, Box::new(question)),
            None if check => Start::Check(flags),
            None => Start::Serve(flags),
        })
    }

    /// Adds the users of the command line to those of a file.
    pub(crate) fn with_users(&self, users: Users) -> Users {
        if self.users.is_empty() {
            users
        } else {
            users.with(self.users.iter().cloned())
        }
    }

    /// Puts what the command line says into the place of what the file says. What it has no flag for stays, such as
    /// whose certificates clients have to show.
    pub(crate) fn top_level(&self, mut file: TopLevel) -> TopLevel {
        if let Some(protocols) = self.protocols {
            file.protocols = protocols;
        }
        if let Some((certificate, key)) = &self.tls {
            let tls = file.tls.get_or_insert_with(Tls::default);
            tls.certificate.clone_from(certificate);
            tls.key.clone_from(key);
        }
        if !self.balancers.is_empty() {
            let networks = self.balancers.clone();
            match &mut file.proxy_protocol {
                Some(stated) => stated.from.0 = networks,
                none => *none = Some(ProxyProtocol::from(networks)),
            }
        }
        file
    }

    /// Chooses where to listen: the file counts where the command line says nothing.
    pub(crate) fn listen(&self, file: Option<Listen>) -> Listen {
        if self.listen.is_empty() {
            file.unwrap_or_default()
        } else {
            Listen::at(self.listen.iter().copied())
        }
    }
}

fn see_help(problem: lexopt::Error) -> String {
    format!("{problem} (--help lists the flags)")
}

fn value(parser: &mut Parser, flag: &str) -> Result<String, String> {
    let value = parser.value().map_err(see_help)?;
    value
        .into_string()
        // Not shown: it may be a password.
        .map_err(|_| format!("the value of {flag} is not UTF-8"))
}

fn address(value: String) -> Result<SocketAddr, String> {
    listen::address(&value).map_err(|problem| format!("--listen {problem}"))
}

fn user(value: String) -> Result<(Vec<u8>, Vec<u8>), String> {
    let (name, password) = value
        .split_once(':')
        .ok_or("--user: expected NAME:PASSWORD, and found no colon")?;
    for (part, what) in [(name, "name"), (password, "password")] {
        if !(1..=255).contains(&part.len()) {
            return Err(format!("--user: the {what} must have 1 to 255 octets"));
        }
    }
    Ok((name.into(), password.into()))
}
