//! Certificates of clients: asked for, demanded, revoked, and as an identity.

use rcgen::{
    CertificateParams, CertificateRevocationListParams, DnType, KeyIdMethod, KeyPair,
    RevokedCertParams, SerialNumber,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::Layer;
use tower_socks::{
    Credentials, Identity, NoAuth, UserPass,
    error::AuthError,
    layer::{
        auth::{AuthenticateStated, ClientCertificate},
        tls::TlsLayer,
    },
    proto::MethodSet,
    session::{Negotiation, Stated},
    tls::{Authorities, Certificate, ClientCertificates, TlsInfo},
};
use tracing::Level;

use crate::{
    support::{CONNECT, CONNECTED, Client, LOCAL, PEER, log::Log, stack, targets::targets},
    world::{Authority, Pem, World, shake},
};

fn by_name(certificate: &Certificate) -> Option<Identity> {
    let name = certificate.common_name()?;
    (name != "nobody").then(|| Identity::named(name))
}

/// What a client hears that offers these methods, and whom the request is from.
async fn heard(
    world: &World,
    layer: &TlsLayer,
    with: Option<&Pem>,
    said: &[u8],
) -> (Vec<u8>, Option<Identity>) {
    let (dialer, mut dialled) = targets();
    let users = tower::service_fn(async |credentials: Credentials| match credentials.name() {
        b"jane" => Ok(Identity::named("jane")),
        _ => Err(AuthError::Denied),
    });
    let methods = (ClientCertificate::new(by_name), UserPass::new(users));
    let Client {
        io,
        session: _session,
    } = Client::new(layer.layer(stack(methods, dialer)));
    let config = with.map_or_else(|| world.client(), |pem| world.client_with(pem));
    let Ok(mut io) = shake(config, io).await else {
        return (Vec::new(), None);
    };
    let mut heard = Vec::new();
    let exchange = async {
        io.write_all(said).await?;
        io.write_all(CONNECT).await?;
        let mut octet = [0];
        while heard.len() < 12 && io.read(&mut octet).await? > 0 {
            heard.push(octet[0]);
        }
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(60), exchange).await;
    let identity = dialled.try_recv().ok().map(|(request, _)| request.identity);
    (heard, identity)
}

fn connected(selection: &[u8]) -> Vec<u8> {
    [selection, CONNECTED].concat()
}

#[tokio::test(start_paused = true)]
async fn the_certificate_is_the_identity_and_a_password_is_for_others() {
    let world = World::new();
    let layer = world.layer_with(ClientCertificates::Optional(world.clients.roots()));
    let joe = world.clients.sign_client("joe");
    let nobody = world.clients.sign_client("nobody");
    let name = |identity: Option<Identity>| identity.map(|it| it.to_string());

    let (said, who) = heard(&world, &layer, Some(&joe), b"\x05\x01\x00").await;
    assert_eq!(
        (said, name(who)),
        (connected(b"\x05\x00"), Some("joe".into()))
    );
    // The first of the tuple that fits.
    let (said, who) = heard(&world, &layer, Some(&joe), b"\x05\x02\x02\x00").await;
    assert_eq!(
        (said, name(who)),
        (connected(b"\x05\x00"), Some("joe".into()))
    );
    let jane = b"\x05\x02\x00\x02\x01\x04jane\x01x";
    for with in [None, Some(&nobody)] {
        let (said, who) = heard(&world, &layer, with, jane).await;
        assert_eq!(name(who), Some("jane".into()));
        assert_eq!(said[..4], *b"\x05\x02\x01\x00");
        let (said, who) = heard(&world, &layer, with, b"\x05\x01\x00").await;
        assert_eq!((said, name(who)), (b"\x05\xff".to_vec(), None));
    }
}

#[tokio::test(start_paused = true)]
async fn missing_and_wrong_ones_are_told_apart_in_the_log() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let world = World::new();
    let stranger = Authority::new("strangers").sign_client("joe");
    let optional = world.layer_with(ClientCertificates::Optional(world.clients.roots()));
    let required = world.layer_with(ClientCertificates::Required(world.clients.roots()));
    let nobody = world.clients.sign_client("nobody");
    for (layer, with, told) in [
        (&optional, None, "the client has no certificate"),
        (
            &optional,
            Some(&nobody),
            "the client's certificate is nobody's",
        ),
        (&required, None, "peer sent no certificates"),
        (&required, Some(&stranger), "UnknownIssuer"),
        (&optional, Some(&stranger), "UnknownIssuer"),
    ] {
        let (_, who) = heard(&world, layer, with, b"\x05\x01\x00").await;
        assert!(who.is_none());
        tokio::task::yield_now().await;
        let text = log.take();
        assert!(text.contains(told), "{told}: {text}");
        assert!(!text.contains("WARN"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_a_certificate() {
    let world = World::new();
    let layer = world.layer_with(ClientCertificates::Required(world.clients.roots()));
    let joe = world.clients.sign_client("joe");
    let (dialer, mut dialled) = targets();
    let Client {
        io,
        session: _session,
    } = Client::new(layer.layer(stack(NoAuth, dialer)));
    let mut io = shake(world.client_with(&joe), io).await.unwrap();
    io.write_all(b"\x05\x01\x00").await.unwrap();
    io.write_all(CONNECT).await.unwrap();
    io.read_exact(&mut [0; 12]).await.unwrap();
    let (request, _) = dialled.recv().await.unwrap();
    let info: &TlsInfo = request.extensions.get().unwrap();
    assert_eq!(info.chain.len(), 1);
    let certificate = info.certificate.as_ref().unwrap();
    assert_eq!(certificate.common_name().as_deref(), Some("joe"));
    assert_eq!(certificate.emails(), ["joe@example.com"]);
    assert_eq!(certificate.uris(), ["spiffe://example.com/joe"]);
    assert!(certificate.dns_names().is_empty());
    assert!(
        certificate.subject().contains("CN=joe"),
        "{}",
        certificate.subject()
    );
    let fingerprint = certificate.fingerprint();
    assert!(fingerprint.len() == 64 && fingerprint.bytes().all(|it| it.is_ascii_hexdigit()));
    assert_eq!(certificate.der(), &*info.chain[0]);

    // HTTP and SOCKS4 state who they are; the certificate is asked first.
    let mut negotiation = Negotiation::new(
        Stated::UserId((*b"root").into()),
        MethodSet::new(),
        PEER.parse().unwrap(),
        LOCAL.parse().unwrap(),
    );
    let method = ClientCertificate::new(by_name);
    assert!(method.authenticate_stated(&negotiation).await.is_err());
    negotiation.extensions = request.extensions.clone();
    let identity = method.authenticate_stated(&negotiation).await.unwrap();
    assert_eq!(identity.name(), Some(&b"joe"[..]));
}

/// Which of two common names counts, nobody has agreed on.
#[tokio::test(start_paused = true)]
async fn two_common_names_are_none() {
    let world = World::new();
    let layer = world.layer_with(ClientCertificates::Required(world.clients.roots()));
    let two = world.clients.sign_with(&[], |params| {
        params.distinguished_name.push(DnType::CommonName, "joe");
        let common_name = DnType::CustomDnType(vec![2, 5, 4, 3]);
        params.distinguished_name.push(common_name, "root");
    });
    let (said, who) = heard(&world, &layer, Some(&two), b"\x05\x01\x00").await;
    assert_eq!(said, b"\x05\xff");
    assert!(who.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_revoked_does_not_come_in() {
    let world = World::new();
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![
        rcgen::KeyUsagePurpose::KeyCertSign,
        rcgen::KeyUsagePurpose::CrlSign,
    ];
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(params, key);
    let sign = |name: &str, serial: u64| {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate().unwrap();
        Pem {
            chain: params.signed_by(&key, &issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    };
    let (good, bad) = (sign("good", 7), sign("bad", 8));
    let crl = CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2025, 1, 1),
        next_update: rcgen::date_time_ymd(2099, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(8),
            revocation_time: rcgen::date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let crl = crl.signed_by(&issuer).unwrap().pem().unwrap();
    let authorities = Authorities::from_pem(root.as_bytes()).unwrap();
    let authorities = authorities.with_crls(crl.as_bytes()).unwrap();
    assert_eq!(
        format!("{authorities:?}"),
        "Authorities { roots: 1, crls: 1 }"
    );
    let until: std::time::SystemTime = rcgen::date_time_ymd(2099, 1, 1).into();
    assert_eq!(authorities.crls_expire(), Some(until));
    let layer = world.layer_with(ClientCertificates::Required(authorities));
    let (_, who) = heard(&world, &layer, Some(&good), b"\x05\x01\x00").await;
    assert_eq!(who.map(|it| it.to_string()), Some("good".into()));
    let (_, who) = heard(&world, &layer, Some(&bad), b"\x05\x01\x00").await;
    assert!(who.is_none());
}

#[test]
fn authorities_that_are_none_are_errors() {
    for pem in [
        "",
        "garbage",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(Authorities::from_pem(pem.as_bytes()).is_err(), "{pem}");
    }
    let authorities = Authority::new("a").roots();
    assert!(authorities.with_crls(b"").is_err());
}
