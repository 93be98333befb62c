//! Policies that change, limits that all commands share, and whose client it is.

use std::{net::SocketAddr, time::Duration};

use tower::{Layer, ServiceBuilder};
use tower_socks::{
    AclLayer, Connector, Refusal, Request,
    connector::associate::{Associate, MakeDirect},
    layer::{
        acl::{SwapPolicy, recheck::RecheckLayer},
        proxy_protocol::ProxyProtocolLayer,
    },
    proto::{Address, Command, ProxyHeader, ProxyVersion},
    session::Check,
};

use crate::{
    support::{
        Script,
        udp::{
            Client,
            association::{assert_silent, receive, socket},
            ear::Ear,
            name,
            policies::hosts,
            within,
        },
    },
    tunnel::{ADDRESSED, MODES, Mode, Tunnel, at, metered, stack},
};

/// What a policy forbids, for as long as it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forbids {
    Nothing,
    Associations,
    Address(SocketAddr),
    Names,
}

fn policy(
    forbids: Forbids,
) -> impl Fn(&Request, Check) -> Result<(), Refusal> + Send + Sync + 'static {
    move |request, check| {
        let is_forbidden = match forbids {
            Forbids::Nothing => false,
            Forbids::Associations => {
                request.command == Command::UDP_ASSOCIATE && request.destination().is_none()
            }
            Forbids::Address(forbidden) => check.address() == Some(forbidden),
            Forbids::Names => matches!(request.target, Address::Name(..)),
        };
        match is_forbidden {
            true => Err(Refusal::not_allowed("forbidden")),
            false => Ok(()),
        }
    }
}

/// So much has been dropped, and nothing else.
async fn until(ear: &Ear, drops: &[(&'static str, usize)]) {
    while ear.drops() != drops {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a12_what_was_allowed_is_asked_again_once_the_policy_changes() {
    within(async {
        for mode in MODES {
            let target = socket("127.0.0.1").await;
            let forbidden = Forbids::Address(target.local_addr().unwrap());
            let swapped = SwapPolicy::new(policy(Forbids::Nothing));
            let service = AclLayer::new(swapped.clone()).layer(Connector::direct());
            let ear = Ear::default();
            let mut tunnel = Tunnel::to(mode, metered(service, &ear), &at(&target)).await;
            for round in 1..=3 {
                let source = tunnel.echo(&target, b"allowed").await;
                swapped.swap(policy(forbidden));
                tunnel.say(&at(&target), b"forbidden").await;
                target.send_to(b"no answer either", source).await.unwrap();
                until(&ear, &[("refused", round), ("stranger", round)]).await;
                assert_silent(&target);
                swapped.swap(policy(Forbids::Nothing));
            }
            tunnel.echo(&target, b"allowed").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a12_names_that_were_allowed_are_asked_again() {
    within(async {
        for mode in [Mode::V1, Mode::Connected, Mode::ForwardUdp] {
            let target = socket("127.0.0.1").await;
            let to = name("target.example", target.local_addr().unwrap().port());
            let (resolver, _) = hosts(&[("target.example", &["127.0.0.1"])]);
            let transports = MakeDirect::new().resolver(resolver);
            let connector =
                Connector::direct().with_associate(Associate::with_transports(transports));
            let swapped = SwapPolicy::new(policy(Forbids::Nothing));
            let service = AclLayer::new(swapped.clone()).layer(connector);
            let ear = Ear::default();
            let mut tunnel = Tunnel::to(mode, metered(service, &ear), &to).await;
            tunnel.say(&to, b"allowed").await;
            let (_, source) = receive(&target).await;
            target.send_to(b"answer", source).await.unwrap();
            tunnel.hear(target.local_addr().unwrap(), b"answer").await;

            swapped.swap(policy(Forbids::Names));
            tunnel.say(&to, b"forbidden").await;
            target.send_to(b"no answer", source).await.unwrap();
            until(&ear, &[("refused", 1), ("stranger", 1)]).await;
            swapped.swap(policy(Forbids::Nothing));
            tunnel.say(&to, b"again").await;
            assert_eq!(receive(&target).await.0, b"again");
            target.send_to(b"answer again", source).await.unwrap();
            tunnel
                .hear(target.local_addr().unwrap(), b"answer again")
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_recheck_closes_it_as_a_whole_or_not_at_all() {
    within(async {
        for mode in MODES {
            let target = socket("127.0.0.1").await;
            let swapped = SwapPolicy::new(policy(Forbids::Nothing));
            let service = ServiceBuilder::new()
                .layer(RecheckLayer::new(swapped.clone()))
                .layer(AclLayer::new(swapped.clone()))
                .service(Connector::direct());
            let mut tunnel = Tunnel::to(mode, stack(service), &at(&target)).await;
            tunnel.echo(&target, b"ping").await;
            swapped.swap(policy(Forbids::Names));
            swapped.recheck();
            tunnel.echo(&target, b"pong").await;
            swapped.swap(policy(Forbids::Associations));
            swapped.recheck();
            tunnel.client.outcome().await.unwrap_err();
            assert_eq!(tunnel.client.io.hear_rest().await, b"");
        }
    })
    .await;
}

#[tokio::test]
async fn p6_behind_a_balancer_it_is_the_clients_of_the_proxy_header() {
    within(async {
        // One association each: the balancer is nobody's client.
        let connector = Connector::direct().with_associate(Associate::new().per_client(1));
        let layer = ProxyProtocolLayer::trusting(["127.0.0.1".parse().unwrap()]);
        let stack = layer.layer(stack(connector));
        let target = socket("127.0.0.1").await;
        let mut tunnels = Vec::new();
        for client in ["192.0.2.5", "192.0.2.6", "192.0.2.7"] {
            let mut connection = Client::new(stack.clone()).await;
            let source = SocketAddr::new(client.parse().unwrap(), 40_000);
            let to = "192.0.2.1:1080".parse().unwrap();
            let header = ProxyHeader::new(ProxyVersion::V2, source, to);
            connection.io.say(&header.encode()).await;
            let mut tunnel = Tunnel::of(Mode::V1, connection).await;
            tunnel.echo(&target, b"ping").await;
            tunnels.push(tunnel);
        }
    })
    .await;
}

#[cfg(feature = "limit")]
#[tokio::test]
async fn a_quota_drops_what_it_has_no_room_for_and_ends_the_tunnel() {
    use tower_socks::layer::{
        key,
        meter::{ByteQuota, MeterLayer},
    };

    within(async {
        for mode in ADDRESSED {
            let quota = ByteQuota::new(2_000, Duration::from_secs(3_600), key::client);
            let service = MeterLayer::new(quota.clone()).layer(Connector::direct());
            let target = socket("127.0.0.1").await;
            let mut tunnel = Tunnel::to(mode, stack(service), &at(&target)).await;
            tunnel.echo(&target, &[7; 900]).await;
            // 200 are left, which is not enough; payloads count, and nothing else.
            tunnel.say(&at(&target), &[7; 900]).await;
            let error = tunnel.client.outcome().await.unwrap_err();
            assert!(format!("{error:?}").contains("quota"), "{error:?}");
            assert_silent(&target);
            assert_eq!(quota.store().left(&[127, 0, 0, 1].into()), 200);
        }
    })
    .await;
}
