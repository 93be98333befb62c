use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tower::{Service, ServiceExt};
use tower_socks::{
    BoxError, Refusal,
    connector::direct::Direct,
    proto::{Address, Command, ReplyCode},
    session::{Connected, Target},
};

use super::{MakeShadowsocks, ShadowsocksStream};
use crate::{address::theirs, keys::Keys};

/// How long the server may take to accept a connection and the request.
const LIMIT: Duration = Duration::from_secs(10);

/// Connects through a shadowsocks server, which is reached by any connector: [`Direct`], or another upstream.
///
/// Takes whatever names a target, a [`Request`](tower_socks::Request) or an [`Address`], so that it does in a proxy
/// and as the transport of another upstream.
#[derive(Clone)]
pub struct ShadowsocksUpstream<C = Direct> {
    keys: Keys,
    transport: C,
}

impl ShadowsocksUpstream {
    /// Connects through the server of these keys.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        let transport = Direct::new();
        Self { keys, transport }
    }
}

impl<C> ShadowsocksUpstream<C> {
    /// Reaches the server by another connector.
    pub fn via<T>(self, transport: T) -> ShadowsocksUpstream<T> {
        let keys = self.keys;
        ShadowsocksUpstream { keys, transport }
    }

    /// Makes transports for UDP ASSOCIATE. Datagrams go to the server from here, whatever leads to it for streams.
    pub fn into_transports(self) -> MakeShadowsocks {
        MakeShadowsocks::new(self.keys)
    }
}

impl<C, Io, T> Service<T> for ShadowsocksUpstream<C>
where
    C: Service<Address, Response = Connected<Io>, Error: Into<BoxError>, Future: Send>,
    C: Clone + Send + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: Target,
{
    type Response = Connected<ShadowsocksStream<Io>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    // The transport is asked on the clone that is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> Self::Future {
        let Self { keys, transport } = self.clone();
        Box::pin(async move {
            let address = approved(&target)?;
            let opening = async {
                let server = Address::Ip(keys.server);
                let connected = transport.oneshot(server).await.map_err(Into::into)?;
                let mut stream = connected.map_io(|io| ShadowsocksStream::new(keys, io));
                stream.get_mut().request(&theirs(&address)).await?;
                Ok::<_, BoxError>(stream)
            };
            let stream = timeout(LIMIT, opening).await??;
            match &address {
                Address::Ip(address) => target.reached(*address),
                Address::Name(..) => target.handed_on(),
            }
            Ok(stream)
        })
    }
}

/// What goes to the server: the very address, or name, that the policies approve of.
fn approved(target: &impl Target) -> Result<Address, BoxError> {
    if let Some(request) = target.request()
        && request.command != Command::CONNECT
    {
        let code = ReplyCode::COMMAND_NOT_SUPPORTED;
        return Err(Refusal::new(code, "shadowsocks connects, and no more").into());
    }
    let address = target.address()?.canonical()?;
    match &address {
        Address::Ip(address) => target.approve(*address)?,
        Address::Name(..) => target.approve_name()?,
    }
    Ok(address)
}
