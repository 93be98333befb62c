//! Sub-negotiations of GSS-API: a step that has begun goes on, and its turn comes back.

use tokio::sync::oneshot;
use tower::{Layer, ServiceExt};
use tower_socks::{
    AuthLayer, Client, client::Gssapi as ClientGssapi, io::PrefixedStream, layer::auth::Gssapi,
    proto::Method, session::Negotiation,
};

use super::{
    cases::{here, says, target},
    drops::{Case, at_every_poll, held},
};

#[allow(dead_code, reason = "other tests need all of it")]
#[path = "../support/gssapi.rs"]
mod mechanism;

use mechanism::{Mock, Sealed, TICKET, WELCOME, framed};

/// What a client says behind the selection.
fn dialogue() -> Vec<u8> {
    let more = framed(1, b"more");
    let level = Sealed::of_client().level(2);
    [more, framed(1, TICKET), level].concat()
}

#[test]
fn negotiations() {
    at_every_poll("a negotiation by GSS-API", 4, async || {
        let method = Gssapi::new(Mock::default()).turns(1).queue(1);
        let auth = AuthLayer::new(method).layer(());
        let again = auth.clone();
        let negotiation = |io| {
            let io = PrefixedStream::new(io);
            Negotiation::new(io, Method::GSSAPI.into(), here(50_000), here(1080))
        };
        let (near, far, alive) = held();
        let (over, is_over) = oneshot::channel();
        Case::new(auth.oneshot(negotiation(near)))
            .far(async move { says(far, &dialogue()).await })
            // The only turn, and the only place to wait for it.
            .far(async move {
                is_over.await.unwrap();
                let (near, far, _) = held();
                let other = async { drop(again.oneshot(negotiation(near)).await.unwrap()) };
                let said = dialogue();
                tokio::join!(other, says(far, &said));
            })
            .releases(move || {
                alive.assert_dropped();
                over.send(()).unwrap();
            })
    });
}

#[test]
fn requests() {
    at_every_poll("Client::connect by GSS-API", 6, async || {
        let client = Client::with(ClientGssapi::new(Mock::default()).turns(1));
        let again = client.clone();
        let mut server = Sealed::new(false, &Mock::default());
        let reply = b"\x05\x00\x00\x01\xc6\x33\x64\x07\x10\xe1";
        let said = [
            b"\x05\x01",
            &framed(1, WELCOME)[..],
            &server.level(2),
            &server.data(true, reply),
        ]
        .concat();
        let says_it = said.clone();
        let (near, far, alive) = held();
        let (over, is_over) = oneshot::channel();
        Case::new(async move { client.connect(near, target()).await.unwrap() })
            .far(async move { says(far, &said).await })
            .far(async move {
                is_over.await.unwrap();
                let (near, far, _) = held();
                let other = async {
                    again.connect(near, target()).await.unwrap();
                };
                tokio::join!(other, says(far, &says_it));
            })
            .releases(move || {
                alive.assert_dropped();
                over.send(()).unwrap();
            })
    });
}
