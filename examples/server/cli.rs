//! The command line.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use lexopt::{Arg, Parser};
use tower_socks::{Users, proto::Network};

use crate::{
    close::Closing,
    explain::Question,
    healthcheck::Healthcheck,
    help::Shell,
    listen::{self, Listen, Protocols, ProxyProtocol, Tls, TopLevel},
};

#[derive(Debug)]
pub(crate) enum Start {
    Serve(Flags),
    Explain(Flags, Box<Question>),
    Check(Flags),
    HashPassword,
    Healthcheck(Healthcheck),
    Close(Closing),
    PrintConfig,
    Manual,
    FileManual,
    Completions(Shell),
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
    /// Takes over from the server that runs.
    pub(crate) upgrade: bool,
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
        let mut upgrade = false;
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
                Arg::Long("upgrade") => upgrade = true,
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
                Arg::Long("man") => {
                    return match &*value(&mut parser, "--man")? {
                        "program" => Ok(Start::Manual),
                        "file" => Ok(Start::FileManual),
                        _ => Err("--man: expected program or file".into()),
                    };
                }
                Arg::Long("completions") => {
                    let shell = value(&mut parser, "--completions")?.parse();
                    return shell
                        .map(Start::Completions)
                        .map_err(|problem| format!("--completions: {problem}"));
                }
                Arg::Short('V') | Arg::Long("version") => return Ok(Start::Version),
                Arg::Short('h') | Arg::Long("help") => return Ok(Start::Help),
                Arg::Value(word) if word == "hash-password" => {
                    return match parser.next().map_err(see_help)? {
                        None => Ok(Start::HashPassword),
                        Some(Arg::Short('h') | Arg::Long("help")) => Ok(Start::Help),
                        // Not shown: it may be the password.
                        Some(_) => Err("hash-password: takes no arguments, and the password from standard input".into()),
                    };
                }
                Arg::Value(word) if word == "close" => {
                    let closing = Closing::parse(&mut parser)?;
                    return Ok(closing.map_or(Start::Help, Start::Close));
                }
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
            upgrade,
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

    /// Puts what the command line says into a file, where it says the same. Users have no password there.
    pub(crate) fn put_into(&self, file: &mut toml::Table) {
        use toml::Value;
        let mut put = |key: &str, value: Value| _ = file.insert(key.to_owned(), value);
        if !self.listen.is_empty() {
            put(
                "listen",
                self.listen
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .into(),
            );
        }
        if self.open {
            put("open", true.into());
        }
        if self.resolve {
            put("resolve", true.into());
        }
        if let Some(protocols) = self.protocols {
            let names = protocols.to_string();
            put("protocols", names.split(", ").collect::<Vec<_>>().into());
        }
        let empty = || Value::from(toml::Table::new());
        let mut put_in = |table: &str, fields: Vec<(String, Value)>| {
            let table = file.entry(table).or_insert_with(empty);
            if let (Some(table), false) = (table.as_table_mut(), fields.is_empty()) {
                table.extend(fields);
            }
        };
        if !self.users.is_empty() {
            let names = self
                .users
                .iter()
                .map(|(name, _)| String::from_utf8_lossy(name));
            put_in(
                "users",
                names.map(|name| (name.into_owned(), "".into())).collect(),
            );
        }
        if self.allow_private {
            put_in("acl", vec![("allow_private".into(), true.into())]);
        }
        if let Some((certificate, key)) = &self.tls {
            let path = |path: &PathBuf| Value::from(path.to_string_lossy().into_owned());
            let fields = [("certificate", path(certificate)), ("key", path(key))];
            put_in("tls", fields.map(|(name, path)| (name.into(), path)).into());
        }
        if !self.balancers.is_empty() {
            let networks: Vec<_> = self.balancers.iter().map(ToString::to_string).collect();
            put_in("proxy_protocol", vec![("from".into(), networks.into())]);
        }
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
