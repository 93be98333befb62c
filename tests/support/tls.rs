//! Authorities, keys, servers and clients of these tests.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio_rustls::client::TlsStream;
use tower::Layer;
use tower_socks::{
    NoAuth,
    layer::{
        auth::Auth,
        handshake::Handshake,
        tls::{Tls, TlsLayer},
    },
    tls::{
        Authorities, CertifiedKey, ClientCertificates, ClientSettings, ServerSettings,
        rustls::{ClientConfig, pki_types::ServerName},
    },
};

use super::{
    Client, stack,
    targets::{Dialer, Dialled, targets},
};

/// An authority.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A chain and a key in PEM.
#[derive(Clone)]
pub struct Pem {
    pub chain: String,
    pub key: String,
}

impl Pem {
    pub fn parsed(&self) -> CertifiedKey {
        CertifiedKey::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    pub fn roots(&self) -> Authorities {
        Authorities::from_pem(self.pem.as_bytes()).unwrap()
    }

    /// Signs a certificate for these names, with changes.
    pub fn sign_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pem {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        let key = key.serialize_pem();
        Pem { chain, key }
    }

    pub fn sign(&self, names: &[&str]) -> Pem {
        self.sign_with(names, |_| {})
    }

    /// Signs a certificate of a client.
    pub fn sign_client(&self, name: &str) -> Pem {
        self.sign_with(&[], |params| {
            params.distinguished_name.push(DnType::CommonName, name);
            let mail = format!("{name}@example.com").try_into().unwrap();
            let uri = format!("spiffe://example.com/{name}").try_into().unwrap();
            params.subject_alt_names = vec![SanType::Rfc822Name(mail), SanType::URI(uri)];
        })
    }
}

/// The server `localhost`, and who believes it.
pub struct World {
    pub authority: Authority,
    pub clients: Authority,
}

impl World {
    pub fn new() -> Self {
        Self {
            authority: Authority::new("servers"),
            clients: Authority::new("clients"),
        }
    }

    pub fn settings(&self) -> ServerSettings {
        ServerSettings::new(self.authority.sign(&["localhost", "127.0.0.1"]).parsed())
    }

    pub fn layer(&self) -> TlsLayer {
        TlsLayer::new(self.settings().build().unwrap())
    }

    pub fn layer_with(&self, clients: ClientCertificates) -> TlsLayer {
        TlsLayer::new(
            self.settings()
                .client_certificates(clients)
                .build()
                .unwrap(),
        )
    }

    /// Believes the server.
    pub fn client(&self) -> Arc<ClientConfig> {
        ClientSettings::new(self.authority.roots()).build().unwrap()
    }

    /// The same, with a certificate.
    pub fn client_with(&self, pem: &Pem) -> Arc<ClientConfig> {
        let settings = ClientSettings::new(self.authority.roots());
        settings.certificate(pem.parsed()).build().unwrap()
    }
}

pub type Server = Tls<Handshake<Auth<NoAuth, Dialer>>>;

/// A server in memory that lets everybody in, and what it dials.
pub fn server(layer: &TlsLayer) -> (Server, Dialled) {
    let (dialer, dialled) = targets();
    (layer.layer(stack(NoAuth, dialer)), dialled)
}

/// Shakes hands as a client.
pub async fn shake<Io>(config: Arc<ClientConfig>, io: Io) -> std::io::Result<TlsStream<Io>>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(config)
        .connect(name, io)
        .await
}

/// A client in memory that has shaken hands.
pub async fn client(
    world: &World,
    layer: &TlsLayer,
) -> (TlsStream<DuplexStream>, Session, Dialled) {
    let (server, dialled) = server(layer);
    let Client { io, session } = Client::new(server);
    let io = shake(world.client(), io).await.unwrap();
    (io, session, dialled)
}

pub type Session = tokio::task::JoinHandle<Result<tower_socks::Traffic, tower_socks::BoxError>>;
