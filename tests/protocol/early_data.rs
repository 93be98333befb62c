//! R11 and R12: what comes before the reply, and what does not.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tower::ServiceExt;
use tower_socks::{NoAuth, error::Step, session::Accepted};

use crate::support::{
    CONNECT, CONNECTED, Client, HELLO, HELLO_OK, Script, ended, greeted, proxy, settle,
    sockets::pair,
    stack,
    targets::{endless, slow_targets, targets},
    within,
};

/// Bytes none of which looks like its neighbours.
fn bytes(len: u32) -> Vec<u8> {
    (0..len)
        .map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect()
}

#[tokio::test(start_paused = true)]
async fn r11_data_that_came_with_the_request_goes_first() {
    for len in [
        1, 2, 1000, 1013, 1014, 1015, 1024, 1025, 2048, 10_000, 50_000,
    ] {
        within(async {
            let (dialer, gate, mut dialled) = slow_targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            let early = bytes(len);
            client.io.say(&[HELLO, CONNECT, &early].concat()).await;
            settle().await;
            gate.add_permits(1);
            client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
            client.io.say(b"and this later").await;
            let (_, mut target) = dialled.recv().await.unwrap();
            target.hear(&early).await;
            target.hear(b"and this later").await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn r11_data_that_came_while_we_dialled_goes_first() {
    for (len, piece) in [
        (10, 1),
        (3000, 7),
        (10_000, 100),
        (10_240, 1024),
        (60_000, 5000),
    ] {
        within(async {
            let (dialer, gate, mut dialled) = slow_targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(&[HELLO, CONNECT].concat()).await;
            let early = bytes(len);
            for piece in early.chunks(piece) {
                client.io.say(piece).await;
                settle().await;
            }
            gate.add_permits(1);
            client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
            client.io.say(b"and this later").await;
            let (_, mut target) = dialled.recv().await.unwrap();
            target.hear(&early).await;
            target.hear(b"and this later").await;

            drop(target);
            assert_eq!(
                ended(client.lingering_close().await),
                (u64::from(len) + 14, 0)
            );
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn r11_data_with_the_request_and_more_while_we_dial_keep_their_order() {
    within(async {
        let (dialer, gate, mut dialled) = slow_targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        let early = bytes(10_000);
        client
            .io
            .say(&[HELLO, CONNECT, &early[..500]].concat())
            .await;
        settle().await;
        client.io.say(&early[500..900]).await;
        settle().await;
        client.io.say(&early[900..]).await;
        settle().await;
        gate.add_permits(1);
        client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
        let (_, mut target) = dialled.recv().await.unwrap();
        target.hear(&early).await;
    })
    .await;
}

#[tokio::test]
async fn r11_early_data_over_sockets() {
    within(async {
        let (dialer, gate, mut dialled) = slow_targets();
        let mut client = greeted(proxy(stack(NoAuth, dialer)).await).await;
        let early = bytes(10_000);
        client.say(&[CONNECT, &early].concat()).await;
        let (_, mut target) = dialled.recv().await.unwrap();
        client.say(b"while we dial").await;
        gate.add_permits(1);
        client.hear(CONNECTED).await;
        target.hear(&[&early, &b"while we dial"[..]].concat()).await;
        client.shutdown().await.unwrap();
        target.hear_end().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r12_a_target_that_speaks_first_is_heard_behind_the_reply() {
    within(async {
        let (dialer, gate, mut dialled) = slow_targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        client.io.hear(HELLO_OK).await;
        let (_, mut target) = dialled.recv().await.unwrap();
        target.say(b"220 welcome\r\n").await;

        let early = timeout(Duration::from_secs(5), client.io.read_u8()).await;
        assert!(early.is_err(), "something came before the reply");
        gate.add_permits(1);
        client.io.hear(CONNECTED).await;
        client.io.hear(b"220 welcome\r\n").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r12_a_target_that_says_all_it_has_to_say_and_leaves() {
    within(async {
        let (dialer, gate, mut dialled) = slow_targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        client.io.hear(HELLO_OK).await;
        let (_, mut target) = dialled.recv().await.unwrap();
        target.say(b"go away").await;
        drop(target);
        gate.add_permits(1);
        client.io.hear(CONNECTED).await;
        client.io.hear(b"go away").await;
        client.io.hear_end().await;
        assert_eq!(ended(client.lingering_close().await), (0, 7));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r12_the_reply_is_out_before_anything_reaches_the_target() {
    within(async {
        let (dialer, mut dialled) = targets();
        // The reply does not fit, and as long as it does not, nothing is relayed.
        let mut client = Client::with_capacity(stack(NoAuth, dialer), 8);
        let said = [HELLO, CONNECT, b"early"].concat();
        let (mut read, mut write) = tokio::io::split(&mut client.io);
        let heard = async {
            let mut heard = [0; 2];
            read.read_exact(&mut heard).await.unwrap();
            let (_, mut target) = dialled.recv().await.unwrap();
            let early = timeout(Duration::from_secs(1), target.read_u8()).await;
            assert!(early.is_err(), "relayed before the reply was out");
            let mut reply = [0; 10];
            read.read_exact(&mut reply).await.unwrap();
            assert_eq!(reply, *CONNECTED);
            target.hear(b"early").await;
        };
        let (said, ()) = tokio::join!(write.write_all(&said), heard);
        said.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn r11_a_half_close_while_we_dial_is_passed_on_and_ends_nothing() {
    for early in [&b""[..], b"GET / HTTP/1.0\r\n\r\n", &bytes(10_000)] {
        within(async {
            let (dialer, gate, mut dialled) = slow_targets();
            let mut client = Client::new(stack(NoAuth, dialer));
            client.io.say(&[HELLO, CONNECT, early].concat()).await;
            client.io.shutdown().await.unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert!(!client.is_over());

            gate.add_permits(1);
            client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
            let (_, mut target) = dialled.recv().await.unwrap();
            assert_eq!(target.hear_rest().await, early);
            target.say(b"the answer").await;
            drop(target);
            client.io.hear(b"the answer").await;
            client.io.hear_end().await;
            let early = u64::try_from(early.len()).unwrap();
            assert_eq!(ended(client.lingering_close().await), (early, 10));
        })
        .await;
    }
}

#[tokio::test]
async fn r11_a_half_close_over_a_socket_does_not_end_the_dial() {
    within(async {
        let (dialer, gate, mut dialled) = slow_targets();
        let mut client = greeted(proxy(stack(NoAuth, dialer)).await).await;
        client.say(&[CONNECT, b"early"].concat()).await;
        client.shutdown().await.unwrap();
        let (_, mut target) = dialled.recv().await.unwrap();
        // Time enough for the server to see it, were it to look at the wrong moment.
        let early = timeout(Duration::from_millis(50), client.read_u8()).await;
        assert!(early.is_err());
        gate.add_permits(1);
        client.hear(CONNECTED).await;
        assert_eq!(target.hear_rest().await, b"early");
        target.say(b"late").await;
        drop(target);
        assert_eq!(client.hear_rest().await, b"late");
    })
    .await;
}

#[tokio::test]
async fn r12_a_reset_while_we_dial_drops_the_dial() {
    for early in [&b""[..], b"early data"] {
        within(async {
            let (dialer, mut events) = endless();
            let mut client = greeted(proxy(stack(NoAuth, dialer)).await).await;
            client.say(&[CONNECT, early].concat()).await;
            assert_eq!(events.recv().await, Some("begun"));
            assert!(events.try_recv().is_err());
            client.set_zero_linger().unwrap();
            drop(client);
            assert_eq!(events.recv().await, Some("dropped"));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn r12_a_client_that_left_is_not_replied_to() {
    within(async {
        let (dialer, gate, _dialled) = slow_targets();
        let mut client = Client::new(stack(NoAuth, dialer));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        client.io.hear(HELLO_OK).await;
        settle().await;
        gate.add_permits(1);
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(error.step(), Step::Reply);
    })
    .await;
}

#[tokio::test]
async fn a_reset_behind_more_than_is_read_ahead_ends_the_dial() {
    for len in [0, 1_000, 1_024, 5_000, 300_000] {
        let (mut client, near) = pair().await;
        let (dialer, mut events) = endless();
        let address = client.local_addr().unwrap();
        let accepted = Accepted::new(near, address, address);
        let session = tokio::spawn(stack(NoAuth, dialer).oneshot(accepted));
        client.say(HELLO).await;
        client.hear(HELLO_OK).await;
        client.say(CONNECT).await;
        client.say(&vec![7; len]).await;
        assert_eq!(events.recv().await, Some("begun"));
        socket2::SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(client);
        let ended = timeout(Duration::from_secs(10), events.recv()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{len}: the dial goes on for nobody"));
        assert_eq!(ended, Some("dropped"));
        session.await.unwrap().unwrap_err();
    }
}
