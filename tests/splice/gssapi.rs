//! At level 0 of GSS-API the stream is the client's own; at any other, nothing may bypass the context.

use tokio::net::{TcpListener, TcpStream};
use tower_socks::{Client, Connector, client::Gssapi, layer::auth, proto::ProtectionLevel};

use crate::support::{
    Script,
    gssapi::{Mock, Sealed, TICKET, WELCOME, framed},
    proxy,
    sockets::pair,
    splice::{alone, carry, is_spliced, pipe_ends},
    stack,
};

fn server() -> auth::Gssapi<Mock> {
    auth::Gssapi::new(Mock::default()).allow_clear()
}

#[test]
fn bulk_data_is_spliced_at_level_0() {
    alone(async || {
        let proxy = proxy(stack(server(), Connector::direct())).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(proxy).await.unwrap();
        let connect = crate::support::connect_to(&address.to_string());
        let level = Sealed::of_client().level(0);
        let said = [b"\x05\x01\x01", &framed(1, TICKET)[..], &level, &connect];
        client.say(&said.concat()).await;
        client.hear(b"\x05\x01").await;
        client.hear(&framed(1, WELCOME)).await;
        client
            .hear(&Sealed::new(false, &Mock::default()).level(0))
            .await;
        client.hear(b"\x05\x00\x00\x01\x7f\x00\x00\x01").await;
        let (mut target, peer) = listener.accept().await.unwrap();
        client.hear(&peer.port().to_be_bytes()).await;
        is_spliced(&mut client, &mut target, "up").await;
    });
}

#[cfg(feature = "users")]
#[test]
fn a_client_with_a_password_beside_it_is_spliced_too() {
    use tower_socks::{UserPass, Users};

    alone(async || {
        let users: Users = [("joe", "secret")].into_iter().collect();
        let methods = (server(), UserPass::new(users));
        let proxy = proxy(stack(methods, Connector::direct())).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let joe = tower_socks::proto::Credentials::new("joe", "secret").unwrap();
        let stream = TcpStream::connect(proxy).await.unwrap();
        let connected = Client::with(joe).connect(stream, address).await.unwrap();
        let mut client = connected.into_inner();
        let (mut target, _) = listener.accept().await.unwrap();
        is_spliced(&mut target, &mut client, "down").await;
    });
}

#[test]
fn nothing_is_spliced_past_a_context() {
    alone(async || {
        for level in [ProtectionLevel::INTEGRITY, ProtectionLevel::CONFIDENTIALITY] {
            let outer = proxy(stack(server(), Connector::direct())).await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let method = Gssapi::new(Mock::default()).levels([level]);
            let stream = TcpStream::connect(outer).await.unwrap();
            let mut client = Client::with(method).connect(stream, address).await.unwrap();
            let (mut target, _) = listener.accept().await.unwrap();
            let before = pipe_ends();
            let (mut near, far) = pair().await;
            // Between a socket and the context of a client, as in an upstream.
            let relay = tokio::spawn(async move {
                let mut far = far;
                let _ = tokio::io::copy_bidirectional(&mut far, &mut client).await;
            });
            carry(&mut near, &mut target, 4_000_000).await;
            carry(&mut target, &mut near, 4_000_000).await;
            assert_eq!(pipe_ends(), before, "{level:?}");
            relay.abort();
        }
    });
}
