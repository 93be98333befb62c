use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use tower::{ServiceExt, service_fn};
use tower_socks::{
    Request, Tunnel,
    connector::associate::Associate,
    proto::{Address, Command},
};

use super::{
    LIMIT, MARK, MOST, datagram,
    expected::{Expected, Terms},
    loopback, mark, runtime,
    transport::Way,
};
use crate::{
    script::{Input, Script},
    stream::Scripted,
};

/// A server's association, whose client and whose targets send anything.
///
/// The first octet of an input has the terms: bit 0 drops fragments, bit 1 lets the client use any
/// port. Then come datagrams: an octet for where from (bits 0 and 1: the client's first port twice,
/// its second, a target), for how long the way on is busy (bits 2 and 3) and for whether the
/// association runs before the next one (bit 7); an octet of length; the datagram.
pub fn association(data: &[u8]) {
    let mut input = Input::new(data);
    let octet = input.octet();
    let terms = Terms {
        reassembles: octet & 1 == 0,
        any_port: octet & 2 != 0,
    };
    runtime().block_on(async { associate(terms, input).await });
}

async fn associate(terms: Terms, mut input: Input<'_>) {
    let (clients, ports): (Vec<_>, Vec<_>) = [loopback(), loopback()].into_iter().unzip();
    let way = Way::default();
    let paths = {
        let way = way.clone();
        service_fn(move |_: Request| std::future::ready(Ok::<_, Infallible>(way.clone())))
    };
    let mut associate = Associate::with_transports(paths);
    if !terms.reassembles {
        associate = associate.drop_fragments();
    }
    if terms.any_port {
        associate = associate.any_client_port();
    }
    let mut request = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
    request.peer = ports[0];
    request.local = ports[0];
    let association = associate.oneshot(request).await.expect("an association");
    let bound = association.bound();
    let relay = bound.ip().expect("an address");

    // The control connection says nothing.
    let (control, book) = Scripted::new(Script::default());
    let mut tunnel = pin!(association.run(control));
    let mut expected = Expected::new(terms);
    let mut answers = Vec::new();
    for _ in 0..MOST {
        if input.is_empty() {
            break;
        }
        let kind = input.octet();
        let len = input.octet();
        let octets = input.take(len.into());
        way.open().busy = (kind >> 2) & 3;
        let socket = match kind & 3 {
            0 | 1 => 0,
            2 => 1,
            _ => {
                answers.push((source(kind), octets.to_vec()));
                continue;
            }
        };
        let sent = clients[socket].send_to(octets, relay);
        assert!(sent.is_ok(), "{sent:?}");
        expected.receive(socket, octets);
        if kind & 0x80 != 0 {
            until(tunnel.as_mut(), || true).await;
        }
    }

    // One more, which has to come through whatever was before.
    let socket = expected.client.unwrap_or(0);
    let last = datagram(0, mark(), MARK);
    clients[socket].send_to(&last, relay).expect("room for one");
    expected.receive(socket, &last);
    until(tunnel.as_mut(), || way.has_mark()).await;
    assert_eq!(way.open().sent, expected.datagrams);

    // Answers have their source in front, and go to the one port.
    answers.push((mark(), MARK.to_vec()));
    way.answer(&answers);
    until(tunnel.as_mut(), || way.open().answers.is_empty()).await;
    let mut heard = [0; 2048];
    for (source, payload) in answers {
        let (len, from) = clients[socket].recv_from(&mut heard).expect("an answer");
        assert_eq!(from, relay);
        assert_eq!(heard[..len], datagram(0, source, &payload));
    }
    assert!(!book.open().dropped, "the association has ended");
}

/// Where an answer is from.
pub(super) fn source(kind: u8) -> Address {
    match kind & 0x10 {
        0 => Address::Ip(([192, 0, 2, kind], 53).into()),
        _ => Address::Ip(([0x2001, 0xdb8, 0, 0, 0, 0, 0, kind.into()], 53).into()),
    }
}

/// Runs the association once at least, and until something is so.
async fn until<F>(mut tunnel: std::pin::Pin<&mut F>, is_so: impl Fn() -> bool)
where
    F: Future<Output: std::fmt::Debug>,
{
    let mut has_run = false;
    let run = poll_fn(|cx| {
        if has_run && is_so() {
            return Poll::Ready(());
        }
        has_run = true;
        if let Poll::Ready(ended) = tunnel.as_mut().poll(cx) {
            panic!("the association has ended: {ended:?}");
        }
        if is_so() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    tokio::time::timeout(LIMIT, run)
        .await
        .expect("a datagram that is lost");
}
