//! A4: whose datagrams an association takes.

use tokio::net::UdpSocket;
use tower_socks::{Connector, connector::associate::Associate};

use crate::support::udp::{
    address,
    association::{Association, assert_silent, datagram, send_at_once, socket},
    skipped, stack, within,
};

/// An association with the defaults, on 127.0.0.1.
async fn association() -> Association {
    Association::new(stack(Connector::direct())).await
}

#[tokio::test]
async fn a4_another_source_address_is_dropped() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        let to = address(target.local_addr().unwrap());
        // Before the client has sent anything, and afterwards.
        let stranger = socket("127.0.0.2").await;
        for _ in 0..3 {
            let intrusion = datagram(0, &to, b"intrusion");
            association.send_from(&stranger, &intrusion).await;
            association.echo(&target, b"ping").await;
        }
        assert_silent(&stranger);
    })
    .await;
}

#[tokio::test]
async fn a4_another_source_address_is_dropped_whatever_its_port() {
    within(async {
        let associate = Associate::new().any_client_port();
        let stack = stack(Connector::direct().with_associate(associate));
        let association = Association::new(stack).await;
        let target = socket("127.0.0.1").await;
        let to = address(target.local_addr().unwrap());
        let port = association.udp.local_addr().unwrap().port();
        let Ok(stranger) = UdpSocket::bind(("127.0.0.2", port)).await else {
            return skipped("somebody else has the port");
        };
        for _ in 0..2 {
            let intrusion = datagram(0, &to, b"intrusion");
            association.send_from(&stranger, &intrusion).await;
            association.echo(&target, b"ping").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a4_the_port_of_the_first_valid_datagram_is_the_only_one() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        let to = address(target.local_addr().unwrap());
        association.echo(&target, b"first").await;
        let second = socket("127.0.0.1").await;
        association
            .send_from(&second, &datagram(0, &to, b"second"))
            .await;
        association.echo(&target, b"third").await;
    })
    .await;
}

#[tokio::test]
async fn a4_datagrams_that_wait_together_come_from_one_port() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        let to = address(target.local_addr().unwrap());
        // The relay finds both in its queue at once.
        let second = socket("127.0.0.1").await;
        let (one, two) = (datagram(0, &to, b"one"), datagram(0, &to, b"two"));
        send_at_once(&association.udp, &one, association.relay);
        send_at_once(&second, &two, association.relay);
        association.reaches(&target, b"one").await;
        association.echo(&target, b"three").await;
    })
    .await;
}

#[tokio::test]
async fn a4_an_invalid_datagram_does_not_take_the_port() {
    within(async {
        let association = association().await;
        let target = socket("127.0.0.1").await;
        let other = socket("127.0.0.1").await;
        for garbage in [
            &b""[..],
            b"\0",
            b"\0\0\0\x02",
            b"\0\x01\0\x01\x7f\0\0\x01\0\x50x",
        ] {
            association.send_from(&other, garbage).await;
        }
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a4_any_client_port_lets_all_ports_in_and_answers_the_latest() {
    within(async {
        let associate = Associate::new().any_client_port();
        let stack = stack(Connector::direct().with_associate(associate));
        let mut association = Association::new(stack).await;
        let target = socket("127.0.0.1").await;
        association.echo(&target, b"first").await;
        association.udp = socket("127.0.0.1").await;
        association.echo(&target, b"second").await;
    })
    .await;
}
