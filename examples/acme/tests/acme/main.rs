//! The whole of it with an authority on loopback.

mod authority;

use std::net::SocketAddr;

use acme::{Answers, Folder, Issued, keep_fresh, order};
use rcgen::{CertificateParams, KeyPair};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use tower::{ServiceBuilder, ServiceExt};
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth,
    connector::tls::TlsConnector,
    layer::tls::TlsLayer,
    proto::Address,
    serve,
    tls::{Authorities, ClientSettings},
};

use authority::{Authority, get};

async fn answers() -> (Answers, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Answers::default();
    tokio::spawn(answers.clone().serve(listener));
    (answers, address)
}

/// The greeting of SOCKS5 inside TLS, which `root` has to be believed for.
async fn greet(server: SocketAddr, root: &str) -> Result<(), BoxError> {
    let settings = ClientSettings::new(Authorities::from_pem(root.as_bytes())?);
    let connector = TlsConnector::new(settings.build()?);
    let mut stream = connector
        .oneshot(Address::new("localhost", server.port())?)
        .await?;
    hear(&mut stream).await
}

async fn hear(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), BoxError> {
    stream.write_all(b"\x05\x01\x00").await?;
    let mut heard = [0; 2];
    stream.read_exact(&mut heard).await?;
    assert_eq!(heard, *b"\x05\x00");
    Ok(())
}

#[tokio::test]
async fn a_certificate_is_ordered_served_and_replaced() {
    let (answers, port_80) = answers().await;
    let first = Authority::start(port_80).await;
    let second = Authority::start(port_80).await;
    let (account, _) = first.account().await;
    let issued = order(&account, "localhost", &answers).await.unwrap();
    // Its answer is gone with the order.
    let late = get(port_80, "/.well-known/acme-challenge/token").await;
    assert!(late.starts_with("HTTP/1.1 404"), "{late}");

    let tls = TlsLayer::new(issued.config().unwrap());
    let stack = ServiceBuilder::new()
        .layer(tls.clone())
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, stack).into_future());
    greet(server, &first.root).await.unwrap();
    greet(server, &second.root).await.unwrap_err();

    // The next one is of the other authority, which shows that it is in use.
    let (account, _) = second.account().await;
    let (ordered, mut orders) = mpsc::unbounded_channel();
    tokio::spawn(keep_fresh(tls, due(&first), async move || {
        let issued = order(&account, "localhost", &answers).await;
        ordered.send(()).unwrap();
        issued
    }));
    orders.recv().await.unwrap();
    while greet(server, &second.root).await.is_err() {
        tokio::task::yield_now().await;
    }
    greet(server, &first.root).await.unwrap_err();
}

/// A certificate whose time is over.
fn due(authority: &Authority) -> Issued {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 4, 1);
    let chain = params.signed_by(&key, &authority.issuer).unwrap().pem();
    Issued::new(chain + &key.serialize_pem()).unwrap()
}

#[tokio::test]
async fn an_order_whose_challenge_is_not_answered_fails() {
    let (_, elsewhere) = answers().await;
    let (answers, _) = self::answers().await;
    let authority = Authority::start(elsewhere).await;
    let (account, _) = authority.account().await;
    let error = order(&account, "localhost", &answers).await.unwrap_err();
    assert!(error.to_string().contains("Invalid"), "{error}");
}

#[tokio::test]
async fn the_folder_keeps_both_and_a_damaged_certificate_is_none() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path().join("acme")).unwrap();
    assert!(folder.account().unwrap().is_none() && folder.issued().unwrap().is_none());
    let (answers, port_80) = answers().await;
    let authority = Authority::start(port_80).await;
    let (account, credentials) = authority.account().await;
    let issued = order(&account, "localhost", &answers).await.unwrap();
    folder.keep_account(&credentials).unwrap();
    folder.keep_issued(&issued).unwrap();
    let kept = folder.account().unwrap().unwrap();
    assert_eq!(kept.private_key(), credentials.private_key());
    assert_eq!(folder.issued().unwrap().unwrap().pem(), issued.pem());

    let file = place.path().join("acme/certificate.pem");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::write(&file, &issued.pem()[..200]).unwrap();
    assert!(folder.issued().unwrap().is_none());
}

/// The next one is asked for when two thirds are over.
#[tokio::test]
async fn it_is_due_after_two_thirds() {
    use std::time::{Duration, UNIX_EPOCH};
    let (_, port_80) = answers().await;
    let authority = Authority::start(port_80).await;
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2026, 4, 1);
    let chain = params.signed_by(&key, &authority.issuer).unwrap().pem();
    let issued = Issued::new(chain + &key.serialize_pem()).unwrap();
    const DAY: u64 = 24 * 60 * 60;
    let begin = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    assert_eq!(issued.due_in(begin), Duration::from_secs(60 * DAY));
    let late = begin + Duration::from_secs(61 * DAY);
    assert_eq!(issued.due_in(late), Duration::ZERO);
}
