//! Reads the head of a response, and not a byte of what follows.

use std::any::Any;

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::TcpStream,
};

use super::{HttpError, challenge::offered};
use crate::io::BoxStream;

/// Octets of one head. Proxies that name their reasons at length take a few hundred.
const LONGEST: usize = 16 * 1024;

/// Interim responses (1xx) before the final one.
const INTERIM: usize = 8;

/// `HTTP/1.1 200` and an empty line: the reason and the carriage returns may be missing.
const SHORTEST: usize = "HTTP/1.1 200\n\n".len();

/// The final response: its status, and what it offers in the fields.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) schemes: Vec<&'static str>,
}

/// Reads the final response's head.
pub(super) async fn read<Io>(io: &mut Io) -> Result<Response, HttpError>
where
    Io: AsyncRead + Unpin + Send + 'static,
{
    for _ in 0..=INTERIM {
        let head = one(io).await?;
        let status = parse(&head)?;
        if !(100..200).contains(&status) || status == 101 {
            let schemes = match status {
                407 => offered(&head),
                _ => Vec::new(),
            };
            return Ok(Response { status, schemes });
        }
    }
    Err(HttpError::NotHttp("interim responses without end"))
}

/// Returns the status of a head. The fields say nothing that we need, so that they may be as they are:
/// proxies send `Proxy-agent : x`, folded lines, and a hundred of them.
fn parse(head: &[u8]) -> Result<u16, HttpError> {
    let first = head.split_inclusive(|octet| *octet == b'\n').next();
    let mut line = first.unwrap_or_default().to_vec();
    line.extend(b"\r\n");
    let mut response = httparse::Response::new(&mut []);
    let mut parser = httparse::ParserConfig::default();
    parser.allow_multiple_spaces_in_response_status_delimiters(true);
    match parser.parse_response(&mut response, &line) {
        Ok(httparse::Status::Complete(_)) => {
            let status = response.code.filter(|status| *status >= 100);
            status.ok_or(HttpError::NotHttp("no status"))
        }
        Ok(httparse::Status::Partial) => Err(HttpError::NotHttp("half a head")),
        Err(_) => Err(HttpError::NotHttp("a malformed status line")),
    }
}

/// Reads one head, up to and with its empty line.
async fn one<Io>(io: &mut Io) -> Result<Vec<u8>, HttpError>
where
    Io: AsyncRead + Unpin + Send + 'static,
{
    let mut head = Vec::with_capacity(128);
    loop {
        let more = match socket(io) {
            Some(socket) => ahead(socket, &head).await?,
            None => shortest(&head),
        };
        let start = head.len();
        head.resize(start + more, 0);
        let room = head.get_mut(start..).unwrap_or_default();
        let read = io.read(room).await.map_err(HttpError::Io)?;
        if read == 0 {
            return Err(HttpError::Closed);
        }
        head.truncate(start + read);
        // A peer with another protocol is found out by its first octets.
        let expected = b"HTTP/1.";
        if head.iter().zip(expected).any(|(got, want)| got != want) {
            return Err(HttpError::NotHttp("no status line"));
        }
        if ends(&head) {
            return Ok(head);
        }
        if head.len() >= LONGEST {
            return Err(HttpError::NotHttp("a head without end"));
        }
    }
}

/// Returns the socket of a stream, if it is one: a socket can be peeked at.
fn socket<Io: 'static>(io: &Io) -> Option<&TcpStream> {
    let io: &dyn Any = io;
    io.downcast_ref().or_else(|| {
        let boxed: &BoxStream = io.downcast_ref()?;
        boxed.get_ref()
    })
}

/// Counts the octets that have arrived and belong to the head.
async fn ahead(socket: &TcpStream, head: &[u8]) -> Result<usize, HttpError> {
    let mut next = [0; 1024];
    let seen = socket.peek(&mut next).await.map_err(HttpError::Io)?;
    // The empty line may have begun in what has been read.
    let mut line = head
        .get(head.len().saturating_sub(2)..)
        .unwrap_or_default()
        .to_vec();
    for (count, octet) in (1..).zip(next.iter().take(seen)) {
        line.push(*octet);
        if ends(&line) {
            return Ok(count);
        }
    }
    // None: the read that follows finds the end of the stream.
    Ok(seen.max(1))
}

/// Returns how many octets are missing at least.
fn shortest(head: &[u8]) -> usize {
    match head {
        [.., b'\n'] | [.., b'\n', b'\r'] => 1,
        _ => SHORTEST.saturating_sub(head.len()).max(2),
    }
}

/// Whether the empty line is there. A line may end without a carriage return (RFC 9112 section 2.2).
fn ends(head: &[u8]) -> bool {
    matches!(head, [.., b'\n', b'\n'] | [.., b'\n', b'\r', b'\n'])
}
