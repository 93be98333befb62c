//! Sessions of TLS that are resumed, in which no certificate is shown.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_socks::{
    layer::tls::TlsLayer,
    tls::{
        ClientCertificates,
        rustls::{HandshakeKind, pki_types::UnixTime, time_provider::TimeProvider},
    },
};

use crate::{
    support::{Client, HELLO},
    world::{World, server, shake},
};

/// A clock that a test sets, in seconds.
#[derive(Debug)]
struct Clock(AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.load(Ordering::Relaxed);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// A certificate that expires lets nobody in who has a session of before.
#[tokio::test(start_paused = true)]
async fn a_session_does_not_outlive_the_certificate() {
    let world = World::new();
    let joe = world.clients.sign_with(&[], |params| {
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    });
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let clock = Arc::new(Clock(AtomicU64::new(now)));
    let required = ClientCertificates::Required(world.clients.roots());
    let config = world.settings().client_certificates(required).build();
    let mut config = (*config.unwrap()).clone();
    config.time_provider = clock.clone();
    let (server, _dialled) = server(&TlsLayer::new(config));
    let client = world.client_with(&joe);
    let greet = async |kind: HandshakeKind| {
        let connection = Client::new(server.clone());
        let mut io = shake(client.clone(), connection.io).await?;
        assert_eq!(io.get_ref().1.handshake_kind(), Some(kind));
        io.write_all(HELLO).await?;
        io.read_exact(&mut [0; 2]).await?;
        std::io::Result::Ok(())
    };
    greet(HandshakeKind::Full).await.unwrap();
    greet(HandshakeKind::Resumed).await.unwrap();
    let expired = Duration::from_secs(75 * 366 * 24 * 60 * 60);
    clock.0.fetch_add(expired.as_secs(), Ordering::Relaxed);
    greet(HandshakeKind::Resumed).await.unwrap_err();
}
