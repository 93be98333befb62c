//! A stream of a client, from its first octet to its end.

use std::{future::poll_fn, io, pin::pin, task::Poll};

use shadowsocks::relay::tcprelay::proxy_stream::ProxyServerStream;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::{Instant, timeout_at},
};
use tower::{Service, ServiceExt};
use tower_socks::{
    BoxError, Request, Traffic, Tunnel,
    io::{ClientStream, PrefixedStream},
    proto::{Command, UdpOverTcp},
    session::Accepted,
};
use tracing::{Span, field::display};

use super::ShadowsocksLayer;
use crate::{
    address::ours,
    keys::{Keys, METHOD},
};

/// Serves a connection to its end, and logs how it ended.
pub(super) async fn serve<Io, S>(
    layer: ShadowsocksLayer,
    dial: S,
    accepted: Accepted<Io>,
) -> Result<Traffic, BoxError>
where
    S: Service<Request, Response: Tunnel, Error: Into<BoxError>, Future: Send>,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = Instant::now() + layer.limit;
    let (mut client, request) = match read_request(&layer.keys, accepted, limit).await {
        Ok(asked) => asked,
        Err(error) => {
            // Anybody can connect and send something.
            tracing::debug!(%error, "no request");
            return Err(error);
        }
    };
    let span = Span::current();
    span.record("user", display(&request.identity));
    span.record("target", display(&request.target));
    let outcome = async {
        request.count_connection()?;
        let tunnel = dial_for(&mut client, dial, request).await?;
        Ok(tunnel.run(client).await?)
    };
    let outcome = outcome.await;
    match &outcome {
        Ok(Traffic { up, down }) => tracing::info!(up, down, "session ended"),
        Err(error) => tracing::info!(%error, "session ended"),
    }
    outcome
}

type Client<Io> = PrefixedStream<ProxyServerStream<Io>>;

/// Reads where the client wants to go. Who cannot ask for anything hears nothing, and is listened to until the time
/// is over: how soon a server closes would tell what it is, and how much of its header it has read.
async fn read_request<Io>(
    keys: &Keys,
    accepted: Accepted<Io>,
    limit: Instant,
) -> Result<(Client<Io>, Request), BoxError>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = ProxyServerStream::from_stream_with_user_manager(
        keys.context.clone(),
        accepted.io,
        METHOD,
        keys.config.key(),
        keys.config.clone_user_manager(),
    );
    let read = timeout_at(limit, stream.handshake()).await?;
    let known = stream.user_key().and_then(|key| keys.identity(key));
    let (address, identity) = match (read, known) {
        (Ok(address), Some(identity)) => (address, identity),
        (read, _) => {
            listen_until(limit, stream.into_inner()).await;
            return Err(read.err().map_or("nobody's key".into(), Into::into));
        }
    };
    let target = ours(address)?;
    // The name that stands for UDP over TCP has any port: sing-box says 0.
    if target.port() == 0 && UdpOverTcp::of(Command::CONNECT, &target).is_none() {
        return Err("nothing can be reached at port 0".into());
    }
    let mut request = Request::new(Command::CONNECT, target);
    request.peer = accepted.peer;
    request.local = accepted.local;
    request.identity = identity;
    request.extensions = accepted.extensions;
    Ok((PrefixedStream::new(stream), request))
}

/// Reads and forgets what comes.
async fn listen_until<Io: AsyncRead + Unpin>(limit: Instant, mut io: Io) {
    let mut octets = [0; 1_024];
    let ended = async { while matches!(io.read(&mut octets).await, Ok(1..)) {} };
    let _ = timeout_at(limit, ended).await;
}

/// Executes the request, unless the client is gone first.
async fn dial_for<Io, S>(
    client: &mut Client<Io>,
    dial: S,
    request: Request,
) -> Result<S::Response, BoxError>
where
    S: Service<Request, Error: Into<BoxError>>,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut dialling = pin!(dial.oneshot(request));
    poll_fn(|cx| match dialling.as_mut().poll(cx) {
        Poll::Ready(dialled) => Poll::Ready(dialled.map_err(Into::into)),
        Poll::Pending => match client.poll_closed(cx) {
            Poll::Ready(Err(gone)) => Poll::Ready(Err::<_, BoxError>(io::Error::into(gone))),
            // One that has nothing more to say still listens.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        },
    })
    .await
}
