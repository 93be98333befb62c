//! A4: the port of the client's address that an association takes datagrams from, and how long.

use std::{net::SocketAddr, time::Duration};

use tokio::net::UdpSocket;
use tower_socks::{Connector, connector::associate::Associate};

use crate::support::{
    has_ipv6,
    udp::{
        ASSOCIATE, Client, ClientScript, address,
        association::{Association, assert_silent, datagram, receive, send_at_once, socket},
        pass, stack, within,
    },
};

/// An association whose request has this DST, on 127.0.0.1, with another socket than that.
async fn stating(associate: Associate, dst: SocketAddr) -> Association {
    let stack = stack(Connector::direct().with_associate(associate));
    let mut control = Client::new(stack).await;
    control.io.request(ASSOCIATE, &address(dst)).await;
    let relay = control.io.bound().await;
    let udp = socket("127.0.0.1").await;
    Association {
        control,
        udp,
        relay,
    }
}

/// Sends from a socket that is not the association's, and lets it be looked at.
async fn intrude(association: &Association, from: &UdpSocket, target: &UdpSocket) {
    let to = address(target.local_addr().unwrap());
    let intrusion = datagram(0, &to, b"intrusion");
    // The system may have the relay's refusal of the one before.
    _ = from.send_to(&intrusion, association.relay).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_silent(target);
}

#[tokio::test]
async fn a4_a_stated_port_is_the_only_one() {
    within(async {
        let target = socket("127.0.0.1").await;
        let stated = socket("127.0.0.1").await;
        let port = stated.local_addr().unwrap().port();
        for ip in ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"] {
            let dst = SocketAddr::new(ip.parse().unwrap(), port);
            let associate = Associate::new().rebind_after(Duration::from_secs(10));
            let mut association = stating(associate, dst).await;
            // The first datagram is another's, and so is one after a long silence.
            intrude(&association, &association.udp, &target).await;
            pass(12).await;
            intrude(&association, &association.udp, &target).await;
            let other = std::mem::replace(&mut association.udp, stated_again(&stated));
            association.echo(&target, b"ping").await;
            pass(12).await;
            intrude(&association, &other, &target).await;
            association.echo(&target, b"ping").await;
        }
    })
    .await;
}

/// Another handle of the same socket.
fn stated_again(socket: &UdpSocket) -> UdpSocket {
    let copy = socket2::SockRef::from(socket).try_clone().unwrap();
    UdpSocket::from_std(copy.into()).unwrap()
}

#[tokio::test]
async fn a4_a_stated_port_of_another_address_is_behind_a_nat() {
    within(async {
        let target = socket("127.0.0.1").await;
        for dst in ["192.168.1.7:4000", "[2001:db8::1]:4000", "127.0.0.2:4000"] {
            let association = stating(Associate::new(), dst.parse().unwrap()).await;
            association.echo(&target, b"ping").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a4_any_client_port_is_any_whatever_is_stated() {
    within(async {
        let target = socket("127.0.0.1").await;
        let elsewhere = socket("127.0.0.1").await;
        let dst = elsewhere.local_addr().unwrap();
        let associate = Associate::new().any_client_port();
        let mut association = stating(associate, dst).await;
        association.echo(&target, b"ping").await;
        association.udp = socket("127.0.0.1").await;
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a4_after_silence_another_port_takes_over() {
    within(async {
        let mut ips = vec!["127.0.0.1"];
        if has_ipv6() {
            ips.push("::1");
        }
        for ip in ips {
            let associate = Associate::new().rebind_after(Duration::from_secs(10));
            let stack = stack(Connector::direct().with_associate(associate));
            let client = Client::on(&listen(ip), ip, ip, stack).await;
            let mut association = Association::of(client).await;
            let target = socket(ip).await;
            let out = association.echo(&target, b"first").await;
            // More than once: the port of the relay stays the same.
            for _ in 0..3 {
                let next = socket(ip).await;
                pass(7).await;
                // What comes back is no sign of the client's life, and goes to the owner.
                target.send_to(b"news", out).await.unwrap();
                association.hear(&target, b"news").await;
                intrude(&association, &next, &target).await;
                pass(4).await;
                target.send_to(b"more", out).await.unwrap();
                association.hear(&target, b"more").await;
                association.udp = next;
                association.echo(&target, b"again").await;
            }
        }
    })
    .await;
}

fn listen(ip: &str) -> String {
    SocketAddr::new(ip.parse().unwrap(), 0).to_string()
}

#[tokio::test]
async fn a4_the_owner_of_the_port_may_be_silent_and_come_back() {
    within(async {
        let associate = Associate::new().rebind_after(Duration::from_secs(10));
        let association = stating(associate, ([0, 0, 0, 0], 0).into()).await;
        let target = socket("127.0.0.1").await;
        let other = socket("127.0.0.1").await;
        for _ in 0..3 {
            association.echo(&target, b"ping").await;
            intrude(&association, &other, &target).await;
            pass(11).await;
            // Time for the port to be free.
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a4_of_two_ports_after_silence_the_first_owns() {
    within(async {
        let associate = Associate::new().rebind_after(Duration::from_secs(10));
        let association = stating(associate, ([0, 0, 0, 0], 0).into()).await;
        let target = socket("127.0.0.1").await;
        association.echo(&target, b"ping").await;
        pass(11).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
        let to = address(target.local_addr().unwrap());
        send_at_once(&one, &datagram(0, &to, b"one"), association.relay);
        send_at_once(&two, &datagram(0, &to, b"two"), association.relay);
        let out = association.reaches(&target, b"one").await;
        target.send_to(b"answer", out).await.unwrap();
        receive(&one).await;
        assert_silent(&target);
        assert_silent(&two);
    })
    .await;
}

#[tokio::test]
async fn a4_strangers_do_not_take_over_after_silence() {
    within(async {
        let associate = Associate::new().rebind_after(Duration::from_secs(10));
        let association = stating(associate, ([0, 0, 0, 0], 0).into()).await;
        let target = socket("127.0.0.1").await;
        association.echo(&target, b"ping").await;
        pass(11).await;
        tokio::task::yield_now().await;
        let stranger = socket("127.0.0.2").await;
        intrude(&association, &stranger, &target).await;
        // Garbage takes nothing either.
        let other = socket("127.0.0.1").await;
        association.send_from(&other, b"\0\0\0\x09garbage").await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a4_without_an_end_of_silence_the_first_port_stays() {
    within(async {
        let associate = Associate::new().rebind_after(Duration::MAX);
        let association = stating(associate, ([0, 0, 0, 0], 0).into()).await;
        let target = socket("127.0.0.1").await;
        association.echo(&target, b"ping").await;
        let other = socket("127.0.0.1").await;
        pass(100).await;
        intrude(&association, &other, &target).await;
        association.echo(&target, b"ping").await;
    })
    .await;
}
