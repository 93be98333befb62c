//! What a side had sent before it was reset reaches a slow receiver, and then the reset does.

use std::{io, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tower_socks::relay::{Relay, RelayError, RelayErrorKind};

use crate::support::sockets::pair;

/// Sends `len` octets and is reset, while the other side reads only later. Returns how much that
/// side gets, and its end.
async fn reset_behind(up: bool, len: usize) -> (usize, io::ErrorKind) {
    let (client, near) = pair().await;
    let (far, target) = pair().await;
    let (mut from, mut to) = if up {
        (client, target)
    } else {
        (target, client)
    };
    // Little room, so that most of it is in the proxy's own buffers when the reset comes.
    let from_proxy = if up { &far } else { &near };
    SockRef::from(from_proxy)
        .set_send_buffer_size(2 << 20)
        .unwrap();
    let running = tokio::spawn(Relay::new().run(near, far));
    from.write_all(&vec![7; len]).await.unwrap();
    // Everything has reached the proxy: it takes as much as its buffers do.
    sleep(Duration::from_millis(300)).await;
    SockRef::from(&from)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(from);
    sleep(Duration::from_millis(300)).await;
    let outcome = timeout(Duration::from_secs(20), read_slowly(&mut to)).await;
    let outcome = outcome.expect("it comes to a halt");
    let error = running.await.unwrap().unwrap_err();
    let error = error.get_ref().unwrap().downcast_ref::<RelayError>();
    let expected = if up {
        RelayErrorKind::Client
    } else {
        RelayErrorKind::Target
    };
    assert_eq!(error.unwrap().kind(), expected);
    outcome
}

async fn read_slowly(from: &mut TcpStream) -> (usize, io::ErrorKind) {
    let mut heard = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) => panic!("the end looks complete after {heard}"),
            Ok(read) => heard += read,
            Err(error) => return (heard, error.kind()),
        }
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn what_came_before_a_reset_is_delivered_first() {
    const LEN: usize = 3 << 20;
    for up in [false, true] {
        let (heard, end) = reset_behind(up, LEN).await;
        assert_eq!(end, io::ErrorKind::ConnectionReset, "up: {up}");
        assert_eq!(heard, LEN, "up: {up}");
    }
}

#[tokio::test]
async fn a_receiver_that_never_reads_is_not_waited_for_beyond_the_limit() {
    let (client, near) = pair().await;
    let (far, mut target) = pair().await;
    let relay = Relay::new().half_close_timeout(Duration::from_secs(1));
    let running = tokio::spawn(relay.run(near, far));
    // More than the client's system takes, and less than the proxy's does.
    SockRef::from(&client).set_recv_buffer_size(4096).unwrap();
    target.write_all(&vec![7; 300_000]).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    SockRef::from(&target)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(target);
    let ended = timeout(Duration::from_secs(10), running).await;
    let error = ended.expect("it waits for ever").unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the target's stream broke off");
    drop(client);
}
