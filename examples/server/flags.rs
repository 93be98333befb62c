//! The command line.

use std::{ffi::OsString, net::SocketAddr};

use lexopt::{Arg, Parser};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
A SOCKS5 server.

Usage: server [FLAGS]

  --listen ADDR:PORT     Where to listen; may be repeated. Default: 127.0.0.1:1080
  --user NAME:PASSWORD   Let this user in; may be repeated. With any user given, clients
                         have to authenticate
  --open                 Listen on other addresses than loopback without any user
  --allow-private        Let clients reach loopback, private and other special-purpose
                         addresses. They can reach them anyway for now, since nothing is
                         forbidden yet
  --help                 Print this

RUST_LOG chooses what is logged to stderr, e.g. RUST_LOG=tower_socks=debug. Default: info.
SIGINT or SIGTERM: stop accepting, give sessions 30 s to end.
";

#[derive(Debug)]
pub(crate) enum Start {
    Serve(Flags),
    Help,
}

pub(crate) struct Flags {
    pub(crate) listen: Vec<SocketAddr>,
    /// Names and passwords, without a Debug form that would print them.
    pub(crate) users: Vec<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flags")
            .field("listen", &self.listen)
            .field("users", &self.users.len())
            .finish()
    }
}

impl Flags {
    /// Reads the arguments, the first of which is the program.
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Start, String> {
        let mut listen = Vec::new();
        let mut users = Vec::new();
        let mut open = false;
        let mut parser = Parser::from_iter(args);
        while let Some(arg) = parser.next().map_err(see_help)? {
            match arg {
                Arg::Long("listen") => listen.push(address(value(&mut parser, "--listen")?)?),
                Arg::Long("user") => users.push(user(value(&mut parser, "--user")?)?),
                Arg::Long("open") => open = true,
                // Nothing is forbidden yet that this could allow.
                Arg::Long("allow-private") => {}
                Arg::Short('h') | Arg::Long("help") => return Ok(Start::Help),
                other => return Err(see_help(other.unexpected())),
            }
        }
        if listen.is_empty() {
            listen.push(([127, 0, 0, 1], 1080).into());
        }
        let exposed = listen
            .iter()
            .find(|address| !address.ip().to_canonical().is_loopback());
        if let Some(address) = exposed
            && users.is_empty()
            && !open
        {
            return Err(format!(
                "anyone could use a proxy on {address}: add --user NAME:PASSWORD, or --open if \
                 that is meant"
            ));
        }
        Ok(Start::Serve(Self { listen, users }))
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
    value.parse().map_err(|_| {
        format!("--listen {value}: expected ADDR:PORT, such as 127.0.0.1:1080 or [::1]:1080")
    })
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
