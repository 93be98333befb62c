//! B3 and B6: which peers are let in.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tower_socks::{
    connector::bind::Bind,
    proto::{Address, Command},
};

use crate::support::{
    Script, failure,
    udp::{
        ClientScript,
        binding::{assert_turned_away, connects, dst, ends_with, judged, requested},
        connect_from, name,
        policies::{forbidding, hosts},
        within,
    },
};

#[tokio::test]
async fn b3_another_peer_is_turned_away_and_the_wait_goes_on() {
    within(async {
        let mut client = requested(Bind::new(), &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        for stranger in ["127.0.0.2", "127.0.0.3"] {
            let stranger = connect_from(stranger, bound).await.unwrap();
            assert_turned_away(stranger).await;
        }
        let peer = TcpStream::connect(bound).await.unwrap();
        connects(&mut client, peer).await;
    })
    .await;
}

#[tokio::test]
async fn b3_zeros_let_anyone_in() {
    within(async {
        for zeros in ["0.0.0.0", "::", "::ffff:0.0.0.0"] {
            let mut client = requested(Bind::new(), &dst(zeros)).await;
            let bound = client.io.bound().await;
            assert_eq!(bound.ip().to_string(), "127.0.0.1");
            let peer = connect_from("127.0.0.7", bound).await.unwrap();
            connects(&mut client, peer).await;
        }
    })
    .await;
}

#[tokio::test]
async fn b3_a_name_is_any_of_its_addresses() {
    within(async {
        let (resolver, lookups) = hosts(&[("peer.example", &["127.0.0.8", "127.0.0.2"])]);
        let bind = Bind::new().resolver(resolver);
        let mut client = requested(bind.clone(), &name("peer.example", 20)).await;
        let bound = client.io.bound().await;
        let stranger = TcpStream::connect(bound).await.unwrap();
        assert_turned_away(stranger).await;
        let peer = connect_from("127.0.0.2", bound).await.unwrap();
        connects(&mut client, peer).await;
        assert_eq!(*lookups.lock().unwrap(), ["peer.example"]);

        let mut client = requested(bind, &name("nowhere.example", 20)).await;
        client.io.hear(&failure(4)).await;
        client.io.hear_end().await;
    })
    .await;
}

#[tokio::test]
async fn b6_the_policy_sees_dst_and_the_peer() {
    within(async {
        let (policy, asked) = forbidding(|_, _| false);
        let mut client = judged(policy, &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        assert_eq!(
            asked.about(Command::BIND),
            [("127.0.0.1:20".to_owned(), None)]
        );
        let peer = TcpStream::connect(bound).await.unwrap();
        let address = peer.local_addr().unwrap().to_string();
        connects(&mut client, peer).await;
        assert_eq!(
            asked.about(Command::BIND)[1..],
            [("127.0.0.1:20".to_owned(), Some(address))]
        );
    })
    .await;
}

#[tokio::test]
async fn b6_a_policy_may_refuse_dst() {
    within(async {
        let anyone = |target: &Address, _| target.ip().is_some_and(|ip| ip.ip().is_unspecified());
        let named = |target: &Address, _| target.to_string() == "peer.example:20";
        for mut client in [
            judged(forbidding(anyone).0, &dst("0.0.0.0")).await,
            judged(forbidding(anyone).0, &dst("::")).await,
            judged(forbidding(named).0, &name("peer.example", 20)).await,
        ] {
            client.io.hear(&failure(2)).await;
            client.io.hear_end().await;
        }
    })
    .await;
}

#[tokio::test]
async fn b6_a_policy_may_refuse_the_peer() {
    within(async {
        let (policy, _) = forbidding(|_, address| address.is_some());
        let mut client = judged(policy, &dst("127.0.0.1")).await;
        let bound = client.io.bound().await;
        let peer = TcpStream::connect(bound).await.unwrap();
        assert_turned_away(peer).await;
        ends_with(client, 2, bound).await;
    })
    .await;
}

#[tokio::test]
async fn b6_where_anyone_may_come_a_refused_peer_is_turned_away() {
    within(async {
        let (policy, _) = forbidding(|_, address: Option<SocketAddr>| {
            address.is_some_and(|address| address.ip().to_string() == "127.0.0.2")
        });
        let mut client = judged(policy, &dst("0.0.0.0")).await;
        let bound = client.io.bound().await;
        let refused = connect_from("127.0.0.2", bound).await.unwrap();
        assert_turned_away(refused).await;
        let peer = TcpStream::connect(bound).await.unwrap();
        connects(&mut client, peer).await;
    })
    .await;
}
