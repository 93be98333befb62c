//! Several keys at one port, chosen by the name that a client asks for.

use tower_socks::{layer::tls::TlsLayer, tls::ServerSettings};

use crate::{
    support::Client,
    world::{World, server},
};

#[tokio::test(start_paused = true)]
async fn by_name_by_wildcard_and_the_first() {
    let world = World::new();
    let key = |names: &[&str]| world.authority.sign(names).parsed();
    let settings = ServerSettings::new(key(&["first.example"]))
        .and(key(&["*.wild.example"]))
        .and(key(&["second.example", "exact.wild.example"]));
    let layer = TlsLayer::new(settings.build().unwrap());
    for (asked, shown) in [
        ("first.example", Some("first.example")),
        ("second.example", Some("second.example")),
        ("SECOND.example", Some("second.example")),
        ("a.wild.example", Some("*.wild.example")),
        ("exact.wild.example", Some("second.example")),
        ("a.b.wild.example", None),
        ("wild.example", None),
        ("unknown.example", None),
        ("127.0.0.1", None),
    ] {
        let (server, _dialled) = server(&layer);
        let Client {
            io,
            session: _session,
        } = Client::new(server);
        let name = tokio_rustls::rustls::pki_types::ServerName::try_from(asked).unwrap();
        let shaken = tokio_rustls::TlsConnector::from(world.client())
            .connect(name, io)
            .await;
        let shown_to_us = shaken.ok().map(|io| {
            let (_, session) = io.get_ref();
            let leaf = session.peer_certificates().unwrap()[0].to_vec();
            String::from_utf8_lossy(&leaf).into_owned()
        });
        // A client that gets the first one does not believe it.
        assert_eq!(shown_to_us.is_some(), shown.is_some(), "{asked}");
        if let (Some(leaf), Some(name)) = (shown_to_us, shown) {
            assert!(leaf.contains(name), "{asked}");
        }
    }
}
