//! `close`: asks a server over the socket of its `[admin]` to close tunnels.

use std::{
    ffi::OsString,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use lexopt::{Arg, Parser};
use serde::Deserialize;

use crate::status::CLOSE;

/// For each read and write.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of an answer.
const MOST: u64 = 16 * 1024;

/// What to ask for, and where.
#[derive(Debug)]
pub(crate) struct Closing {
    socket: PathBuf,
    /// As the server reads it.
    body: String,
}

#[derive(Deserialize)]
struct Closed {
    closed: u64,
    others: Option<Others>,
}

#[derive(Deserialize)]
struct Others {
    answered: usize,
    silent: Vec<String>,
}

impl Closing {
    /// Reads what follows the command. None: it asks for help.
    pub(crate) fn parse(parser: &mut Parser) -> Result<Option<Self>, String> {
        let (mut socket, mut user, mut id, mut everywhere) = (None, None, None, false);
        let wrong = |problem: lexopt::Error| format!("close: {problem}");
        while let Some(arg) = parser.next().map_err(wrong)? {
            match arg {
                Arg::Long("socket") => socket = Some(parser.value().map_err(wrong)?.into()),
                Arg::Long("user") => user = Some(text(parser.value().map_err(wrong)?)?),
                Arg::Long("id") => {
                    let text = text(parser.value().map_err(wrong)?)?;
                    let number = text.parse::<u64>();
                    id = Some(number.map_err(|_| "close, --id: expected the number of a tunnel")?);
                }
                Arg::Long("everywhere") => everywhere = true,
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                other => return Err(wrong(other.unexpected())),
            }
        }
        let socket =
            socket.ok_or("close: --socket PATH says which server: the `socket` of its [admin]")?;
        let body = match (user, id) {
            (Some(user), None) if everywhere => serde_json::json!({ "everywhere": user }),
            (None, Some(_)) if everywhere => {
                return Err(
                    "close: --everywhere goes with --user: a number is that of one server".into(),
                );
            }
            (Some(user), None) => serde_json::json!({ "user": user }),
            (None, Some(id)) => serde_json::json!({ "id": id }),
            _ => return Err("close: expected --user NAME or --id NUMBER".into()),
        };
        Ok(Some(Self {
            socket,
            body: body.to_string(),
        }))
    }

    /// Asks, and says what was closed. Status 1 means that nothing was.
    pub(crate) fn run(&self) -> ExitCode {
        match self.ask() {
            Ok(Closed { closed, others }) => {
                let plural = if closed == 1 { "" } else { "s" };
                let servers = others.as_ref().map(|others| others.answered + 1);
                let servers = servers.map(|servers| format!(" at {servers} servers"));
                println!(
                    "closed {closed} tunnel{plural}{}",
                    servers.unwrap_or_default()
                );
                let silent = others.map(|others| others.silent).unwrap_or_default();
                if !silent.is_empty() {
                    let silent = silent.join(", ");
                    eprintln!("server: close: no answer from {}", silent.escape_debug());
                    return ExitCode::FAILURE;
                }
                ExitCode::from(u8::from(closed == 0))
            }
            Err(problem) => {
                let socket = self.socket.to_string_lossy();
                eprintln!("server: close: {}: {problem}", socket.escape_debug());
                ExitCode::FAILURE
            }
        }
    }

    fn ask(&self) -> Result<Closed, String> {
        let fail = |error: std::io::Error| error.to_string();
        let mut stream = UnixStream::connect(&self.socket).map_err(fail)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(fail)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(fail)?;
        let (body, length) = (&self.body, self.body.len());
        let request = format!(
            "POST {CLOSE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).map_err(fail)?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).map_err(fail)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or("the answer is not HTTP")?;
        if !head.starts_with("HTTP/1.1 200 ") {
            let line: String = body
                .lines()
                .next()
                .unwrap_or(head)
                .chars()
                .take(200)
                .collect();
            return Err(line.escape_debug().to_string());
        }
        serde_json::from_str(body).map_err(|error| error.to_string())
    }
}

fn text(value: OsString) -> Result<String, String> {
    value
        .into_string()
        .map_err(|_| "close: what follows a flag is not UTF-8".into())
}
