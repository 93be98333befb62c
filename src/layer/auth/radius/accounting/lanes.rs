//! The queue: lanes, in each of which one record is sent after the other.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::records::Told;
use crate::admission::LogBudget;

/// Lanes, and so packets that wait for an answer at once.
const LANES: usize = 64;

pub(super) struct Lanes {
    most: usize,
    state: Mutex<State>,
    lines: LogBudget,
}

struct State {
    lanes: Vec<Lane>,
    len: usize,
    dropped: u64,
}

#[derive(Default)]
struct Lane {
    records: VecDeque<Arc<Told>>,
    is_under_way: bool,
}

/// Records by how much is lost with them.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Interim,
    Start,
    Stop,
}

impl Kind {
    /// How full the queue may be for it.
    const fn most(self, most: usize) -> usize {
        match self {
            Self::Interim => most / 2,
            Self::Start => most - most / 4,
            Self::Stop => most,
        }
    }
}

impl Lanes {
    pub(super) fn new(most: usize) -> Self {
        let lanes = std::iter::repeat_with(Lane::default).take(LANES);
        Self {
            most,
            state: Mutex::new(State {
                lanes: lanes.collect(),
                len: 0,
                dropped: 0,
            }),
            lines: LogBudget::new(4, Duration::from_secs(60)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.state().len
    }

    pub(super) fn dropped(&self) -> u64 {
        self.state().dropped
    }

    /// Puts a record into the lane of its session. Returns whether there was room.
    pub(super) fn put(&self, told: Told, kind: Kind) -> bool {
        let mut state = self.state();
        if state.len >= kind.most(self.most) {
            drop(state);
            self.count_lost("the queue is full");
            return false;
        }
        let lane = told.lane(LANES);
        if let Some(lane) = state.lanes.get_mut(lane) {
            lane.records.push_back(Arc::new(told));
            state.len += 1;
        }
        true
    }

    /// The first records of all lanes of which none is being sent. They are from here on.
    pub(super) fn next(&self) -> Vec<(usize, Arc<Told>)> {
        let mut state = self.state();
        let lanes = state.lanes.iter_mut().enumerate();
        let idle = lanes.filter(|(_, lane)| !lane.is_under_way);
        let next = idle.filter_map(|(at, lane)| {
            let first = lane.records.front().cloned()?;
            lane.is_under_way = true;
            Some((at, first))
        });
        next.collect()
    }

    /// The first record of a lane is sent. Returns the next one of it.
    pub(super) fn sent(&self, lane: usize) -> Option<Arc<Told>> {
        let mut state = self.state();
        let found = state.lanes.get_mut(lane)?;
        let sent = found.records.pop_front();
        let next = found.records.front().cloned();
        found.is_under_way = next.is_some();
        state.len -= usize::from(sent.is_some());
        next
    }

    /// Nothing is being sent.
    pub(super) fn restart(&self) {
        for lane in &mut self.state().lanes {
            lane.is_under_way = false;
        }
    }

    /// A record could not be sent.
    pub(super) fn lose(&self) {
        self.count_lost("no server has taken a record for too long");
    }

    fn count_lost(&self, why: &str) {
        let mut state = self.state();
        state.dropped += 1;
        let dropped = state.dropped;
        drop(state);
        if let Some(suppressed) = self.lines.take() {
            tracing::warn!(
                suppressed = suppressed.field(),
                "RADIUS accounting: {why}; {dropped} records are lost by now"
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
