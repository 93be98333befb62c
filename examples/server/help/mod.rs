//! What there is to say of the command line, from which `--help`, the manual page and the completions of shells are made.

mod completions;
mod file;
mod manual;
mod text;

pub(crate) use completions::Shell;
pub(crate) use file::file_manual;
pub(crate) use manual::manual;
pub(crate) use text::text;

use Value::{Address, File, List, Text, Word};

/// The first line of everything.
const SUMMARY: &str = "a proxy server for SOCKS5, SOCKS4 and HTTP on one port";

/// A flag, or several that belong together.
struct Flag {
    /// Without dashes, each with what follows it.
    names: &'static [(&'static str, Value)],
    /// The same as one letter.
    short: Option<char>,
    what: &'static str,
}

/// What follows a flag.
#[derive(Clone, Copy)]
enum Value {
    /// Nothing.
    No,
    Text(&'static str),
    Address(&'static str),
    File(&'static str),
    /// One of these.
    Word(&'static str, &'static [&'static str]),
    /// One or more of these, with commas.
    List(&'static str, &'static [&'static str]),
}

impl Value {
    /// Its name in a synopsis.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::No => None,
            Text(name) | Address(name) | File(name) | Word(name, _) | List(name, _) => Some(name),
        }
    }
}

/// A flag with a value or without one.
const fn flag(names: &'static [(&'static str, Value)], what: &'static str) -> Flag {
    Flag {
        names,
        short: None,
        what,
    }
}

const FLAGS: &[Flag] = &[
    flag(
        &[("listen", Address("ADDR:PORT"))],
        "Where to listen; may be repeated. Default: what the file says, or 127.0.0.1:1080",
    ),
    flag(
        &[("user", Text("NAME:PASSWORD"))],
        "Add this user; may be repeated. With any user given, clients have to authenticate",
    ),
    flag(
        &[("protocols", List("NAMES", &["socks5", "socks4", "http"]))],
        "What clients may speak: one or more of socks5,socks4,http. Default: all of them",
    ),
    flag(
        &[("tls-certificate", File("FILE")), ("tls-key", File("FILE"))],
        "Take TLS from clients, in front of all protocols. In PEM, the certificate with its chain",
    ),
    flag(
        &[("proxy-protocol-from", Text("NETWORK"))],
        "Take the client from a PROXY header, which load balancers in this network have to send; may be repeated. \
         Others are refused",
    ),
    flag(
        &[("resolve", Value::No)],
        "Look names up for clients: the commands RESOLVE and RESOLVE_PTR of Tor's programs, such as torsocks",
    ),
    flag(
        &[("open", Value::No)],
        "Listen on other addresses than loopback without any user",
    ),
    flag(
        &[("allow-private", Value::No)],
        "Let clients reach loopback, private and other special-purpose addresses, and this proxy itself",
    ),
    flag(
        &[("config", File("FILE"))],
        "Take users, rules, limits and the rest from this file (--print-config prints one that explains itself). \
         SIGHUP reads it again: all is checked first, and with a mistake in it everything stays as it is",
    ),
    flag(
        &[("upgrade", Value::No)],
        "Take over from the server that runs, which its file's upgrade_socket names: serve at its sockets, then have it \
         accept no more. No client waits, and its sessions go on. SIGUSR2 has a server start its program anew like that",
    ),
    flag(
        &[("check", Value::No)],
        "Check the file and the flags, say what would be in force, and end",
    ),
    flag(
        &[("explain", Text("QUESTION"))],
        "Say whether something would be allowed, by which rule, and end. E.g. --explain 'user=joe connect \
         example.com:443'. Status 0 means allowed, 1 refused",
    ),
    flag(
        &[("healthcheck", Address("WHERE"))],
        "Ask a server how it is, and end with status 0 if it is well, 1 otherwise: ADDR:PORT or http://ADDR:PORT/ready \
         for its [metrics], or socks5://ADDR:PORT or tcp://ADDR:PORT for a port of its clients",
    ),
    flag(
        &[("print-config", Value::No)],
        "Print a file for --config that says all defaults, and end",
    ),
    flag(
        &[("man", Word("PAGE", &["program", "file"]))],
        "Print a manual page, and end: of the program, or of the file for --config",
    ),
    flag(
        &[("completions", Word("SHELL", Shell::NAMES))],
        "Print what completes the command line in bash, zsh or fish, and end",
    ),
    Flag {
        names: &[("version", Value::No)],
        short: Some('V'),
        what: "Print the version and the features, and end",
    },
    Flag {
        names: &[("help", Value::No)],
        short: Some('h'),
        what: "Print this, and end",
    },
];

/// Words that stand in place of flags.
const COMMANDS: &[(&str, &str)] = &[
    (
        "hash-password",
        "Read a password from standard input, print its hash",
    ),
    (
        "close",
        "Close open tunnels of a server, over the socket of its [admin]: --socket PATH, and --user NAME, with --everywhere at all servers of its [redis], or --id NUMBER",
    ),
];

/// A subject with a line for each of its terms.
struct Subject {
    title: &'static str,
    terms: &'static [(&'static str, &'static str)],
}

const SUBJECTS: &[Subject] = &[
    Subject {
        title: "Signals",
        terms: &[
            (
                "SIGHUP",
                "Read the file again. With a mistake in it everything stays as it is",
            ),
            ("SIGUSR1", "Log who is connected"),
            (
                "SIGUSR2",
                "Start the program anew, with the same flags, and have it take over as by --upgrade",
            ),
            (
                "SIGINT, SIGTERM",
                "Stop accepting, and give sessions time to end: `drain` of the file, 30 s. The second one ends at once",
            ),
        ],
    },
    Subject {
        title: "Environment",
        terms: &[
            (
                "RUST_LOG",
                "What is logged to standard error, e.g. RUST_LOG=tower_socks=debug. Default: info",
            ),
            (
                "LISTEN_FDS, NOTIFY_SOCKET",
                "Set by systemd: the sockets of the .socket unit are served, and systemd hears when the server is ready",
            ),
        ],
    },
    Subject {
        title: "Exit status",
        terms: &[
            (
                "0",
                "After a signal to stop. --check: no mistake; --explain: allowed; --healthcheck: well",
            ),
            (
                "1",
                "It cannot start, or the file has a mistake; a second signal to stop. --explain: refused; --healthcheck: \
                 not well",
            ),
            ("2", "A mistake on the command line"),
        ],
    },
];

/// How clients are told of it.
const CLIENTS: &[&str] = &[
    "curl --proxy socks5h://127.0.0.1:1080 http://example.com/",
    "curl --proxy http://127.0.0.1:1080 http://example.com/",
];
