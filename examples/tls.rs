//! SOCKS5 over TLS, as server and client: a server with TLS in front of its handshake, and a connector that
//! reaches it.
//!
//! The certificate is made at the start, for `localhost`; the client checks it. The target is in
//! this program too:
//!
//! ```text
//! cargo run --example tls
//! ```

#![allow(clippy::print_stdout)]

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector, client,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    },
    server,
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, layer::layer_fn, service_fn};
use tower_socks::{
    AuthLayer, BoxError, Client, Connector, HandshakeLayer, NoAuth,
    connector::{direct::Direct, upstream::Socks5Upstream},
    proto::Address,
    serve,
    session::{Accepted, Connected},
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(signing_key.serialize_der())?;
    let proxy = proxy(cert.der().clone(), key).await?;
    let target = target().await?;

    // The transport to the proxy is a TCP connection with TLS on top; the rest is as ever.
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone())?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tls = TlsConnector::from(Arc::new(config));
    let transport = service_fn(move |proxy: Address| over_tls(tls.clone(), proxy));
    let upstream = Socks5Upstream::new(Address::new("localhost", proxy.port())?).via(transport);

    let mut stream = upstream.oneshot(target).await?;
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await?;
    println!("over TLS to the proxy: {heard}");
    assert_eq!(heard, "hello from afar");

    // A client that speaks SOCKS5 without TLS is not understood.
    let plain = TcpStream::connect(proxy).await?;
    let error = Client::new().connect(plain, proxy).await.err();
    println!("without TLS: {}", error.ok_or("it was understood")?);
    Ok(())
}

/// Dials the proxy, and shakes hands with it.
async fn over_tls(
    tls: TlsConnector,
    proxy: Address,
) -> Result<Connected<client::TlsStream<TcpStream>>, BoxError> {
    let stream = Direct::new().oneshot(proxy).await?;
    let bound = stream.bound().clone();
    let name = ServerName::try_from("localhost")?;
    let stream = tls.connect(name, stream.into_inner()).await?;
    Ok(Connected::new(stream, bound))
}

async fn proxy(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<SocketAddr, BoxError> {
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let tls = TlsAcceptor::from(Arc::new(config));
    let stack = ServiceBuilder::new()
        .layer(tls_layer(tls)) // above the handshake, where connections are
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());
    Ok(address)
}

fn tls_layer<S>(acceptor: TlsAcceptor) -> impl Layer<S, Service = Tls<S>> + Clone {
    layer_fn(move |inner| Tls {
        acceptor: acceptor.clone(),
        inner,
    })
}

/// A layer of ours: it takes connections, and hands on what is inside their TLS.
#[derive(Clone)]
struct Tls<S> {
    acceptor: TlsAcceptor,
    inner: S,
}

impl<S> Service<Accepted<TcpStream>> for Tls<S>
where
    S: Service<Accepted<server::TlsStream<TcpStream>>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = futures_util::future::BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(())) // the inner one is asked once it is its turn
    }

    fn call(&mut self, accepted: Accepted<TcpStream>) -> Self::Future {
        let Self { acceptor, inner } = self.clone();
        Box::pin(async move {
            let Accepted {
                io,
                peer,
                local,
                extensions,
                ..
            } = accepted;
            // A peer that does not shake hands must not keep its place for ever.
            let io = timeout(Duration::from_secs(10), acceptor.accept(io)).await??;
            let mut accepted = Accepted::new(io, peer, local);
            accepted.extensions = extensions;
            inner.oneshot(accepted).await
        })
    }
}

/// Says hello to each client.
async fn target() -> Result<Address, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"hello from afar").await;
        }
    });
    Ok(Address::Ip(address))
}
