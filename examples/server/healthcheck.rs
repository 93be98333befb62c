//! `--healthcheck`: asks a server how it is, for images without a shell.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    process::ExitCode,
    str::FromStr,
    sync::mpsc::sync_channel,
    thread,
    time::Duration,
};

use crate::{about, complain};

/// For all of it, a name that has to be looked up included.
const LIMIT: Duration = Duration::from_secs(3);

/// Octets of an answer that are looked at: the status and the first lines.
const MOST: u64 = 4096;

/// Whom to ask, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Healthcheck {
    /// `HOST:PORT`.
    at: String,
    ask: Ask,
}

#[derive(Clone, Debug)]
enum Ask {
    /// GET of this path.
    Http(String),
    /// A greeting.
    Socks5,
    /// Whether somebody accepts.
    Tcp,
}

impl FromStr for Healthcheck {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (at, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if text.contains('@') {
            // Not shown: a password may stand there.
            return Err("takes neither a name nor a password".into());
        }
        // A path is written into a request.
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err("has a character that no URL has".into());
        }
        let ask = match scheme {
            "http" => Ask::Http(
                if path.is_empty() || path == "/" {
                    "/ready"
                } else {
                    path
                }
                .to_owned(),
            ),
            "socks5" | "tcp" if !matches!(path, "" | "/") => {
                return Err(format!("{text}: {scheme}:// has no path"));
            }
            "socks5" => Ask::Socks5,
            "tcp" => Ask::Tcp,
            _ => {
                return Err(format!(
                    "{text}: expected http://, socks5://, tcp:// or none of them"
                ));
            }
        };
        let port = at.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        match port.map(|(_, port)| port.parse::<u16>()) {
            Some(Ok(1..)) => Ok(Self {
                at: at.to_owned(),
                ask,
            }),
            _ => Err(format!("{text}: expected ADDR:PORT or a URL with a port")),
        }
    }
}

/// Asks, and prints a line with what comes of it.
pub(crate) fn run(check: Healthcheck) -> ExitCode {
    // In a thread of its own: nothing else bounds a lookup.
    let (outcome, outcomes) = sync_channel(1);
    let asked = check.clone();
    let spawned = thread::Builder::new().spawn(move || _ = outcome.send(asked.ask()));
    let outcome = match spawned.map(|_| outcomes.recv_timeout(LIMIT)) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(format!("no answer within {LIMIT:?}")),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => about::print(&format!("{check} is well\n")),
        Err(problem) => complain(&format!("{check}: {problem}"), ExitCode::FAILURE),
    }
}

impl Healthcheck {
    fn ask(&self) -> Result<(), String> {
        let mut server = self.connect().map_err(|error| error.to_string())?;
        match &self.ask {
            Ask::Tcp => Ok(()),
            Ask::Socks5 => greet(&mut server),
            Ask::Http(path) => get(&mut server, &self.at, path),
        }
    }

    /// Connects to the first of its addresses that lets us in.
    fn connect(&self) -> io::Result<TcpStream> {
        let mut failed = None;
        for address in self.at.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, LIMIT) {
                Ok(server) => {
                    server.set_read_timeout(Some(LIMIT))?;
                    server.set_write_timeout(Some(LIMIT))?;
                    return Ok(server);
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }
}

/// Says what every client says first, and hears whether a method is selected. Nobody logs in.
fn greet(server: &mut (impl Read + Write)) -> Result<(), String> {
    let mut selection = [0; 2];
    server
        .write_all(b"\x05\x02\x00\x02")
        .and_then(|()| server.read_exact(&mut selection))
        .map_err(|error| format!("no answer to a greeting: {error}"))?;
    match selection {
        [5, 0xff] => Err("takes neither passwords nor clients without".into()),
        [5, _] => Ok(()),
        _ => Err("the answer is not SOCKS5".into()),
    }
}

/// Asks for a page, and takes any status of success for well.
fn get(server: &mut (impl Read + Write), host: &str, path: &str) -> Result<(), String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let heard = server
        .write_all(request.as_bytes())
        .and_then(|()| server.take(MOST).read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer);
    let status = answer
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split_once(' '))
        .and_then(|(_, rest)| rest.get(..3))
        .filter(|status| status.bytes().all(|octet| octet.is_ascii_digit()));
    match (status, heard) {
        (Some(status), _) if status.starts_with('2') => Ok(()),
        (Some(status), _) => {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let line = body.lines().next().unwrap_or_default();
            // It goes to a terminal, and nobody has to be what we take them for.
            let line: String = line.chars().take(200).collect();
            Err(format!("HTTP {status}: {}", line.escape_debug()))
        }
        (None, Err(error)) => Err(format!("no answer: {error}")),
        (None, Ok(_)) => Err("the answer is not HTTP".into()),
    }
}

impl fmt::Display for Healthcheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ask {
            Ask::Http(path) => write!(f, "http://{}{path}", self.at),
            Ask::Socks5 => write!(f, "socks5://{}", self.at),
            Ask::Tcp => write!(f, "tcp://{}", self.at),
        }
    }
}
