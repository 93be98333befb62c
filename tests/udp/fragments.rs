//! A6 and A7: garbage, and datagrams in fragments.

use std::time::Duration;

use tokio::{net::UdpSocket, time};
use tower_socks::{Connector, connector::associate::Associate};

use crate::support::udp::{
    address,
    association::{Association, assert_silent, datagram, socket},
    name, pass, stack, within,
};

/// The high-order bit: the end of a sequence.
const LAST: u8 = 0x80;

/// An association, a target, and the address of that.
async fn association() -> (Association, UdpSocket, Vec<u8>) {
    let association = Association::new(stack(Connector::direct())).await;
    let target = socket("127.0.0.1").await;
    let to = address(target.local_addr().unwrap());
    (association, target, to)
}

/// Sends these fragments to the same target.
async fn send_all(association: &Association, to: &[u8], fragments: &[(u8, &[u8])]) {
    for (fragment, payload) in fragments {
        association.send(&datagram(*fragment, to, payload)).await;
    }
}

/// Pseudo-random octets, the same in every run.
fn noise(state: &mut u64) -> u8 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.to_be_bytes()[3]
}

#[tokio::test]
async fn a6_garbage_is_dropped_and_the_association_lives() {
    within(async {
        let (association, target, to) = association().await;
        let whole = datagram(0, &to, b"x");
        let mut garbage: Vec<Vec<u8>> = (0..10).map(|cut| whole[..cut].to_vec()).collect();
        for atyp in (0..=255).filter(|atyp| ![1, 3, 4].contains(atyp)) {
            let mut unknown = whole.clone();
            unknown[3] = atyp;
            garbage.push(unknown);
        }
        for (octet, value) in [(0, 1), (1, 1), (0, 255), (1, 5)] {
            let mut reserved = whole.clone();
            reserved[octet] = value;
            garbage.push(reserved);
        }
        for bad in ["", "a b", "a\0b", "a\rb", "127.0.0.256", "1.2.3.4.5", "0x"] {
            garbage.push(datagram(0, &name(bad, 80), b"x"));
        }
        garbage.push(b"\0\0\0\x03\xffshort".to_vec());
        garbage.push(b"\0\0\0\x03\x80".to_vec());
        garbage.push(b"\0\0\0\x03".to_vec());
        garbage.push(b"\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0".to_vec());
        garbage.push(b"\x05\x01\0\x01\x7f\0\0\x01\0\x50".to_vec());
        for some in garbage.chunks(20) {
            for datagram in some {
                association.send(datagram).await;
            }
            association.echo(&target, b"ping").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a6_random_octets_are_dropped_and_the_association_lives() {
    within(async {
        let (association, target, _) = association().await;
        let mut state = 0x2545_f491_4f6c_dd1d;
        for _ in 0..100 {
            for _ in 0..20 {
                let len = usize::from(noise(&mut state));
                let mut datagram: Vec<u8> = (0..len).map(|_| noise(&mut state)).collect();
                // A good beginning, now and then, that leads nowhere.
                if let Some(start) = datagram.get_mut(..4)
                    && len % 3 == 0
                {
                    start.copy_from_slice(&[0, 0, 0, start[3] | 8]);
                }
                association.send(&datagram).await;
            }
            association.echo(&target, b"ping").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a7_fragments_in_order_are_put_together() {
    within(async {
        let (association, target, to) = association().await;
        let whole = [(1, &b"one "[..]), (2, b"two "), (3 | LAST, b"three")];
        send_all(&association, &to, &whole).await;
        association.reaches(&target, b"one two three").await;
        // A sequence of one, and the next one afterwards.
        send_all(&association, &to, &[(1 | LAST, b"alone")]).await;
        association.reaches(&target, b"alone").await;
        send_all(&association, &to, &whole).await;
        association.reaches(&target, b"one two three").await;
        send_all(&association, &to, &[(1, b""), (2 | LAST, b"")]).await;
        association.reaches(&target, b"").await;
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a7_127_fragments_are_put_together() {
    within(async {
        let (association, target, to) = association().await;
        let mut whole = Vec::new();
        for position in 1..=127 {
            let payload = [position; 100];
            whole.extend(payload);
            let last = if position == 127 { LAST } else { 0 };
            send_all(&association, &to, &[(position | last, &payload)]).await;
        }
        association.reaches(&target, &whole).await;
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a7_fragments_to_a_name_or_a_forbidden_place_are_one_datagram() {
    within(async {
        let (association, target, _) = association().await;
        let port = target.local_addr().unwrap().port();
        // A name that is really an address.
        let to = name("127.1", port);
        send_all(&association, &to, &[(1, b"one "), (2 | LAST, b"two")]).await;
        association.reaches(&target, b"one two").await;
        let nowhere = address(([224, 0, 0, 1], port).into());
        send_all(&association, &nowhere, &[(1, b"one "), (2 | LAST, b"two")]).await;
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a7_a_fragment_lower_than_the_highest_begins_anew() {
    within(async {
        let (association, target, to) = association().await;
        let fragments = [
            (1, &b"lost "[..]),
            (2, b"lost "),
            (1, b"one "),
            (2, b"two "),
            (3 | LAST, b"three"),
        ];
        send_all(&association, &to, &fragments).await;
        association.reaches(&target, b"one two three").await;
        // What begins anew in the middle is nothing.
        let fragments = [
            (1, &b"lost"[..]),
            (2, b"lost"),
            (3, b"lost"),
            (2, b"lost"),
            (3 | LAST, b"lost"),
            (LAST, b"lost"),
        ];
        send_all(&association, &to, &fragments).await;
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a7_a_gap_loses_the_datagram_and_no_other() {
    within(async {
        let (association, target, to) = association().await;
        for lost in [
            &[(1, &b"lost"[..]), (3 | LAST, b"lost")][..],
            &[(2, b"lost"), (3 | LAST, b"lost")],
            &[(2 | LAST, b"lost")],
            &[(127 | LAST, b"lost")],
            &[(LAST, b"lost")],
            &[
                (1, b"lost"),
                (3, b"lost"),
                (2, b"lost"),
                (4 | LAST, b"lost"),
            ],
        ] {
            send_all(&association, &to, lost).await;
            association.echo(&target, b"ping").await;
            let next = [(1, &b"one "[..]), (2 | LAST, b"two")];
            send_all(&association, &to, &next).await;
            association.reaches(&target, b"one two").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a7_a_fragment_that_comes_twice_counts_once() {
    within(async {
        let (association, target, to) = association().await;
        let fragments = [
            (1, &b"one "[..]),
            (1, b"one "),
            (2, b"two "),
            (2, b"two "),
            (3 | LAST, b"three"),
            (3 | LAST, b"three"),
        ];
        send_all(&association, &to, &fragments).await;
        association.reaches(&target, b"one two three").await;
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a7_two_sequences_are_never_mixed_up() {
    within(async {
        let (association, target, to) = association().await;
        // The rest of the first one is lost on the way.
        let fragments = [(1, &b"lost "[..]), (1, b"one "), (2 | LAST, b"two")];
        send_all(&association, &to, &fragments).await;
        association.reaches(&target, b"one two").await;
        // What the second one begins with is how the first one ended, or nothing.
        for (start, whole) in [(&b"st "[..], &b"st two"[..]), (b"", b"two")] {
            let fragments = [(1, &b"lost "[..]), (1, start), (2 | LAST, b"two")];
            send_all(&association, &to, &fragments).await;
            association.reaches(&target, whole).await;
        }
        // The second one is short, and says what the first one began with.
        let fragments = [(1, &b"one"[..]), (1 | LAST, b"one")];
        send_all(&association, &to, &fragments).await;
        association.reaches(&target, b"one").await;
        let fragments = [
            (1, &b"one"[..]),
            (2, b"two"),
            (2, b"of another"),
            (3 | LAST, b""),
        ];
        send_all(&association, &to, &fragments).await;
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a7_fragments_of_one_datagram_have_one_target() {
    within(async {
        let (association, target, to) = association().await;
        let other = socket("127.0.0.1").await;
        let elsewhere = address(other.local_addr().unwrap());
        send_all(&association, &to, &[(1, b"lost")]).await;
        send_all(&association, &elsewhere, &[(2 | LAST, b"lost")]).await;
        association.echo(&target, b"ping").await;
        assert_silent(&other);
        // The first fragment for another target is the first one of its own.
        send_all(&association, &to, &[(1, b"lost")]).await;
        send_all(
            &association,
            &elsewhere,
            &[(1, b"one "), (2 | LAST, b"two")],
        )
        .await;
        association.reaches(&other, b"one two").await;
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a7_a_standalone_datagram_stands_alone() {
    within(async {
        let (association, target, to) = association().await;
        send_all(&association, &to, &[(1, b"one ")]).await;
        association.echo(&target, b"ping").await;
        send_all(&association, &to, &[(2 | LAST, b"two")]).await;
        association.reaches(&target, b"one two").await;
    })
    .await;
}

#[tokio::test]
async fn a7_the_queue_is_dropped_on_its_timer_and_not_before() {
    within(async {
        let (association, target, to) = association().await;
        send_all(&association, &to, &[(1, b"one ")]).await;
        association.echo(&target, b"meanwhile").await;
        pass(4).await;
        send_all(&association, &to, &[(2, b"two "), (3 | LAST, b"three")]).await;
        association.reaches(&target, b"one two three").await;

        send_all(&association, &to, &[(1, b"lost ")]).await;
        association.echo(&target, b"meanwhile").await;
        pass(4).await;
        // What comes meanwhile does not put it off.
        send_all(&association, &to, &[(2, b"lost ")]).await;
        association.echo(&target, b"meanwhile").await;
        pass(2).await;
        send_all(&association, &to, &[(3 | LAST, b"lost")]).await;
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a7_the_queue_is_dropped_where_an_association_may_idle_for_ever() {
    within(async {
        let associate = Associate::new().idle_timeout(Duration::MAX);
        let association =
            Association::new(stack(Connector::direct().with_associate(associate))).await;
        let target = socket("127.0.0.1").await;
        let to = address(target.local_addr().unwrap());
        send_all(&association, &to, &[(1, b"lost ")]).await;
        association.echo(&target, b"meanwhile").await;
        pass(10).await;
        send_all(&association, &to, &[(2 | LAST, b"lost")]).await;
        association.echo(&target, b"ping").await;
        // A paused clock moves on by itself only when no task is busy.
        time::pause();
        time::sleep(Duration::from_secs(1)).await;
        time::resume();
    })
    .await;
}

#[tokio::test]
async fn a7_the_queue_is_no_larger_than_a_datagram() {
    within(async {
        let (association, target, to) = association().await;
        let large = [7; 32_000];
        // Two of these and 1,507 octets are the most that UDP can carry.
        let most = [(1, &large[..]), (2, &large), (3 | LAST, &large[..1_507])];
        send_all(&association, &to, &most).await;
        association.reaches(&target, &[7; 65_507]).await;
        let more = [(1, &large[..]), (2, &large), (3 | LAST, &large[..1_508])];
        send_all(&association, &to, &more).await;
        association.echo(&target, b"ping").await;
        // It does not go on behind the fragment that was too much.
        let more = [(1, &large[..]), (2, &large), (3, &large), (4 | LAST, b"")];
        send_all(&association, &to, &more).await;
        association.echo(&target, b"ping").await;
        // Nothing larger than that was ever put together.
        let traffic = association.lingering_close().await.unwrap();
        assert_eq!(traffic.up, 65_507 + 4 + 4);
    })
    .await;
}

#[tokio::test]
async fn a7_without_reassembly_fragments_are_dropped() {
    within(async {
        let associate = Associate::new().drop_fragments();
        let stack = stack(Connector::direct().with_associate(associate));
        let association = Association::new(stack).await;
        let target = socket("127.0.0.1").await;
        let to = address(target.local_addr().unwrap());
        let all = [
            (1 | LAST, &b"lost"[..]),
            (1, b"lost"),
            (2 | LAST, b"lost"),
            (127, b"lost"),
        ];
        send_all(&association, &to, &all).await;
        association.echo(&target, b"ping").await;
    })
    .await;
}
