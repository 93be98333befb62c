//! How the lines T are tried.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use tower::{Layer, ServiceExt};
use tower_socks::{
    Client, Connector, Identity, NoAuth,
    connector::tls::TlsConnector,
    layer::{auth::ClientCertificate, tls::TlsLayer},
    proto::Address,
    tls::{CertifiedKey, ClientCertificates},
};
use tracing::Level;

use crate::{
    case::Outcome,
    support::{
        HELLO, HELLO_OK, Script,
        log::Log,
        proxy, stack,
        tls::{World, shake},
    },
};

const LONG: Duration = Duration::from_secs(10);

async fn served(layer: TlsLayer) -> SocketAddr {
    proxy(layer.layer(stack(NoAuth, Connector::direct()))).await
}

async fn shaken(world: &World, address: SocketAddr) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    shake(world.client(), stream).await.unwrap()
}

pub async fn t1_one_deadline_for_the_handshake_too() -> Outcome {
    let world = World::new();
    let address = served(world.layer().deadline(Duration::from_millis(200))).await;
    for said in [
        &b""[..],
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.say(said).await;
        let end = timeout(LONG, client.read(&mut [0; 16])).await;
        ensure!(matches!(end, Ok(Ok(0) | Err(_))), "{said:?}: {end:?}");
    }
    Ok(())
}

pub async fn t2_certificates_change_and_nothing_is_closed() -> Outcome {
    let world = World::new();
    let layer = world.layer();
    let address = served(layer.clone()).await;
    let leaf = |io: &TlsStream<TcpStream>| io.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let mut before = shaken(&world, address).await;
    let (one, two) = (
        world.authority.sign(&["localhost"]),
        world.authority.sign(&["localhost"]),
    );
    let misfit = CertifiedKey::from_pem(one.chain.as_bytes(), two.key.as_bytes());
    ensure!(misfit.is_err(), "a key of another certificate is taken");
    let same = shaken(&world, address).await;
    ensure!(leaf(&before) == leaf(&same), "it changed by itself");
    layer.replace(world.settings().build().unwrap());
    let after = shaken(&world, address).await;
    ensure!(
        leaf(&before) != leaf(&after),
        "the certificate is the old one"
    );
    before.say(HELLO).await;
    before.hear(HELLO_OK).await;
    Ok(())
}

pub async fn t3_certificates_of_clients() -> Outcome {
    let world = World::new();
    let roots = || world.clients.roots();
    let joe = world.clients.sign_client("joe");
    let stranger = World::new().clients.sign_client("joe");
    for (clients, without) in [
        (ClientCertificates::Required(roots()), Vec::new()),
        (ClientCertificates::Optional(roots()), b"\x05\xff".to_vec()),
    ] {
        let whose = ClientCertificate::new(|it| it.common_name().map(Identity::named));
        let stack = stack(whose, Connector::direct());
        let address = proxy(world.layer_with(clients).layer(stack)).await;
        for (config, expected) in [
            (world.client_with(&joe), HELLO_OK.to_vec()),
            (world.client(), without.clone()),
            (world.client_with(&stranger), Vec::new()),
        ] {
            let stream = TcpStream::connect(address).await.unwrap();
            let mut heard = vec![0; 2];
            let exchange = async {
                let mut io = shake(config, stream).await?;
                io.write_all(HELLO).await?;
                io.flush().await?;
                io.read_exact(&mut heard).await
            };
            if timeout(LONG, exchange)
                .await
                .map_or(true, |outcome| outcome.is_err())
            {
                heard.clear();
            }
            ensure!(heard == expected, "{heard:02x?}, not {expected:02x?}");
        }
    }
    Ok(())
}

pub async fn t4_close_notify_is_half_close() -> Outcome {
    let world = World::new();
    let address = served(world.layer()).await;
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for first in ["client", "target", "cut"] {
        let mut client = shaken(&world, address).await;
        client.say(HELLO).await;
        client.hear(HELLO_OK).await;
        let to = target.local_addr().unwrap().to_string();
        client.say(&crate::support::connect_to(&to)).await;
        client.read_exact(&mut [0; 10]).await.unwrap();
        let (mut reached, _) = target.accept().await.unwrap();
        match first {
            "client" => {
                client.shutdown().await.unwrap();
                reached.hear_end().await;
                reached.say(b"on").await;
                client.hear(b"on").await;
            }
            "target" => {
                reached.shutdown().await.unwrap();
                client.hear_end().await;
                client.say(b"on").await;
                reached.hear(b"on").await;
            }
            _ => {
                client.get_mut().0.shutdown().await.unwrap();
                let end = timeout(LONG, reached.read(&mut [0])).await;
                ensure!(matches!(end, Ok(Err(_))), "a cut looks complete: {end:?}");
            }
        }
    }
    Ok(())
}

pub async fn t5_what_is_no_tls_is_told_so() -> Outcome {
    let (log, _guard) = Log::start(Level::DEBUG);
    let address = served(World::new().layer()).await;
    for (said, looks) in [
        (HELLO, "SOCKS5"),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", "SOCKS4"),
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP"),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.say(said).await;
        client.hear(b"\x15\x03\x01\x00\x02\x02\x0a").await;
        client.hear_end().await;
        drop(client);
        for _ in 0..500 {
            if log.text().contains("session ended") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let text = log.take();
        let lines = text.lines().filter(|line| line.contains("session ended"));
        let lines: Vec<_> = lines.collect();
        let told = format!("looks like {looks}");
        ensure!(lines.len() == 1 && lines[0].contains(&told), "{lines:?}");
        ensure!(lines[0].contains("DEBUG"), "{lines:?}");
    }
    Ok(())
}

pub async fn t6_bind_and_datagrams() -> Outcome {
    let world = World::new();
    let proxy: Address = served(world.layer()).await.into();
    let tls = TlsConnector::new(world.client());
    let stream = tls.clone().oneshot(proxy.clone()).await.unwrap();
    let target: Address = "127.0.0.1:9".parse().unwrap();
    let listener = Client::new()
        .bind(stream.into_inner(), target)
        .await
        .unwrap();
    let mut peer = TcpStream::connect(listener.bound().to_string())
        .await
        .unwrap();
    let (mut stream, _) = timeout(LONG, listener.accept()).await.unwrap().unwrap();
    peer.say(b"back").await;
    stream.hear(b"back").await;

    let stream = tls.oneshot(proxy).await.unwrap();
    let client = Client::new().any_relay();
    let mut socket = client.associate(stream.into_inner()).await.unwrap();
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to: Address = target.local_addr().unwrap().into();
    socket.send_to(b"in the clear", &to).await.unwrap();
    let mut room = [0; 64];
    let received = timeout(LONG, target.recv(&mut room))
        .await
        .unwrap()
        .unwrap();
    ensure!(
        &room[..received] == b"in the clear",
        "{:?}",
        &room[..received]
    );
    Ok(())
}
