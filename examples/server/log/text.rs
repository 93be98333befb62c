//! Lines of text, as `tracing_subscriber` writes them to what is no terminal.
//!
//! A busy server writes one for each session, and formatting is most of what a line costs: here each part is put
//! straight into the line, without the machinery for colours.

use std::{
    cell::RefCell,
    error::Error,
    fmt::{self, Write},
    time::SystemTime,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{Format, Full, Writer},
    },
    registry::LookupSpan,
};

use super::values::{Exact, digits, write_time};

/// What the bridge from the `log` crate calls all of its events.
const FOREIGN: &str = "log event";

/// Formats an event: time, level, spans with their fields, target, message and fields.
pub(super) struct Text {
    /// Of libraries that use the `log` crate: where they come from is in their fields.
    foreign: Format<Full>,
}

impl Text {
    pub(super) fn new() -> Self {
        Self {
            foreign: Format::default().with_ansi(false),
        }
    }
}

thread_local! {
    /// The line that is about to be written, or fields of one.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl<S> FormatEvent<S, Fields> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Fields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let about = event.metadata();
        if about.name() == FOREIGN {
            return self.foreign.format_event(context, writer, event);
        }
        // What is formatted may log itself.
        let mut line = LINE.take();
        line.clear();
        write_time(&mut line, SystemTime::now(), Exact::Microseconds);
        line.push_str(match *about.level() {
            Level::ERROR => " ERROR ",
            Level::WARN => "  WARN ",
            Level::INFO => "  INFO ",
            Level::DEBUG => " DEBUG ",
            Level::TRACE => " TRACE ",
        });
        if let Some(scope) = context.event_scope() {
            for span in scope.from_root() {
                line.push_str(span.metadata().name());
                if let Some(fields) = span.extensions().get::<FormattedFields<Fields>>()
                    && !fields.is_empty()
                {
                    line.push('{');
                    line.push_str(fields);
                    line.push('}');
                }
                line.push(':');
            }
            line.push(' ');
        }
        line.push_str(about.target());
        line.push_str(": ");
        let written = Visitor::visit(&mut line, event);
        line.push('\n');
        let written = written.and_then(|()| writer.write_str(&line));
        LINE.set(line);
        written
    }
}

/// Formats fields: `name=value`, and a message as it is.
pub(super) struct Fields;

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = LINE.take();
        line.clear();
        let written = Visitor::visit(&mut line, fields);
        let written = written.and_then(|()| writer.write_str(&line));
        LINE.set(line);
        written
    }
}

struct Visitor<'a> {
    line: &'a mut String,
    is_first: bool,
    written: fmt::Result,
}

impl<'a> Visitor<'a> {
    fn visit(line: &'a mut String, fields: impl RecordFields) -> fmt::Result {
        let mut visitor = Self {
            line,
            is_first: true,
            written: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.written
    }

    /// Puts what comes before a value. Returns whether it is the message.
    fn name(&mut self, field: &Field) -> bool {
        if !std::mem::take(&mut self.is_first) {
            self.line.push(' ');
        }
        let name = field.name();
        if name == "message" {
            return true;
        }
        self.line.push_str(name.strip_prefix("r#").unwrap_or(name));
        self.line.push('=');
        false
    }
}

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match self.name(field) {
            true => write!(Sanitized(self.line), "{value:?}"),
            false => write!(self.line, "{value:?}"),
        };
        self.written = self.written.and(written);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        digits(self.line, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let written = match self.name(field) {
            true => Sanitized(self.line).write_str(value),
            false => write!(self.line, "{value:?}"),
        };
        self.written = self.written.and(written);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.name(field);
        let mut written = write!(Sanitized(self.line), "{value}");
        let mut source = value.source();
        if source.is_some() {
            let name = field.name();
            written = written.and(write!(self.line, " {name}.sources=["));
            let mut separator = "";
            while let Some(error) = source {
                self.line.push_str(separator);
                written = written.and(write!(Sanitized(self.line), "{error}"));
                separator = ", ";
                source = error.source();
            }
            self.line.push(']');
        }
        self.written = self.written.and(written);
    }
}

/// Text without what a terminal takes for a command.
struct Sanitized<'a>(&'a mut String);

impl Write for Sanitized<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
            self.0.push_str(text);
            return Ok(());
        }
        for shown in text.chars() {
            match shown {
                '\x1b' => self.0.push_str("\\x1b"),
                '\x07' => self.0.push_str("\\x07"),
                '\x08' => self.0.push_str("\\x08"),
                '\x0c' => self.0.push_str("\\x0c"),
                '\x7f' => self.0.push_str("\\x7f"),
                '\u{80}'..='\u{9f}' => write!(self.0, "\\u{{{:x}}}", u32::from(shown))?,
                _ => self.0.push(shown),
            }
        }
        Ok(())
    }
}
