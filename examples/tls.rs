//! SOCKS5 over TLS, as server and client: a server that knows its clients by their certificates, and a connector
//! that reaches it.
//!
//! The certificates are made at the start; both sides check them. The target is in this program too:
//!
//! ```text
//! cargo run --features tls --example tls
//! ```

#![allow(clippy::print_stdout)]

use std::net::SocketAddr;

use rcgen::generate_simple_self_signed;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{ServiceBuilder, ServiceExt};
use tower_socks::{
    AuthLayer, BoxError, Client, Connector, HandshakeLayer, Identity,
    connector::{tls::TlsConnector, upstream::Socks5Upstream},
    layer::{auth::ClientCertificate, tls::TlsLayer},
    proto::Address,
    serve,
    tls::{Authorities, CertifiedKey, ClientCertificates, ClientSettings, ServerSettings},
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (server, server_root) = certificate("localhost")?;
    let (joe, joe_root) = certificate("joe.example")?;
    let proxy = proxy(server, joe_root).await?;
    let target = target().await?;

    // The transport to the proxy is a TCP connection with TLS on top; the rest is as ever.
    let settings = ClientSettings::new(server_root).certificate(joe);
    let transport = TlsConnector::new(settings.build()?);
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

/// Makes a key for a name, and its certificate as an authority. From files: `CertifiedKey::from_files`.
fn certificate(name: &str) -> Result<(CertifiedKey, Authorities), BoxError> {
    let own = generate_simple_self_signed([name.to_owned()])?;
    let (chain, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let key = CertifiedKey::from_pem(chain.as_bytes(), key.as_bytes())?;
    Ok((key, Authorities::from_pem(chain.as_bytes())?))
}

async fn proxy(own: CertifiedKey, clients: Authorities) -> Result<SocketAddr, BoxError> {
    let settings =
        ServerSettings::new(own).client_certificates(ClientCertificates::Required(clients));
    let whose = ClientCertificate::new(|certificate| {
        let name = certificate.dns_names().pop()?;
        Some(Identity::named(name.strip_suffix(".example")?))
    });
    let stack = ServiceBuilder::new()
        .layer(TlsLayer::new(settings.build()?)) // above the handshake, where connections are
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(whose))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());
    Ok(address)
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
