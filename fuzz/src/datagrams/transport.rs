//! A transport in memory.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tower_socks::{
    datagram::{DatagramTransport, Datagrams},
    proto::Address,
};

use super::MARK;

/// A way on that keeps what is sent, and answers what it is told to.
#[derive(Clone, Debug, Default)]
pub(super) struct Way(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) sent: Vec<(Address, Vec<u8>)>,
    /// How often it is busy before it takes something.
    pub(super) busy: u8,
    pub(super) answers: VecDeque<(Address, Vec<u8>)>,
    waker: Option<Waker>,
}

impl Way {
    pub(super) fn open(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets these come back.
    pub(super) fn answer(&self, answers: &[(Address, Vec<u8>)]) {
        let waker = {
            let mut kept = self.open();
            kept.answers.extend(answers.iter().cloned());
            kept.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    pub(super) fn has_mark(&self) -> bool {
        self.open()
            .sent
            .last()
            .is_some_and(|(_, last)| last == MARK)
    }
}

impl DatagramTransport for Way {
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        let mut kept = self.open();
        if kept.busy > 0 {
            kept.busy -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let datagrams = out
            .iter()
            .map(|(target, payload)| (target.clone(), payload.to_vec()));
        kept.sent.extend(datagrams);
        out.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        let mut kept = self.open();
        if kept.answers.is_empty() {
            kept.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        while let Some((source, payload)) = kept.answers.pop_front() {
            into.push(source, &payload);
        }
        Poll::Ready(Ok(()))
    }
}
