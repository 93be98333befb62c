//! Spans that are open, and what lines say of them.
//!
//! Each session has one for as long as it lives, so they are small: a place in a vector, and the text of their fields.

use std::{
    cell::RefCell,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tracing::{Metadata, span::Id};

/// Threads that open spans seldom wait for each other: each has one of so many vectors.
const SHARDS: usize = 16;

/// Bits of an [`Id`]: the shard, the place in it, which of the spans of the shard it is, and one that is set.
const SHARD_BITS: u32 = SHARDS.trailing_zeros();
const PLACE_BITS: u32 = 28;
const NUMBER_BITS: u32 = u64::BITS - 1 - SHARD_BITS - PLACE_BITS;

/// The spans of a log.
#[derive(Default)]
pub(super) struct Spans {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    places: Vec<Option<Span>>,
    free: Vec<u32>,
    /// Of the last one that was opened.
    number: u32,
}

struct Span {
    about: &'static Metadata<'static>,
    parent: Option<Id>,
    fields: Box<str>,
    handles: u32,
    /// Tells it from others of its place.
    number: u32,
}

thread_local! {
    /// Those in which the thread is, outermost first. Who is in a span holds it.
    static ENTERED: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
    static SHARD: u32 = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        u32::try_from(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS).unwrap_or(0)
    };
}

/// Where a span is, as its [`Id`] says it.
#[derive(Clone, Copy)]
struct At {
    shard: u32,
    place: u32,
    number: u32,
}

impl At {
    fn of(id: &Id) -> Self {
        let id = id.into_u64();
        let part = |from: u32, bits: u32| u32::try_from((id >> from) & ((1 << bits) - 1));
        Self {
            shard: part(0, SHARD_BITS).unwrap_or(0),
            place: part(SHARD_BITS, PLACE_BITS).unwrap_or(0),
            number: part(SHARD_BITS + PLACE_BITS, NUMBER_BITS).unwrap_or(0),
        }
    }

    fn id(self) -> Id {
        let number = u64::from(self.number) << (SHARD_BITS + PLACE_BITS);
        let place = u64::from(self.place) << SHARD_BITS;
        Id::from_u64(1 << (u64::BITS - 1) | number | place | u64::from(self.shard))
    }
}

impl Shard {
    fn span(&mut self, at: At) -> Option<&mut Span> {
        let span = self.places.get_mut(at.place as usize)?.as_mut();
        span.filter(|span| span.number == at.number)
    }

    fn remove(&mut self, at: At) -> Option<Span> {
        let span = self.places.get_mut(at.place as usize)?.take();
        self.free.push(at.place);
        if self.free.len() == self.places.len() {
            // A crowd that is gone leaves no room behind.
            self.free = Vec::new();
            self.places = Vec::new();
        }
        span
    }
}

impl Spans {
    fn shard(&self, at: At) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.shards.get(at.shard as usize)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens one. Its parent stays open as long.
    pub(super) fn open(
        &self,
        about: &'static Metadata<'static>,
        parent: Option<&Id>,
        fields: &str,
    ) -> Id {
        if let Some(parent) = parent {
            self.hold(parent);
        }
        let mut at = At {
            shard: SHARD.with(|shard| *shard),
            place: 0,
            number: 0,
        };
        let Some(mut shard) = self.shard(at) else {
            return at.id(); // there is one for each number
        };
        shard.number = (shard.number + 1) & ((1 << NUMBER_BITS) - 1);
        at.number = shard.number;
        let span = Some(Span {
            about,
            parent: parent.cloned(),
            fields: fields.into(),
            handles: 1,
            number: at.number,
        });
        match shard.free.pop() {
            Some(place) => {
                at.place = place;
                if let Some(free) = shard.places.get_mut(place as usize) {
                    *free = span;
                }
            }
            None => {
                // More do not fit into memory.
                at.place = u32::try_from(shard.places.len()).unwrap_or(u32::MAX);
                shard.places.push(span);
            }
        }
        at.id()
    }

    /// Appends to its fields.
    pub(super) fn record(&self, id: &Id, fields: &str) {
        let at = At::of(id);
        let Some(mut shard) = self.shard(at) else {
            return;
        };
        let Some(span) = shard.span(at).filter(|_| !fields.is_empty()) else {
            return;
        };
        let mut all = std::mem::take(&mut span.fields).into_string();
        let separator = if all.is_empty() { "" } else { " " };
        all.reserve_exact(separator.len() + fields.len());
        all.push_str(separator);
        all.push_str(fields);
        span.fields = all.into_boxed_str();
    }

    /// Holds it once more.
    pub(super) fn hold(&self, id: &Id) {
        let at = At::of(id);
        if let Some(mut shard) = self.shard(at)
            && let Some(span) = shard.span(at)
        {
            span.handles = span.handles.saturating_add(1);
        }
    }

    /// Lets go of it. Returns whether that was the last hold, and the parent that it has held.
    pub(super) fn let_go(&self, id: &Id) -> (bool, Option<Id>) {
        let at = At::of(id);
        let Some(mut shard) = self.shard(at) else {
            return (false, None);
        };
        let Some(span) = shard.span(at) else {
            return (false, None);
        };
        span.handles -= 1;
        if span.handles > 0 {
            return (false, None);
        }
        let span = shard.remove(at);
        drop(shard);
        (true, span.and_then(|span| span.parent))
    }

    /// What it is about.
    pub(super) fn about(&self, id: &Id) -> Option<&'static Metadata<'static>> {
        let at = At::of(id);
        self.shard(at)?.span(at).map(|span| span.about)
    }

    /// Writes it with those around it, outermost first, each with its fields.
    pub(super) fn write(&self, id: &Id, line: &mut String) {
        let at = At::of(id);
        let Some(mut shard) = self.shard(at) else {
            return;
        };
        if let Some(parent) = shard.span(at).and_then(|span| span.parent.clone()) {
            drop(shard);
            self.write(&parent, line);
            let Some(again) = self.shard(at) else {
                return;
            };
            shard = again;
        }
        let Some(Span { about, fields, .. }) = shard.span(at) else {
            return;
        };
        line.push_str(about.name());
        if !fields.is_empty() {
            line.push('{');
            line.push_str(fields);
            line.push('}');
        }
        line.push(':');
    }
}

/// Enters it on this thread.
pub(super) fn enter(id: &Id) {
    ENTERED.with_borrow_mut(|entered| entered.push(id.clone()));
}

/// Leaves it, which need not be the innermost one.
pub(super) fn exit(id: &Id) {
    ENTERED.with_borrow_mut(|entered| {
        if let Some(place) = entered.iter().rposition(|known| known == id) {
            entered.remove(place);
        }
    });
}

/// The innermost one that this thread is in.
pub(super) fn current() -> Option<Id> {
    ENTERED.with_borrow(|entered| entered.last().cloned())
}
