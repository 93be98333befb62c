//! Clients that are told why nothing is served to them: until that is over they are in the handshake.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, DuplexStream},
    time::sleep,
};
use tower::Layer;
use tower_socks::{
    AuthLayer, HandshakeLayer, NoAuth,
    layer::{mixed::MixedLayer, socks4::Socks4Layer},
    serve,
    server::HandshakeLimit,
};

use super::senders::{Port, closed_at_once, port};
use crate::support::{HELLO, HELLO_OK, Script, targets::targets, within};

const CLIENT: &str = "192.0.2.1:40000";

/// A port where each client may have one connection in the handshake.
fn one_each(layer: &MixedLayer) -> Port {
    let (port, arrivals) = port();
    let stack = layer.layer(AuthLayer::new(NoAuth).layer(targets().0));
    let server = serve(arrivals, stack).handshakes(HandshakeLimit::per_client(1));
    tokio::spawn(server.into_future());
    port
}

fn socks5() -> MixedLayer {
    MixedLayer::new().socks5(HandshakeLayer::new())
}

async fn served(port: &Port) -> DuplexStream {
    let mut client = port.from(CLIENT);
    client.say(HELLO).await;
    client.hear(HELLO_OK).await;
    client
}

/// HEAD or not is what the page waits for, and a client can take all its time.
#[tokio::test(start_paused = true)]
async fn counted_until_its_page_is_known() {
    within(async {
        let port = one_each(&socks5());
        let mut slow = port.from(CLIENT);
        slow.say(b"G").await;
        sleep(Duration::from_secs(9)).await;
        closed_at_once(port.from(CLIENT)).await;
        slow.hear_end().await;
        served(&port).await;
    })
    .await;
}

/// Whoever does not close after the answer is still there, for as long as its close is waited for.
async fn counted_while_it_stays(layer: &MixedLayer, dialogue: &[(&[u8], &[u8])]) {
    let port = one_each(layer);
    let mut stays = port.from(CLIENT);
    for (said, heard) in dialogue {
        stays.say(said).await;
        stays.hear(heard).await;
    }
    let _ = stays.read_to_end(&mut Vec::new()).await;
    sleep(Duration::from_secs(1)).await;
    closed_at_once(port.from(CLIENT)).await;
    sleep(Duration::from_secs(2)).await;
    served(&port).await;
}

#[tokio::test(start_paused = true)]
async fn counted_while_it_hears_that_its_protocol_is_not_served() {
    within(async {
        for (said, heard) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], &b"HTTP/1.1 501 "[..]),
            (b"\x04\x01\0\x50\xc0\0\x02\x01\0", b"\0\x5b\0\0\0\0\0\0"),
        ] {
            counted_while_it_stays(&socks5(), &[(said, heard)]).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn counted_while_it_hears_that_its_request_is_garbage() {
    within(async {
        // SOCKS5: no such type of address. SOCKS4: no such name.
        let garbles: &[(&[u8], &[u8])] = &[
            (HELLO, HELLO_OK),
            (b"\x05\x01\0\x09", b"\x05\x08\0\x01\0\0\0\0\0\0"),
        ];
        counted_while_it_stays(&socks5(), garbles).await;
        let layer = socks5().socks4(Socks4Layer::new());
        let garbles: &[(&[u8], &[u8])] =
            &[(b"\x04\x01\0\x50\0\0\0\x01\0\xff\0", b"\0\x5b\0\0\0\0\0\0")];
        counted_while_it_stays(&layer, garbles).await;
    })
    .await;
}

#[cfg(feature = "http-server")]
#[tokio::test(start_paused = true)]
async fn counted_while_it_hears_that_its_head_is_garbage() {
    within(async {
        let layer = socks5().http(tower_socks::layer::http::HttpLayer::new());
        counted_while_it_stays(&layer, &[(b"GET\x01/ HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 ")]).await;
    })
    .await;
}
