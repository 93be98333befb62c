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
    Event, Level,
    field::{Field, Visit},
};
use tracing_subscriber::field::RecordFields;

use super::values::{Exact, digits, write_time};

/// What the bridge from the `log` crate calls all of its events.
const FOREIGN: &str = "log event";

/// Where such an event comes from, and the beginning of its fields that are no part of what it says.
const FOREIGN_TARGET: &str = "log.target";
const FOREIGN_FIELDS: &str = "log.";

thread_local! {
    /// The line that is about to be written, or fields of one.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Formats fields: `name=value`, and a message as it is.
pub(super) fn with_fields<T>(fields: impl RecordFields, done: impl FnOnce(&str) -> T) -> T {
    // What is formatted may log itself.
    let mut line = LINE.take();
    line.clear();
    // What cannot be formatted is left out.
    _ = Visitor::visit(&mut line, fields, false);
    let outcome = done(&line);
    LINE.set(line);
    outcome
}

/// Formats an event: time, level, spans with their fields, target, message and fields.
pub(super) fn with_line(
    event: &Event<'_>,
    scope: Option<impl FnOnce(&mut String)>,
    done: impl FnOnce(&str),
) {
    let about = event.metadata();
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
    if let Some(scope) = scope {
        scope(&mut line);
        line.push(' ');
    }
    let is_foreign = about.name() == FOREIGN;
    let before = line.len();
    if is_foreign {
        event.record(&mut Target(&mut line));
    }
    if line.len() == before {
        line.push_str(about.target());
    }
    line.push_str(": ");
    let written = Visitor::visit(&mut line, event, is_foreign);
    line.push('\n');
    if written.is_ok() {
        done(&line);
    }
    LINE.set(line);
}

/// Writes where an event of the `log` crate comes from.
struct Target<'a>(&'a mut String);

impl Visit for Target<'_> {
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == FOREIGN_TARGET {
            self.0.push_str(value);
        }
    }
}

struct Visitor<'a> {
    line: &'a mut String,
    is_first: bool,
    is_foreign: bool,
    written: fmt::Result,
}

impl<'a> Visitor<'a> {
    fn visit(line: &'a mut String, fields: impl RecordFields, is_foreign: bool) -> fmt::Result {
        let mut visitor = Self {
            line,
            is_first: true,
            is_foreign,
            written: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.written
    }

    /// Whether a field says what the line has said already.
    fn is_said(&self, field: &Field) -> bool {
        self.is_foreign && field.name().starts_with(FOREIGN_FIELDS)
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
        if self.is_said(field) {
            return;
        }
        let written = match self.name(field) {
            true => write!(Sanitized(self.line), "{value:?}"),
            false => write!(self.line, "{value:?}"),
        };
        self.written = self.written.and(written);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if self.is_said(field) {
            return;
        }
        self.name(field);
        digits(self.line, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if self.is_said(field) {
            return;
        }
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
