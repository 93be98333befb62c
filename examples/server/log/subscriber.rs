//! What hears of spans and events, and writes lines of text.
//!
//! `tracing_subscriber`'s registry keeps a map of extensions for each span, which many layers can share. Here is one
//! that writes, and a session holds a span for as long as it lives: [`Spans`] takes a fraction of the memory.

use std::io::Write;

use tracing::{
    Event, Metadata, Subscriber, dispatcher,
    span::{Attributes, Id, Record},
};
use tracing_core::span::Current;
use tracing_subscriber::fmt::MakeWriter;

use super::{
    spans::{self, Spans},
    text,
};

/// Writes a line for each event. A layer above decides of which.
pub(crate) struct Lines<W> {
    spans: Spans,
    writer: W,
}

impl<W> Lines<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self {
            spans: Spans::default(),
            writer,
        }
    }
}

impl<W> Subscriber for Lines<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let current = spans::current().filter(|_| span.is_contextual());
        let parent = span.parent().or(current.as_ref());
        text::with_fields(span, |fields| {
            self.spans.open(span.metadata(), parent, fields)
        })
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        text::with_fields(values, |fields| self.spans.record(id, fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let current = spans::current().filter(|_| event.is_contextual());
        let within = event.parent().or(current.as_ref());
        let scope = within.map(|id| |line: &mut String| self.spans.write(id, line));
        text::with_line(event, scope, |line| {
            let mut writer = self.writer.make_writer_for(event.metadata());
            // A line that cannot be written is no reason to stop, and the writer counts it.
            _ = writer.write_all(line.as_bytes());
        });
    }

    fn enter(&self, id: &Id) {
        spans::enter(id);
    }

    fn exit(&self, id: &Id) {
        spans::exit(id);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.spans.hold(id);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let (is_closed, parent) = self.spans.let_go(&id);
        if let Some(parent) = parent {
            // Through all layers, which have to hear of it as well.
            dispatcher::get_default(|dispatch| dispatch.try_close(parent.clone()));
        }
        is_closed
    }

    fn current_span(&self) -> Current {
        let current = spans::current();
        let known = current.and_then(|id| Some((self.spans.about(&id)?, id)));
        known.map_or_else(Current::none, |(about, id)| Current::new(id, about))
    }
}
