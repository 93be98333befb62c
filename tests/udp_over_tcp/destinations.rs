//! O9: each destination is judged, resolved and counted as that of any datagram (A9 to A12, A15).

use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{
    AclLayer, Connector, Refusal, Request, Traffic, TunnelExt,
    connector::{
        associate::{Associate, MakeDirect},
        bind::Bind,
        direct::Direct,
        resolve::Resolve,
    },
    layer::udp_over_tcp::UdpOverTcpLayer,
    proto::{Command, ReplyCode},
    session::{BoxTunnel, Check},
};

use crate::{
    support::{
        Script, failure, has_ipv6,
        udp::{
            self, Client, address,
            association::{Association, assert_same, assert_silent, receive, socket},
            ear::Ear,
            name,
            policies::{forbidding, hosts, slow},
            within,
        },
    },
    tunnel::{ADDRESSED, MODES, Mode, Session, Tunnel, at, metered, stack},
};

fn connector<R: Resolve + Sync>(resolver: R) -> Connector<Direct, Bind, Associate<MakeDirect<R>>> {
    let transports = MakeDirect::new().resolver(resolver);
    Connector::direct().with_associate(Associate::with_transports(transports))
}

#[tokio::test]
async fn a10_a_datagram_that_cannot_go_is_lost_and_no_other() {
    within(async {
        for mode in ADDRESSED {
            let forbidden = socket("127.0.0.2").await;
            let at_forbidden = forbidden.local_addr().unwrap();
            let (policy, _) = forbidding(move |_, address| address == Some(at_forbidden));
            let ear = Ear::default();
            let stack = metered(
                AclLayer::new(policy)
                    .layer(connector(hosts(&[("here.example", &["127.0.0.1"])]).0)),
                &ear,
            );
            let target = socket("127.0.0.1").await;
            let mut tunnel = Tunnel::to(mode, stack, &at(&target)).await;
            for (lost, reason) in [
                (at(&forbidden), "refused"),
                (name("nowhere.example", 9), "unresolved"),
                // Of no host.
                (name("a<b.example", 9), "malformed"),
                (name("", 9), "malformed"),
                (address("224.0.0.1:9".parse().unwrap()), "refused"),
                (address("255.255.255.255:9".parse().unwrap()), "refused"),
                (address("127.0.0.1:0".parse().unwrap()), "refused"),
            ] {
                tunnel.say(&lost, b"lost").await;
                tunnel.echo(&target, b"ping").await;
                tunnel.echo(&target, b"pong").await;
                let dropped = std::mem::take(&mut *ear.0.lock().unwrap()).dropped;
                let dropped: Vec<_> = dropped.into_iter().collect();
                assert_eq!(dropped, [(reason, 1)], "{mode:?} {lost:?}");
            }
            let here = name("here.example", target.local_addr().unwrap().port());
            tunnel.say(&here, b"by name").await;
            assert_eq!(receive(&target).await.0, b"by name");
            assert_silent(&forbidden);
        }
    })
    .await;
}

#[tokio::test]
async fn a10_one_destination_that_cannot_be_reached_costs_its_datagrams() {
    within(async {
        for (lost, reason) in [
            (name("nowhere.example", 9), "unresolved"),
            (address("224.0.0.1:9".parse().unwrap()), "refused"),
        ] {
            let ear = Ear::default();
            let stack = metered(connector(hosts(&[]).0), &ear);
            let mut tunnel = Tunnel::to(Mode::Connected, stack, &lost).await;
            for _ in 0..3 {
                tunnel.say(&lost, b"lost").await;
            }
            let traffic = tunnel.close().await.unwrap();
            assert_eq!(traffic, Traffic { up: 12, down: 0 });
            // The lookup may be under way as the stream ends.
            assert!(ear.drops().iter().all(|(of, _)| *of == reason), "{reason}");
        }
    })
    .await;
}

#[tokio::test]
async fn a12_the_policy_is_asked_about_every_destination() {
    within(async {
        for mode in MODES {
            let (policy, asked) = forbidding(|_, _| false);
            let service = AclLayer::new(policy).layer(Connector::direct());
            let target = socket("127.0.0.1").await;
            let mut tunnel = Tunnel::to(mode, stack(service), &at(&target)).await;
            tunnel.echo(&target, b"ping").await;
            tunnel.echo(&target, b"ping").await;
            let there = target.local_addr().unwrap().to_string();
            // All that it sees is an association.
            let expected = [
                ("0.0.0.0:0".to_owned(), None),
                (there.clone(), None),
                (there.clone(), Some(there)),
            ];
            assert_eq!(asked.about(Command::UDP_ASSOCIATE), expected, "{mode:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a11_a_slow_lookup_holds_up_its_own_datagrams_only() {
    within(async {
        for mode in ADDRESSED {
            let (resolver, gate) = slow();
            let (target, other) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
            let stack = stack(connector(resolver));
            let mut tunnel = Tunnel::to(mode, stack, &at(&target)).await;
            let port = target.local_addr().unwrap().port();
            for payload in [&b"one"[..], b"", b"three"] {
                tunnel.say(&name("slow.example", port), payload).await;
                tunnel.echo(&other, b"by address").await;
            }
            assert_silent(&target);
            gate.add_permits(1);
            for payload in [&b"one"[..], b"", b"three"] {
                assert_eq!(receive(&target).await.0, payload);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a15_both_families_work_in_one_tunnel() {
    within(async {
        if !has_ipv6() {
            return;
        }
        for mode in ADDRESSED {
            let (v4, v6) = (socket("127.0.0.1").await, socket("::1").await);
            let mut tunnel = Tunnel::to(mode, stack(Connector::direct()), &at(&v4)).await;
            tunnel.echo(&v4, b"four").await;
            tunnel.echo(&v6, b"six").await;
            tunnel.echo(&v4, b"four again").await;
        }
        let v6 = socket("::1").await;
        let mut tunnel = Tunnel::to(Mode::Connected, stack(Connector::direct()), &at(&v6)).await;
        tunnel.echo(&v6, b"six").await;
    })
    .await;
}

/// `size` octets of which no two in a row are the same.
fn payload(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

#[tokio::test]
async fn a9_the_largest_datagrams_pass_whole_and_nothing_is_cut() {
    within(async {
        for mode in MODES {
            let ear = Ear::default();
            let target = socket("127.0.0.1").await;
            let stack = metered(Connector::direct(), &ear);
            let mut tunnel = Tunnel::to(mode, stack, &at(&target)).await;
            let largest = match mode {
                Mode::ForwardUdp => 1_500 - 7,
                _ => 65_507,
            };
            for size in [0, 1, 1_199, 1_200, 1_201, 1_472, 1_473, largest] {
                let size = size.min(largest);
                tunnel.echo(&target, &payload(size)).await;
            }
            assert_eq!(ear.drops(), []);
            // LEN can say more than a datagram has.
            for size in [65_508, 65_535] {
                tunnel.say(&at(&target), &payload(size)).await;
                tunnel.echo(&target, b"ping").await;
            }
            assert_eq!(ear.drops(), [("unsendable", 2)], "{mode:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn o8_an_answer_that_fits_into_no_frame_is_dropped_and_not_cut() {
    within(async {
        let ear = Ear::default();
        let target = socket("127.0.0.1").await;
        let stack = metered(Connector::direct(), &ear);
        let mut tunnel = Tunnel::to(Mode::ForwardUdp, stack, &at(&target)).await;
        let source = tunnel.echo(&target, b"ping").await;
        for size in [1_494, 1_500, 65_507] {
            // Up, the programs that speak it may send as much as they like.
            tunnel.say(&at(&target), &payload(size)).await;
            assert_same(&receive(&target).await.0, &payload(size));
            target.send_to(&payload(size), source).await.unwrap();
            tunnel.echo(&target, b"ping").await;
        }
        assert_eq!(ear.drops(), [("unsendable", 3)]);
    })
    .await;
}

#[tokio::test]
async fn a_datagram_to_a_relay_of_ours_is_dropped() {
    within(async {
        let association = Association::new(udp::stack(Connector::direct())).await;
        let relay = address(association.relay);
        for mode in MODES {
            let ear = Ear::default();
            let target = socket("127.0.0.1").await;
            let stack = metered(Connector::direct(), &ear);
            let mut tunnel = Tunnel::to(mode, stack, &relay).await;
            let looped = [&b"\0\0\0"[..], &at(&target), b"x"].concat();
            tunnel.say(&relay, &looped).await;
            if mode != Mode::Connected {
                tunnel.echo(&target, b"ping").await;
            }
            tunnel.close().await.unwrap();
            assert_eq!(ear.drops(), [("self_connection", 1)], "{mode:?}");
            assert_silent(&target);
        }
        association.echo(&socket("127.0.0.1").await, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn o4_other_names_under_arpa_are_ordinary_and_these_have_one_form() {
    within(async {
        let refused = |_: Request| async {
            Err::<BoxTunnel, _>(Refusal::new(
                ReplyCode::HOST_UNREACHABLE,
                "an ordinary name",
            ))
        };
        let connector = Connector::direct()
            .with_connect(service_fn(refused))
            .with_associate(Associate::new());
        let service = connector.map_response(TunnelExt::boxed);
        for (host, is_tunnel) in [
            ("sp.udp-over-tcp.arpa", true),
            ("SP.UDP-over-TCP.ARPA.", true),
            ("Sp.V2.udp-over-tcp.arpa", true),
            ("v2.udp-over-tcp.arpa", false),
            ("sp.v3.udp-over-tcp.arpa", false),
            ("a.sp.udp-over-tcp.arpa", false),
            ("1.0.0.127.in-addr.arpa", false),
        ] {
            for port in [1, 443, 65_535] {
                let mut client = Client::new(stack(service.clone())).await;
                client.io.say(b"\x05\x01\x00").await;
                client.io.hear(b"\x05\x00").await;
                let request = [&b"\x05\x01\x00"[..], &name(host, port)].concat();
                client.io.say(&request).await;
                let code = if is_tunnel { 0 } else { 4 };
                client.io.hear(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn policies_judge_it_as_an_association_wherever_they_stand() {
    within(async {
        let refuses = |request: &Request, _: Check| match request.command == Command::UDP_ASSOCIATE
        {
            true => Err(Refusal::not_allowed("no UDP here")),
            false => Ok(()),
        };
        for mode in MODES {
            assert_is_refused(
                mode,
                stack(AclLayer::new(refuses).layer(Connector::direct())),
            )
            .await;
            let above = AclLayer::new(refuses);
            let layer = UdpOverTcpLayer::new();
            let service = above.layer(layer.layer(Connector::direct()));
            assert_is_refused(mode, udp::stack(service)).await;
        }
        // Nobody else is: to a policy it is no CONNECT.
        let no_connect = |request: &Request, _: Check| match request.command == Command::CONNECT {
            true => Err(Refusal::not_allowed("UDP alone")),
            false => Ok(()),
        };
        let target = socket("127.0.0.1").await;
        let service = AclLayer::new(no_connect).layer(Connector::direct());
        let mut tunnel = Tunnel::to(Mode::V2, stack(service), &at(&target)).await;
        tunnel.echo(&target, b"ping").await;
    })
    .await;
}

async fn assert_is_refused(mode: Mode, stack: impl Session) {
    let mut client = Client::new(stack).await;
    client.io.say(b"\x05\x01\x00").await;
    client.io.hear(b"\x05\x00").await;
    client.io.say(&mode.request()).await;
    client.io.hear(&failure(2)).await;
}
