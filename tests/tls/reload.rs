//! Certificates change while it runs.

use std::{fs, sync::Arc};

use tower_socks::{
    layer::tls::TlsLayer,
    tls::{
        ClientCertificates, TlsInfo,
        rustls::{ClientConnection, pki_types::ServerName},
    },
};

use crate::{
    support::{CONNECT, CONNECTED, Client, HELLO, HELLO_OK, Script},
    world::{Authority, World, client, server, shake},
};

fn leaf(io: &tokio_rustls::client::TlsStream<tokio::io::DuplexStream>) -> Vec<u8> {
    let (_, session) = io.get_ref();
    session.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test(start_paused = true)]
async fn the_next_connection_sees_the_new_certificate_and_open_ones_go_on() {
    let world = World::new();
    let layer = world.layer();
    let (mut open, _session, mut dialled) = client(&world, &layer).await;
    open.say(HELLO).await;
    open.hear(HELLO_OK).await;

    let (server, _dialled) = server(&layer);
    let before = Client::new(server.clone());
    let before = shake(world.client(), before.io).await.unwrap();
    layer.replace(world.settings().build().unwrap());
    let after = Client::new(server);
    let after = shake(world.client(), after.io).await.unwrap();
    assert_eq!(leaf(&open), leaf(&before));
    assert_ne!(leaf(&before), leaf(&after));

    open.say(CONNECT).await;
    open.hear(CONNECTED).await;
    let (_, mut target) = dialled.recv().await.unwrap();
    target.say(b"still here").await;
    open.hear(b"still here").await;
}

/// A session that an authority let in is not resumed once it is believed no more.
#[tokio::test(start_paused = true)]
async fn a_session_of_before_is_not_resumed() {
    let world = World::new();
    let joe = world.clients.sign_client("joe");
    let required = || ClientCertificates::Required(world.clients.roots());
    let layer = world.layer_with(required());
    let (server, mut dialled) = server(&layer);
    let config = world.client_with(&joe);
    let mut exchange = async |expected: bool| {
        let Client {
            io,
            session: _session,
        } = Client::new(server.clone());
        let Ok(mut io) = shake(config.clone(), io).await else {
            return assert!(!expected);
        };
        let exchange = async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            io.write_all(HELLO).await?;
            io.write_all(CONNECT).await?;
            io.read_exact(&mut [0; 12]).await
        };
        assert_eq!(exchange.await.is_ok(), expected);
        if expected {
            let (request, _) = dialled.recv().await.unwrap();
            assert!(
                request
                    .extensions
                    .get::<TlsInfo>()
                    .unwrap()
                    .certificate
                    .is_some()
            );
        }
    };
    // The second one resumes.
    exchange(true).await;
    exchange(true).await;
    let others = ClientCertificates::Required(Authority::new("others").roots());
    let settings = world.settings().client_certificates(others);
    layer.replace(settings.build().unwrap());
    exchange(false).await;
    layer.replace(
        world
            .settings()
            .client_certificates(required())
            .build()
            .unwrap(),
    );
    exchange(true).await;
}

/// Early data would be accepted by the session, and lost: no client is told that it can send them.
#[tokio::test(start_paused = true)]
async fn early_data_are_not_offered() {
    let world = World::new();
    let with_early_data = || {
        let mut config = (*world.settings().build().unwrap()).clone();
        config.max_early_data_size = 16 * 1024;
        config
    };
    let layer = TlsLayer::new(with_early_data());
    let (server, _dialled) = server(&layer);
    for _ in 0..2 {
        let mut config = (*world.client()).clone();
        config.enable_early_data = true;
        let config = Arc::new(config);
        let client = Client::new(server.clone());
        let mut io = shake(config.clone(), client.io).await.unwrap();
        io.say(HELLO).await;
        io.hear(HELLO_OK).await;
        let name = ServerName::try_from("localhost").unwrap();
        let mut next = ClientConnection::new(config, name).unwrap();
        assert!(next.early_data().is_none());
        layer.replace(with_early_data());
    }
}

/// What cannot be used is refused when it is read: nothing is replaced by it.
#[test]
fn a_bad_pair_is_an_error_that_names_the_file_and_quotes_nothing() {
    let authority = Authority::new("servers");
    let (one, two) = (authority.sign(&["one"]), authority.sign(&["two"]));
    let folder = std::env::temp_dir().join(format!("tower-socks-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let chain = write("chain.pem", &one.chain);
    let key = write("key.pem", &one.key);
    let cut: String = one.key.chars().take(one.key.len() / 2).collect();
    let encrypted = one.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let flipped = one.chain.replace("MII", "AAA");
    use tower_socks::tls::CertifiedKey;
    let both = CertifiedKey::from_files(&chain, &key).unwrap();
    assert_eq!(both.names(), ["one"]);
    let combined = write("both.pem", &format!("{}{}", one.key, one.chain));
    assert!(CertifiedKey::from_files(&combined, &combined).is_ok());
    for (chain, key, told) in [
        (
            folder.join("missing.pem"),
            key.clone(),
            "missing.pem: the file cannot be read",
        ),
        (
            chain.clone(),
            folder.join("missing.pem"),
            "missing.pem: the file cannot be read",
        ),
        (
            write("empty.pem", ""),
            key.clone(),
            "empty.pem: there is no certificate in PEM",
        ),
        (
            chain.clone(),
            write("none.pem", ""),
            "none.pem: there is no private key in PEM",
        ),
        (
            chain.clone(),
            write("other.pem", &two.key),
            "chain.pem: the private key is not that of the certificate",
        ),
        (
            chain.clone(),
            write("cut.pem", &cut),
            "cut.pem: the PEM is malformed",
        ),
        (
            chain.clone(),
            write("locked.pem", &encrypted),
            "locked.pem: the private key is encrypted",
        ),
        (
            write("flipped.pem", &flipped),
            key.clone(),
            "flipped.pem: the certificate is malformed",
        ),
        (
            key.clone(),
            key.clone(),
            "key.pem: there is no certificate in PEM",
        ),
    ] {
        let error = CertifiedKey::from_files(&chain, &key).unwrap_err();
        let texts = crate::support::texts(&error);
        assert!(error.to_string().contains(told), "{error}, not {told}");
        let secret = one.key.lines().nth(1).unwrap();
        assert!(!texts.contains(&secret[..16]), "{texts}");
        assert!(error.file().is_some());
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn no_key_is_printed() {
    let world = World::new();
    let pem = world.authority.sign(&["localhost"]);
    let shown = format!(
        "{:?} {:?} {:?}",
        pem.parsed(),
        world.settings(),
        world.layer()
    );
    assert!(!shown.contains("PRIVATE") && shown.len() < 600, "{shown}");
}

/// One that has expired is used, and a warning says so.
#[tokio::test(start_paused = true)]
async fn a_certificate_that_has_expired_is_a_warning() {
    let (log, _guard) = crate::support::log::Log::start(tracing::Level::WARN);
    let world = World::new();
    let old = world.authority.sign_with(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let key = old.parsed();
    assert!(key.expires() < std::time::SystemTime::now());
    assert!(log.take().contains("a certificate of ours has expired"));
    let layer = tower_socks::layer::tls::TlsLayer::new(
        tower_socks::tls::ServerSettings::new(key).build().unwrap(),
    );
    for _ in 0..3 {
        let (server, _dialled) = server(&layer);
        let Client { io, session } = Client::new(server);
        assert!(shake(world.client(), io).await.is_err());
        session.await.unwrap().unwrap_err();
    }
    let warnings = log.take();
    assert_eq!(warnings.matches("has expired").count(), 1, "{warnings}");
}
