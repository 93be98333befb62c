use std::{future::poll_fn, task::Poll};

use tower_socks::{
    Client,
    client::ClientError,
    proto::{Address, DomainName},
};

use super::{LIMIT, MARK, MOST, datagram, decoded, loopback, mark, runtime};
use crate::{
    script::{Input, Read, Script},
    stream::Scripted,
};

/// Our client's socket at a proxy whose relay sends anything, and a stranger who tries to.
///
/// The first octet of an input is how much room there is for a datagram, in units of 8 octets. Then
/// come datagrams: an octet for where from (the relay 0 and 1, the stranger 2, ourselves 3), an
/// octet of length, and the datagram.
pub fn proxy_socket(data: &[u8]) {
    let mut input = Input::new(data);
    let room = MARK.len() + 8 * usize::from(input.octet());
    runtime().block_on(async { exchange(room, input).await });
}

async fn exchange(room: usize, mut input: Input<'_>) {
    let (relay, address) = loopback();
    let (stranger, _) = loopback();
    let mut script = Script::default();
    let mut said = b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01".to_vec();
    said.extend_from_slice(&address.port().to_be_bytes());
    script.reads.push_back(Read::Says(said));
    let (stream, _) = Scripted::new(script);
    let socket = Client::new().any_relay().associate(stream).await;
    let mut socket = socket.expect("a socket at the proxy");
    assert_eq!(socket.relay_addr(), Some(address));
    let local = socket.local_addr().expect("an address");

    let mut expected = Vec::new();
    for _ in 0..MOST {
        if input.is_empty() {
            break;
        }
        let kind = input.octet();
        let len = input.octet();
        let octets = input.take(len.into());
        match kind & 3 {
            0 | 1 => {
                relay.send_to(octets, local).expect("room for one");
                expected.extend(heard(octets).filter(|(_, payload)| payload.len() <= room));
            }
            // Nobody takes it, which it may learn.
            2 => drop(stranger.send_to(octets, local)),
            _ => {
                let target = target(octets);
                socket.send_to(octets, &target).await.expect("room for one");
                let mut buffer = [0; 1024];
                let (len, source) = relay.recv_from(&mut buffer).expect("a datagram");
                assert_eq!(source, local);
                assert_eq!(buffer[..len], datagram(0, target, octets));
            }
        }
    }
    relay
        .send_to(&datagram(0, mark(), MARK), local)
        .expect("room for one");
    expected.push((mark(), MARK.to_vec()));

    let mut buffer = vec![0; room];
    for (source, payload) in expected {
        let received = tokio::time::timeout(LIMIT, socket.recv_from(&mut buffer)).await;
        let (len, from) = received
            .expect("a datagram that is lost")
            .expect("an association");
        assert_eq!((from, &buffer[..len]), (source, &*payload));
    }
    let more = poll_fn(|cx| Poll::Ready(socket.poll_recv_from(cx, &mut buffer))).await;
    assert!(matches!(more, Poll::Pending), "{more:?}");

    // What does not fit is never cut.
    let len = socket.max_payload(&mark()) + 1;
    let error = socket.send_to(&vec![0; len], &mark()).await;
    let error = error.expect_err("an octet too many");
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    assert!(
        matches!(error, Some(ClientError::TooLarge { .. })),
        "{error:?}"
    );
}

/// What a client makes of a datagram of the relay's: whole ones, from somebody.
fn heard(octets: &[u8]) -> impl Iterator<Item = (Address, Vec<u8>)> {
    let whole = decoded(octets).filter(|(header, _)| header.fragment == 0);
    let from = whole.and_then(|(header, payload)| {
        let source = header.address.canonical().ok()?;
        Some((source, payload.to_vec()))
    });
    from.into_iter()
}

/// Some target, which the octets decide.
pub(super) fn target(octets: &[u8]) -> Address {
    let name = String::from_utf8_lossy(octets);
    match DomainName::new(&name) {
        Ok(name) => Address::Name(name, 53),
        Err(_) => Address::Ip(([192, 0, 2, octets.len() as u8], 53).into()),
    }
}
