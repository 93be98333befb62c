//! Rules end to end: every kind of rule, for every command, every form of a stated destination, with
//! and without a user, in every action. See [`Cell`].

use std::{io, time::Duration};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tower::Layer;
use tower_socks::{AclLayer, Connector, Rules, proto::Command};

use crate::support::{
    Script, has_ipv6,
    matrix::{
        cells::{Cell, Outcome},
        clients::{Asking, dst, witness},
    },
    udp::{
        Client, ClientScript, address,
        association::{Association, assert_silent, datagram, socket},
        binding::assert_refused,
        connect_from,
        policies::Lookups,
        stack, within,
    },
};

/// Runs every cell of a command, and names those that fail.
async fn matrix<F>(command: Command, run: impl Fn(Cell) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let cells = Cell::all(command, has_ipv6());
    assert!(cells.len() > 300, "{}", cells.len());
    let mut failed = Vec::new();
    for cell in cells {
        // What went wrong is printed where it did.
        if tokio::spawn(within(run(cell))).await.is_err() {
            failed.push(cell.to_string());
        }
    }
    assert!(
        failed.is_empty(),
        "{}:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

fn assert_untouched(listener: TcpListener) {
    let listener = listener.into_std().unwrap();
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

/// A name is looked up unless it is refused as stated.
fn assert_lookups(cell: &Cell, lookups: &Lookups) {
    let expected: &[&str] = match cell.outcome() {
        Outcome::Passes | Outcome::RefusedAtTheAddress if cell.stated.is_name() => {
            &["target.example"]
        }
        _ => &[],
    };
    let mut lookups = lookups.lock().unwrap().clone();
    lookups.retain(|name| name != "witness.example");
    assert_eq!(lookups, expected);
}

/// Ends a connection so that the system forgets it at once. There are thousands.
fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

#[tokio::test]
async fn connect() {
    matrix(Command::CONNECT, async |cell: Cell| {
        let target = TcpListener::bind((cell.stated.ip(), 0)).await.unwrap();
        let port = target.local_addr().unwrap().port();
        let dst = dst(cell.stated, port);
        let mut asking = Asking::new(&cell, cell.rules(port, None), &dst).await;
        match cell.outcome() {
            Outcome::Passes => {
                let (mut stream, peer) = target.accept().await.unwrap();
                assert_eq!(asking.reply().await, (0, peer));
                asking.client.io.say(b"ping").await;
                stream.hear(b"ping").await;
                stream.say(b"pong").await;
                asking.client.io.hear(b"pong").await;
                reset(stream);
            }
            Outcome::Refused | Outcome::RefusedAtTheAddress => {
                asking.refused().await;
                assert_untouched(target);
            }
            Outcome::Dropped => unreachable!(),
        }
        assert_lookups(&cell, &asking.lookups);
        let _ = asking.client.reset().await;
    })
    .await;
}

#[tokio::test]
async fn bind() {
    matrix(Command::BIND, async |cell: Cell| {
        let port = 2020;
        let dst = dst(cell.stated, port);
        let mut asking = Asking::new(&cell, cell.rules(port, None), &dst).await;
        match cell.outcome() {
            Outcome::Passes => {
                let (reply, bound) = asking.reply().await;
                assert_eq!(reply, 0);
                let ip = cell.stated.ip().to_string();
                let mut peer = connect_from(&ip, bound).await.unwrap();
                let named = asking.reply().await;
                assert_eq!(named, (0, peer.local_addr().unwrap()));
                asking.client.io.say(b"ping").await;
                peer.hear(b"ping").await;
                peer.say(b"pong").await;
                asking.client.io.hear(b"pong").await;
                reset(peer);
            }
            Outcome::Refused => asking.refused().await,
            // The peer's, when it comes.
            Outcome::RefusedAtTheAddress => {
                let (reply, bound) = asking.reply().await;
                assert_eq!(reply, 0);
                let ip = cell.stated.ip().to_string();
                let peer = connect_from(&ip, bound).await.unwrap();
                asking.refused().await;
                assert_refused(bound).await;
                reset(peer);
            }
            Outcome::Dropped => unreachable!(),
        }
        assert_lookups(&cell, &asking.lookups);
        let _ = asking.client.reset().await;
    })
    .await;
}

#[tokio::test]
async fn udp_associate() {
    matrix(Command::UDP_ASSOCIATE, async |cell: Cell| {
        let target = socket(&cell.stated.ip().to_string()).await;
        let watch = socket("127.0.0.9").await;
        let rules = cell.rules(port(&target), Some(port(&watch)));
        let mut asking = Asking::new(&cell, rules, b"\x01\0\0\0\0\0\0").await;
        if cell.outcome() == Outcome::Refused {
            asking.refused().await;
            assert_lookups(&cell, &asking.lookups);
            let _ = asking.client.reset().await;
            return;
        }
        let (reply, relay) = asking.reply().await;
        assert_eq!(reply, 0);
        let association = Association {
            udp: socket("127.0.0.1").await,
            control: asking.client,
            relay,
        };
        let dst = dst(cell.stated, port(&target));
        association.send(&datagram(0, &dst, b"ping")).await;
        if cell.outcome() == Outcome::Passes {
            let source = association.reaches(&target, b"ping").await;
            target.send_to(b"pong", source).await.unwrap();
            association.hear(&target, b"pong").await;
        }
        // Datagrams keep their order: with this one there, the other one is dropped.
        let dst = witness(cell.stated, watch.local_addr().unwrap());
        association.send(&datagram(0, &dst, b"witness")).await;
        association.reaches(&watch, b"witness").await;
        assert_silent(&target);
        assert_lookups(&cell, &asking.lookups);
        let _ = association.control.reset().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_on_a_socket_for_both_families_has_its_ipv4_address() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rules: Rules = toml::from_str(
            r#"
            default = "deny"
            rules = [{ action = "allow", client = "127.0.0.2", to = "127.0.0.0/8" }]
            "#,
        )
        .unwrap();
        for (from, reply) in [("127.0.0.2", 0), ("127.0.0.3", 2)] {
            let stack = stack(AclLayer::new(rules.clone()).layer(Connector::direct()));
            let mut client = Client::on("[::]:0", "127.0.0.1", from, stack).await;
            let dst = address(target.local_addr().unwrap());
            client.io.request(1, &dst).await;
            client.io.hear(&[5, reply]).await;
        }
    })
    .await;
}
