//! Which versions are compared, and how each is set up.

use crate::{
    everything,
    servers::{Server, said},
};

impl Server {
    /// Which version, and how it is set up.
    pub(crate) fn about(self) -> String {
        let locked = include_str!("../Cargo.lock");
        let locked_rama = include_str!("../rama/Cargo.lock");
        match self {
            Self::Example => format!(
                "the example server {} as it is without a file, but that private addresses are allowed and one client may have \
                 all sessions: SOCKS5, SOCKS4 and HTTP on one port, BIND, UDP, log at info",
                version(locked, "tower-socks"),
            ),
            Self::Everything => everything::ABOUT.to_owned(),
            Self::ShortStack => format!(
                "tower-socks {} ({}), tokio {}: concurrency limit, handshake with deadline, no authentication, \
                 dial timeout, ACL with default rules and allow_private, log at warn",
                version(locked, "tower-socks"),
                said(
                    "git",
                    &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always",]
                ),
                version(locked, "tokio"),
            ),
            Self::FastSocks5 => format!(
                "fast-socks5 {}, tokio {}: its example server, UDP allowed",
                version(locked, "fast-socks5"),
                version(locked, "tokio"),
            ),
            Self::Rama => format!(
                "rama {}, tokio {}: default connector and UDP relay, log at warn",
                version(locked_rama, "rama"),
                version(locked_rama, "tokio"),
            ),
            Self::Dante => format!(
                "dante-server {}: everything allowed on loopback, logs errors",
                packaged("dante-server"),
            ),
            Self::Microsocks => format!(
                "microsocks {}: its log to /dev/null; has no UDP",
                packaged("microsocks")
            ),
            Self::ThreeProxy => format!("3proxy {}: socks, no log", packaged("3proxy")),
            Self::CopyLoop => format!(
                "tokio {}: `copy_bidirectional` to a fixed target, no SOCKS at all",
                version(locked, "tokio"),
            ),
            Self::Direct => "no server: the limit of the generator".to_owned(),
        }
    }
}

/// The version of a package in a lock file.
fn version<'a>(lock: &'a str, package: &str) -> &'a str {
    let name = format!("\nname = \"{package}\"\nversion = \"");
    let behind = lock.split_once(&name).map_or("?", |(_, behind)| behind);
    behind.split('"').next().unwrap_or("?")
}

fn packaged(package: &str) -> String {
    said("dpkg-query", &["-W", "-f", "${Version}", package])
}
