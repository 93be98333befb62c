//! `DatagramTransport::filter`: both directions, whole batches, and never ready with nothing.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::ServiceExt;
use tower_socks::{
    Connector,
    connector::associate::{Associate, MakeDirect},
    datagram::{DatagramTransport, Datagrams},
    io::Direction,
    proto::Address,
};

use crate::support::udp::{
    association::{Association, assert_silent, socket},
    stack, within,
};

#[tokio::test]
async fn a_filter_in_a_stack_drops_in_both_directions() {
    within(async {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let transports = MakeDirect::new().map_response(move |transport| {
            let notes = Arc::clone(&notes);
            transport.filter(move |direction, address: &Address, payload: &[u8]| {
                let note = (direction, address.clone(), payload.to_vec());
                notes.lock().unwrap().push(note);
                match direction {
                    Direction::Up => payload != b"not up",
                    Direction::Down => payload != b"not down",
                }
            })
        });
        let connector = Connector::direct().with_associate(Associate::with_transports(transports));
        let association = Association::new(stack(connector)).await;
        let target = socket("127.0.0.1").await;

        // Each direction has a limit of its own.
        association.echo(&target, b"ping").await;
        association.say(&target, b"not down").await;
        let out = association.reaches(&target, b"not down").await;
        target.send_to(b"not down", out).await.unwrap();
        target.send_to(b"not up", out).await.unwrap();
        association.hear(&target, b"not up").await;
        association.say(&target, b"not up").await;
        // Comes next, so the one before it never came.
        association.echo(&target, b"pong").await;
        assert_silent(&target);
        assert_silent(&association.udp);

        let address = Address::Ip(target.local_addr().unwrap());
        let expected = [
            (Direction::Up, "ping"),
            (Direction::Down, "ping"),
            (Direction::Up, "not down"),
            (Direction::Down, "not down"),
            (Direction::Down, "not up"),
            (Direction::Up, "not up"),
            (Direction::Up, "pong"),
            (Direction::Down, "pong"),
        ];
        let expected = expected.map(|(direction, payload)| {
            let payload = payload.as_bytes().to_vec();
            (direction, address.clone(), payload)
        });
        assert_eq!(*asked.lock().unwrap(), expected);
    })
    .await;
}

/// A transport that receives the batches of a script, and sends into a list what it has room for.
#[derive(Debug, Default)]
struct Scripted {
    arriving: VecDeque<&'static [&'static str]>,
    sent: Arc<Mutex<Vec<String>>>,
    /// Datagrams that it takes in one call; with less room it is pending.
    room: usize,
}

impl DatagramTransport for Scripted {
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        let taken = out.len().min(self.room);
        let mut sent = self.sent.lock().unwrap();
        for (_, payload) in out.iter().take(taken) {
            sent.push(String::from_utf8(payload.to_vec()).unwrap());
        }
        out.take_first(taken);
        if out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_recv(&mut self, _: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        match self.arriving.pop_front() {
            Some(batch) => {
                fill(into, batch);
                Poll::Ready(Ok(()))
            }
            None => Poll::Pending,
        }
    }
}

fn fill(batch: &mut Datagrams, payloads: &[&str]) {
    for payload in payloads {
        batch.push(Address::UNSPECIFIED, payload.as_bytes());
    }
}

fn payloads(batch: &Datagrams) -> Vec<&str> {
    let payloads = batch.iter().map(|(_, payload)| payload);
    payloads
        .map(|payload| std::str::from_utf8(payload).unwrap())
        .collect()
}

#[test]
fn what_is_dropped_as_a_whole_is_not_reported_as_received() {
    let arriving = [
        &["no"][..],
        &["no", "no"],
        &["yes 1", "no", "yes 2"],
        &["no"],
    ];
    let scripted = Scripted {
        arriving: arriving.into(),
        ..Scripted::default()
    };
    let mut transport = scripted.filter(|direction, _, payload| {
        assert_eq!(direction, Direction::Down);
        payload != b"no"
    });
    let mut batch = Datagrams::new();
    {
        let mut receiving = task::spawn(poll_fn(|cx| transport.poll_recv(cx, &mut batch)));
        assert_ready_ok!(receiving.poll());
    }
    assert_eq!(payloads(&batch), ["yes 1", "yes 2"]);

    batch.clear();
    {
        let mut receiving = task::spawn(poll_fn(|cx| transport.poll_recv(cx, &mut batch)));
        assert_pending!(receiving.poll());
    }
    assert!(batch.is_empty());
}

#[tokio::test]
async fn a_flood_of_unwanted_datagrams_lets_other_tasks_have_their_turn() {
    let mut arriving: VecDeque<_> = std::iter::repeat_n(&["no"][..], 100).collect();
    arriving.push_back(&["yes"]);
    let scripted = Scripted {
        arriving,
        ..Scripted::default()
    };
    let mut transport = scripted.filter(|_, _, payload| payload != b"no");
    let mut batch = Datagrams::new();
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        transport.poll_recv(cx, &mut batch)
    })
    .await
    .unwrap();
    assert_eq!(payloads(&batch), ["yes"]);
    assert!(polls > 10, "{polls} polls");
}

#[test]
fn each_datagram_is_asked_about_once_however_long_it_waits_for_room() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let scripted = Scripted {
        sent: Arc::clone(&sent),
        room: 1,
        ..Scripted::default()
    };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    let mut transport = scripted.filter(move |direction, _, payload| {
        assert_eq!(direction, Direction::Up);
        let payload = String::from_utf8(payload.to_vec()).unwrap();
        let passes = payload != "no";
        notes.lock().unwrap().push(payload);
        passes
    });
    let mut batch = Datagrams::new();
    fill(&mut batch, &["one", "no", "two", "three"]);
    {
        let mut sending = task::spawn(poll_fn(|cx| transport.poll_send(cx, &mut batch)));
        assert_pending!(sending.poll());
        assert!(sending.is_woken());
        assert_pending!(sending.poll());
        assert_ready_ok!(sending.poll());
    }
    assert!(batch.is_empty());
    assert_eq!(*sent.lock().unwrap(), ["one", "two", "three"]);
    assert_eq!(*asked.lock().unwrap(), ["one", "no", "two", "three"]);

    // What comes while others wait goes behind them, and not past the filter.
    fill(&mut batch, &["four", "five"]);
    {
        let mut sending = task::spawn(poll_fn(|cx| transport.poll_send(cx, &mut batch)));
        assert_pending!(sending.poll());
    }
    fill(&mut batch, &["no", "six"]);
    {
        let mut sending = task::spawn(poll_fn(|cx| transport.poll_send(cx, &mut batch)));
        assert_ready_ok!(sending.poll());
    }
    assert!(batch.is_empty());
    assert_eq!(
        *sent.lock().unwrap(),
        ["one", "two", "three", "four", "five", "six"]
    );
    assert_eq!(asked.lock().unwrap().len(), 8);
}

#[test]
fn a_batch_that_is_dropped_as_a_whole_does_not_reach_the_transport() {
    let mut transport = Scripted::default().filter(|_, _, _| false);
    let mut batch = Datagrams::new();
    fill(&mut batch, &["one", "two"]);
    let mut sending = task::spawn(poll_fn(|cx| transport.poll_send(cx, &mut batch)));
    // It has room for nothing.
    assert_ready_ok!(sending.poll());
}
