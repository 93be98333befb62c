//! SOCKS4 and SOCKS4a: what a request may say, and what it is replied to.

use std::time::Duration;

use tower::Layer;
use tower_socks::{
    AclLayer, AuthLayer, NoAuth, Refusal, Request, Traffic,
    error::{Fault, Step},
    layer::{
        auth::Auth,
        socks4::{Socks4, Socks4Layer},
    },
    proto::{Command, ReplyCode},
    session::{Check, Connected, Protocol},
};

use crate::support::{
    Client, LOCAL, PEER, Script, exchange, settle,
    targets::{failing, slow_targets, targets},
    within,
};

/// CONNECT to 192.0.2.1:80 as joe.
const CONNECT: &[u8] = b"\x04\x01\x00\x50\xc0\x00\x02\x01joe\0";
/// Granted, with the BND of [`targets`]: 198.51.100.7:4321.
const GRANTED: &[u8] = b"\x00\x5a\x10\xe1\xc6\x33\x64\x07";
const REJECTED: &[u8] = b"\x00\x5b\0\0\0\0\0\0";

fn stack<S: Clone>(service: S) -> Socks4<Auth<NoAuth, S>> {
    Socks4Layer::new().layer(AuthLayer::new(NoAuth).layer(service))
}

/// CONNECT to a name at port 80.
fn to_name(user_id: &[u8], name: &[u8]) -> Vec<u8> {
    [b"\x04\x01\x00\x50\0\0\0\x01", user_id, b"\0", name, b"\0"].concat()
}

/// What the connector gets to see of a request.
async fn admitted(bytes: &[u8]) -> Request {
    let (dialer, mut dialled) = targets();
    let mut client = Client::new(stack(dialer));
    client.io.say(bytes).await;
    client.io.hear(GRANTED).await;
    dialled.recv().await.unwrap().0
}

/// A request that never gets to the connector: what the log has to say of it.
async fn turned_away(bytes: &[u8]) -> (Step, Fault, String) {
    let (dialer, mut dialled) = targets();
    let mut client = Client::new(stack(dialer));
    client.io.say(bytes).await;
    client.io.hear(REJECTED).await;
    client.io.hear_end().await;
    let error = client.lingering_close().await.unwrap_err();
    assert!(dialled.recv().await.is_none());
    let source = std::error::Error::source(&error).unwrap().to_string();
    (error.step(), error.fault(), source)
}

#[tokio::test(start_paused = true)]
async fn m3_a_request_has_a_target_and_its_reply_eight_octets() {
    within(async {
        let request = admitted(CONNECT).await;
        assert_eq!(request.command, Command::CONNECT);
        assert_eq!(request.target, "192.0.2.1:80".parse().unwrap());
        assert_eq!(request.protocol, Protocol::Socks4);
        assert_eq!(request.peer, PEER.parse().unwrap());
        assert_eq!(request.local, LOCAL.parse().unwrap());
        assert_eq!(request.identity.name(), None);
        // Without a USERID.
        let request = admitted(b"\x04\x01\xff\xff\xc0\x00\x02\x01\0").await;
        assert_eq!(request.target, "192.0.2.1:65535".parse().unwrap());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m3_octets_may_come_one_by_one() {
    for request in [CONNECT, &to_name(b"", b"example.com")] {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(dialer));
            let (last, head) = request.split_last().unwrap();
            client.io.say_bytewise(head).await;
            assert!(dialled.try_recv().is_err());
            client.io.say(&[*last]).await;
            client.io.hear(GRANTED).await;
            assert!(dialled.recv().await.is_some());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn m3_data_behind_the_request_goes_first_wherever_it_is_split() {
    let request = to_name(b"joe", b"example.com");
    let all = [&*request, b"\0GET / and \0 more"].concat();
    for at in 0..=all.len() {
        within(async {
            let (dialer, gate, mut dialled) = slow_targets();
            let mut client = Client::new(stack(dialer));
            client.io.say(&all[..at]).await;
            settle().await;
            client.io.say(&all[at..]).await;
            settle().await;
            gate.add_permits(1);
            client.io.hear(GRANTED).await;
            let (request, mut target) = dialled.recv().await.unwrap();
            assert_eq!(request.target.to_string(), "example.com:80");
            target.hear(b"\0GET / and \0 more").await;
            target.say(b"hello").await;
            client.io.hear(b"hello").await;
            drop(target);
            client.io.hear_end().await;
            let Traffic { up, down, .. } = client.lingering_close().await.unwrap();
            assert_eq!((up, down), (17, 5));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn m3_whatever_fails_is_5b_and_the_log_knows_why() {
    for code in 1..=9 {
        within(async {
            let dialer = failing(move || Refusal::new(ReplyCode(code), "no"));
            let mut client = Client::new(stack(dialer));
            client.io.say(CONNECT).await;
            client.io.hear(REJECTED).await;
            client.io.hear_end().await;
            let error = client.lingering_close().await.unwrap_err();
            assert_eq!(error.step(), Step::Dial);
            assert_eq!(
                tower_socks::error::reply_code(&error),
                ReplyCode(code),
                "{error:?}"
            );
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn m3_other_commands_are_5b() {
    // UDP ASSOCIATE and RESOLVE_PTR of SOCKS5 are no commands here.
    for command in [0, 3, 4, 0x5a, 0xf1, 0xff] {
        within(async {
            let mut request = CONNECT.to_vec();
            request[1] = command;
            let (step, fault, why) = turned_away(&request).await;
            assert_eq!((step, fault), (Step::Dial, Fault::Client));
            assert_eq!(why, "SOCKS4 has no such command");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn m3_bind_and_resolve_reach_the_connector() {
    within(async {
        for (octet, command) in [(2, Command::BIND), (0xf0, Command::RESOLVE)] {
            let mut request = to_name(b"", b"example.com");
            request[1] = octet;
            assert_eq!(admitted(&request).await.command, command);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m3_what_is_no_socks4_is_closed_without_a_word() {
    for said in [
        &b"\x05\x01\x00"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0",
        b"\x16\x03\x01",
    ] {
        within(async {
            let (dialer, _) = targets();
            assert_eq!(exchange(stack(dialer), said).await, b"");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn m3_port_0_is_no_target() {
    within(async {
        let (step, fault, _) = turned_away(b"\x04\x01\0\0\xc0\0\x02\x01\0").await;
        assert_eq!((step, fault), (Step::Request, Fault::Client));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m3_an_address_that_is_not_ipv4_has_zeros_in_the_reply() {
    for (bound, told) in [
        ("[2001:db8::1]:4321", b"\x00\x5a\x10\xe1\0\0\0\0"),
        ("proxy.example:4321", b"\x00\x5a\x10\xe1\0\0\0\0"),
        ("[::ffff:192.0.2.9]:4321", b"\x00\x5a\x10\xe1\xc0\0\x02\x09"),
    ] {
        within(async {
            let dialer = tower::service_fn(move |_: Request| async move {
                let (near, far) = tokio::io::duplex(64);
                tokio::spawn(async move {
                    let mut far = far;
                    far.hear_rest().await;
                });
                Ok::<_, tower_socks::BoxError>(Connected::new(near, bound.parse()?))
            });
            let mut client = Client::new(stack(dialer));
            client.io.say(CONNECT).await;
            client.io.hear(told).await;
            // The answer to RESOLVE is nothing but the address.
            let mut resolve = CONNECT.to_vec();
            resolve[1] = 0xf0;
            let mut client = Client::new(stack(dialer));
            client.io.say(&resolve).await;
            let is_told = told[4..] != [0; 4];
            client.io.hear(if is_told { told } else { REJECTED }).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn m3_bnd_of_connect_can_be_kept_to_ourselves() {
    within(async {
        let (dialer, _dialled) = targets();
        let layer = Socks4Layer::new().reply_bound(false);
        let mut client = Client::new(layer.layer(AuthLayer::new(NoAuth).layer(dialer.clone())));
        client.io.say(CONNECT).await;
        client.io.hear(b"\x00\x5a\0\0\0\0\0\0").await;
        // That of BIND is where somebody has to go.
        let mut client = Client::new(layer.layer(AuthLayer::new(NoAuth).layer(dialer)));
        let mut bind = CONNECT.to_vec();
        bind[1] = 2;
        client.io.say(&bind).await;
        client.io.hear(GRANTED).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m4_a_name_stands_behind_an_address_that_no_host_has() {
    within(async {
        for last in [1, 2, 0x80, 255] {
            let mut request = to_name(b"joe", b"Example.COM.");
            request[7] = last;
            let target = admitted(&request).await.target;
            assert_eq!(target.to_string(), "example.com:80");
            assert!(target.name().is_some());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m4_zeros_are_no_name() {
    within(async {
        for ip in [[0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1]] {
            let request = [b"\x04\x01\x00\x50", &ip[..], b"\0"].concat();
            let target = admitted(&request).await.target;
            assert_eq!(target, (std::net::IpAddr::from(ip), 80).into());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m5_a_user_id_and_a_name_have_255_octets() {
    within(async {
        let longest = [[b'a'; 63]; 4].join(&b'.');
        assert_eq!(longest.len(), 255);
        let target = admitted(&to_name(&[b'u'; 255], &longest)).await.target;
        assert_eq!(target.name().unwrap().as_bytes(), longest);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m5_longer_ones_are_5b_as_soon_as_they_are() {
    for request in [
        [b"\x04\x01\x00\x50\xc0\0\x02\x01", &[b'u'; 256][..]].concat(),
        [b"\x04\x01\x00\x50\0\0\0\x01\0", &[b'n'; 256][..]].concat(),
        // Whether or not an end comes.
        [b"\x04\x01\x00\x50\xc0\0\x02\x01", &[b'u'; 256][..], b"\0"].concat(),
        [b"\x04\x01\x00\x50\0\0\0\x01", &[b'u'; 5_000][..], b"\0"].concat(),
    ] {
        within(async {
            let (step, fault, _) = turned_away(&request).await;
            assert_eq!((step, fault), (Step::Request, Fault::Client));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn m5_what_does_not_end_ends_at_the_deadline() {
    for request in [
        &b"\x04"[..],
        b"\x04\x01\x00\x50\xc0\0\x02",
        b"\x04\x01\x00\x50\xc0\0\x02\x01",
        b"\x04\x01\x00\x50\xc0\0\x02\x01joe",
        b"\x04\x01\x00\x50\0\0\0\x01joe\0",
        b"\x04\x01\x00\x50\0\0\0\x01joe\0example.com",
    ] {
        within(async {
            let (dialer, _) = targets();
            let started = tokio::time::Instant::now();
            let layer = Socks4Layer::new().deadline(Duration::from_secs(5));
            let mut client = Client::new(layer.layer(AuthLayer::new(NoAuth).layer(dialer)));
            client.io.say(request).await;
            client.io.hear_end().await;
            let took = started.elapsed();
            let limit = Duration::from_secs(5);
            assert!(
                (limit..limit + Duration::from_millis(5)).contains(&took),
                "{took:?}"
            );
            let error = client.outcome().await.unwrap_err();
            assert_eq!(
                (error.step(), error.fault()),
                (Step::Request, Fault::Client)
            );
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn m5_octets_that_trickle_do_not_extend_the_deadline() {
    within(async {
        let (dialer, _) = targets();
        let started = tokio::time::Instant::now();
        let mut client = Client::new(stack(dialer));
        let (mut read, mut write) = tokio::io::split(&mut client.io);
        let trickle = async {
            for octet in to_name(&[b'u'; 200], b"example.com") {
                tokio::io::AsyncWriteExt::write_all(&mut write, &[octet])
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let mut octet = [0];
        tokio::select! {
            () = trickle => panic!("served"),
            read = tokio::io::AsyncReadExt::read(&mut read, &mut octet) => {
                assert_eq!(read.unwrap(), 0);
            }
        }
        let took = started.elapsed();
        assert!(took.as_secs() == 10, "{took:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m9_names_that_are_addresses_are_judged_as_such() {
    for name in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "::ffff:127.0.0.1",
        "127.0.0.1.",
    ] {
        within(async {
            let policy = |request: &Request, _: Check| match request.target.ip() {
                Some(address) if address.ip().is_loopback() => {
                    Err(Refusal::not_allowed("loopback"))
                }
                _ => Ok(()),
            };
            let (dialer, mut dialled) = targets();
            let stack = stack(AclLayer::new(policy).layer(dialer));
            let mut client = Client::new(stack);
            client.io.say(&to_name(b"", name.as_bytes())).await;
            client.io.hear(REJECTED).await;
            client.io.hear_end().await;
            let error = client.lingering_close().await.unwrap_err();
            assert_eq!(
                (error.step(), error.fault()),
                (Step::Dial, Fault::Refused),
                "{name}"
            );
            assert!(dialled.recv().await.is_none());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn m9_a_name_that_is_none_is_5b() {
    for name in [
        &b""[..],
        b".",
        b"a..b",
        b"a b",
        b"a\nb",
        b"a/b",
        b"127.0.0.256",
        b"0x",
        b"fe80::1%eth0",
        b"\xff\xfe",
        b"a\\097b",
    ] {
        within(async {
            let (step, fault, why) = turned_away(&to_name(b"joe", name)).await;
            assert_eq!((step, fault), (Step::Request, Fault::Client));
            assert_eq!(why, "malformed request");
        })
        .await;
    }
}
