//! Bulk data is spliced behind a PROXY header as well, whose reader has read ahead.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{
    BoxError, NoAuth, Request,
    layer::proxy_protocol::ProxyProtocolLayer,
    proto::Address,
    session::{Accepted, Connected},
};

use crate::support::{
    CONNECT, HELLO, Script,
    sockets::pair,
    splice::{alone, is_spliced},
    stack,
};

#[test]
fn behind_a_header() {
    alone(|| async {
        let (mut client, near) = pair().await;
        let (far, mut target) = pair().await;
        let far = std::sync::Arc::new(std::sync::Mutex::new(Some(far)));
        let dialer = service_fn(move |_: Request| {
            let far = far.lock().unwrap().take();
            async move {
                let far = far.ok_or("dialled twice")?;
                Ok::<_, BoxError>(Connected::new(far, Address::UNSPECIFIED))
            }
        });
        let layer = ProxyProtocolLayer::trusting(["127.0.0.0/8".parse().unwrap()]);
        let peer = "127.0.0.1:5000".parse().unwrap();
        let session = layer
            .layer(stack(NoAuth, dialer))
            .oneshot(Accepted::new(near, peer, peer));
        let session = tokio::spawn(session);
        let header = b"PROXY TCP4 192.0.2.77 198.51.100.1 40000 1080\r\n".as_slice();
        // The header, the greeting and the request in one segment.
        client
            .write_all(&[header, HELLO, CONNECT].concat())
            .await
            .unwrap();
        client.read_exact(&mut [0; 12]).await.unwrap();
        client.say(b"early").await;
        target.hear(b"early").await;
        is_spliced(&mut client, &mut target, "behind a PROXY header").await;
        session.abort();
    });
}
