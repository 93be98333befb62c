//! Name servers inside TLS, against one of a few lines.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tower_socks::{
    BoxError,
    connector::resolve::{HickoryResolver, Lookup, NameServers},
    proto::DomainName,
    tls::{ClientSettings, ServerSettings},
};

use super::hickory::answer;
use crate::support::tls::Authority;

/// A server with a certificate for these names, which counts what it is asked in each connection.
async fn name_server(authority: &Authority, names: &[&str]) -> (SocketAddr, Arc<AtomicUsize>) {
    let settings = ServerSettings::new(authority.sign(names).parsed()).alpn::<Vec<u8>>([]);
    let acceptor = TlsAcceptor::from(settings.build().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                loop {
                    let mut query = vec![0; stream.read_u16().await?.into()];
                    stream.read_exact(&mut query).await?;
                    counted.fetch_add(1, Ordering::Relaxed);
                    let answer = answer(&query);
                    stream.write_u16(answer.len() as u16).await?;
                    stream.write_all(&answer).await?;
                    stream.flush().await?;
                }
                #[expect(unreachable_code)]
                Ok::<_, std::io::Error>(())
            });
        }
    });
    (address, asked)
}

async fn lookup(servers: NameServers) -> Result<Vec<String>, BoxError> {
    let servers = servers.attempts(1).timeout(Duration::from_secs(2));
    let name = DomainName::new("two.example").unwrap();
    let found = HickoryResolver::with_servers(&servers)?
        .oneshot(Lookup::new(name))
        .await?;
    Ok(found.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn a_server_is_asked_inside_tls_and_known_by_its_certificate() {
    let (authority, stranger) = (Authority::new("right"), Authority::new("wrong"));
    let (address, asked) = name_server(&authority, &["dns.example", "127.0.0.1"]).await;
    let trusting = |authority: &Authority, name: Option<&str>| {
        let tls = ClientSettings::new(authority.roots()).build().unwrap();
        NameServers::new([]).and_by_tls(address, name).tls(tls)
    };
    for name in [Some("dns.example"), None] {
        let found = lookup(trusting(&authority, name)).await.unwrap();
        assert_eq!(found, ["::1", "127.0.0.1"]);
    }
    // Both families of each.
    assert_eq!(asked.load(Ordering::Relaxed), 4);
    for (authority, name) in [
        (&stranger, Some("dns.example")),
        (&authority, Some("other.example")),
    ] {
        lookup(trusting(authority, name)).await.unwrap_err();
    }
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn what_is_no_name_of_a_certificate_is_said_at_once() {
    let servers = NameServers::new([]).and_by_tls(([127, 0, 0, 1], 853).into(), Some("a b"));
    let error = HickoryResolver::with_servers(&servers).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no certificate of a name server is for \"a b\""
    );
}
