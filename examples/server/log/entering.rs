//! Spans that are entered once something is logged in them, and not before.
//!
//! A session is in its span whenever it is polled, that is with each message that it moves, and logs two or three
//! lines in all. For what writes them, to enter and to leave a span is a good part of what a short message costs.

use std::cell::RefCell;

use tracing::{
    Event, Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_core::span::Current;

/// Tells a subscriber of the spans that are entered when it has to know.
pub(crate) struct Entering<S>(S);

/// A span in which the thread is.
struct Entered {
    id: Id,
    /// The subscriber knows.
    is_told: bool,
}

thread_local! {
    /// From the outermost on. Those that the subscriber knows of come first.
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
}

impl<S: Subscriber> Entering<S> {
    pub(crate) const fn new(subscriber: S) -> Self {
        Self(subscriber)
    }

    /// Tells of all spans.
    fn tell(&self) {
        let is_told = ENTERED.with_borrow(|entered| entered.last().is_none_or(|last| last.is_told));
        if is_told {
            return;
        }
        // Not while it is borrowed: the subscriber may ask for something itself.
        let mut entered = ENTERED.take();
        for span in entered.iter_mut().filter(|span| !span.is_told) {
            self.0.enter(&span.id);
            span.is_told = true;
        }
        ENTERED.set(entered);
    }
}

impl<S: Subscriber> Subscriber for Entering<S> {
    fn enter(&self, span: &Id) {
        let id = span.clone();
        ENTERED.with_borrow_mut(|entered| entered.push(Entered { id, is_told: false }));
    }

    fn exit(&self, span: &Id) {
        let left = ENTERED.with_borrow_mut(|entered| {
            let place = entered.iter().rposition(|known| known.id == *span);
            place.map(|place| entered.remove(place))
        });
        if left.is_some_and(|left| left.is_told) {
            self.0.exit(span);
        }
    }

    fn event(&self, event: &Event<'_>) {
        self.tell();
        self.0.event(event);
    }

    fn event_enabled(&self, event: &Event<'_>) -> bool {
        self.tell();
        self.0.event_enabled(event)
    }

    /// A filter may go by the spans around an event.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.tell();
        self.0.enabled(metadata)
    }

    /// A span is in the one that the thread is in.
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.tell();
        self.0.new_span(span)
    }

    fn current_span(&self) -> Current {
        self.tell();
        self.0.current_span()
    }

    fn on_register_dispatch(&self, subscriber: &tracing::Dispatch) {
        self.0.on_register_dispatch(subscriber);
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.register_callsite(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.max_level_hint()
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.0.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.0.record_follows_from(span, follows);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.0.clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.0.try_close(id)
    }
}
