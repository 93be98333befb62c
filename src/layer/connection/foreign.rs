//! Clients of protocols that are not served: what they are told, and what the log says of them.

use std::{future::Future, io, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::{
    hold::{hold_closing, span},
    lines::{Lines, Party},
};
use crate::{
    error::{BoxError, ForeignProtocol, SessionError, Step},
    io::{PrefixedStream, lingering_close},
    proto::{Method, Selection, socks4},
    relay::Traffic,
    session::{Accepted, Protocol, record::Recording},
};

/// The octets that tell HEAD from all other methods.
const METHOD: usize = b"HEAD ".len();

/// What has become of a connection at its first octet.
pub(crate) enum Seen {
    /// It begins like this protocol.
    LooksLike(ForeignProtocol),
    /// It has ended, or its deadline has passed.
    Nothing(BoxError),
}

/// Closes a connection that nothing is served to, and logs how it ended: at debug, since it is the client's
/// doing, and any can do it as often as it likes.
///
/// SOCKS and HTTP have words for it, and the client gets them before the deadline or not at all. Whatever else
/// comes is closed without an answer, which nothing is known to expect.
pub(crate) fn turn_away<Io>(
    lines: Arc<Lines>,
    served: Vec<Protocol>,
    accepted: Accepted<PrefixedStream<Io>>,
    seen: Seen,
    deadline: Instant,
) -> impl Future<Output = Result<Traffic, BoxError>> + Send
where
    Io: AsyncRead + AsyncWrite + Unpin + Send,
{
    let looks_like = match &seen {
        Seen::LooksLike(protocol) => protocol.name(),
        Seen::Nothing(_) => "none",
    };
    let recording = Recording::of(&accepted.extensions).cloned();
    let span = span(looks_like, accepted.peer, recording.as_ref());
    let party = Party::stranger(accepted.peer);
    // What counts the connection counts it until it is closed.
    let Accepted {
        io: mut client,
        extensions: counted,
        ..
    } = accepted;
    let closing = async move {
        let error = match seen {
            Seen::LooksLike(protocol) => {
                let told = timeout_at(deadline, tell(&mut client, protocol, &served)).await;
                // A client that is gone, or was too slow, needs no close that lingers.
                if let Ok(Ok(true)) = told {
                    lingering_close(client).await;
                }
                SessionError::new(Step::Greeting, protocol)
            }
            Seen::Nothing(error) => SessionError::new(Step::Greeting, error),
        };
        drop(counted);
        error
    };
    hold_closing(lines, span, recording, party, closing)
}

/// Answers a client in its protocol. Returns whether there was anything to say.
async fn tell<Io>(
    client: &mut PrefixedStream<Io>,
    protocol: ForeignProtocol,
    served: &[Protocol],
) -> io::Result<bool>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    match protocol {
        ForeignProtocol::Socks5 => {
            let selection = Selection {
                method: Method::NO_ACCEPTABLE,
            };
            client.write_all(&selection.encode()).await?;
        }
        ForeignProtocol::Socks4 => {
            let rejected = socks4::Reply::rejected();
            client.write_all(&rejected.encode()).await?;
        }
        ForeignProtocol::Http => {
            let head_alone = client.peek(METHOD).await?.starts_with(b"HEAD ");
            client
                .write_all(page(served, head_alone).as_bytes())
                .await?;
        }
        _ => return Ok(false),
    }
    client.flush().await?;
    Ok(true)
}

/// Returns the response to an HTTP request, which says what is served in place of HTTP. It has nothing of the
/// request.
fn page(served: &[Protocol], head_alone: bool) -> String {
    let takes = |protocol| served.contains(&protocol);
    let (names, scheme) = match (takes(Protocol::Socks5), takes(Protocol::Socks4)) {
        (true, true) => ("SOCKS5 and SOCKS4", "socks5h"),
        (true, false) => ("SOCKS5", "socks5h"),
        (false, true) => ("SOCKS4", "socks4a"),
        (false, false) => ("no protocol", ""),
    };
    let mut body =
        format!("This is the port of a proxy server for {names}. HTTP is not served here.\n");
    if !scheme.is_empty() {
        body += "Enter it as the SOCKS host of a browser or system, not as an HTTP proxy; or use\n";
        body += &format!("curl --proxy {scheme}://HOST:PORT URL\n");
    }
    let length = body.len();
    // Such a response could be cached otherwise (RFC 9110 section 15.1).
    let mut response = format!(
        "HTTP/1.1 501 Not Implemented\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\n\
         Cache-Control: no-store\r\n\
         Connection: close\r\n\r\n"
    );
    if !head_alone {
        response += &body;
    }
    response
}
