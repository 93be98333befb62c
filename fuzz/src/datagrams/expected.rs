//! RFC 1928 section 7 once more, by itself.

use tower_socks::proto::Address;

use super::decoded;

/// What an association does with fragments and with ports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) reassembles: bool,
    pub(super) any_port: bool,
}

/// What has to come out of an association.
#[derive(Debug)]
pub(super) struct Expected {
    terms: Terms,
    /// Which of the client's sockets is heard and answered.
    pub(super) client: Option<usize>,
    queue: Option<Queue>,
    pub(super) datagrams: Vec<(Address, Vec<u8>)>,
}

#[derive(Debug)]
struct Queue {
    target: Address,
    payloads: Vec<Vec<u8>>,
}

impl Expected {
    pub(super) const fn new(terms: Terms) -> Self {
        Self {
            terms,
            client: None,
            queue: None,
            datagrams: Vec::new(),
        }
    }

    /// Something comes from a socket of the client's.
    pub(super) fn receive(&mut self, socket: usize, octets: &[u8]) {
        if !self.terms.any_port && self.client.is_some_and(|client| client != socket) {
            return;
        }
        let Some((header, payload)) = decoded(octets) else {
            return;
        };
        self.client = Some(socket);
        if header.fragment == 0 {
            self.datagrams.push((header.address, payload.to_vec()));
        } else if self.terms.reassembles {
            self.reassemble(header.fragment, header.address, payload);
        }
    }

    fn reassemble(&mut self, fragment: u8, target: Address, payload: &[u8]) {
        let position = usize::from(fragment & 0x7f);
        let highest = self.queue.as_ref().map_or(0, |queue| queue.payloads.len());
        if let Some(queue) = &self.queue
            && usize::from(fragment) == highest
            && queue.target == target
            && queue.payloads.last().is_some_and(|last| last == payload)
        {
            return; // the network had it twice
        }
        if position <= highest {
            self.queue = None;
        }
        if position == 1 && self.queue.is_none() {
            let target = target.clone();
            let payloads = Vec::new();
            self.queue = Some(Queue { target, payloads });
        }
        let Some(mut queue) = self.queue.take() else {
            return;
        };
        if position != queue.payloads.len() + 1 || queue.target != target {
            return;
        }
        queue.payloads.push(payload.to_vec());
        if fragment & 0x80 == 0 {
            self.queue = Some(queue);
        } else {
            self.datagrams.push((queue.target, queue.payloads.concat()));
        }
    }
}
