//! The tasks of the two halves of a socket.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
};

/// A half of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Half {
    Sender,
    Receiver,
}

/// The tasks that wait, each with one half. As a waker of its own it wakes both: a stream remembers one task that
/// waits for room, and whichever half comes first goes on for the other.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    sender: Mutex<Option<Waker>>,
    receiver: Mutex<Option<Waker>>,
}

impl Wakers {
    fn of(&self, half: Half) -> &Mutex<Option<Waker>> {
        match half {
            Half::Sender => &self.sender,
            Half::Receiver => &self.receiver,
        }
    }

    pub(super) fn register(&self, half: Half, waker: &Waker) {
        let mut slot = self.of(half).lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Some(registered) => registered.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    pub(super) fn wake_half(&self, half: Half) {
        let slot = self.of(half).lock();
        let waker = slot.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn wake_both(&self) {
        self.wake_half(Half::Sender);
        self.wake_half(Half::Receiver);
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_both();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_both();
    }
}
