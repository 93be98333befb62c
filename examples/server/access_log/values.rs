//! Texts, numbers, addresses and times, as JSON has them, written into a line without copies.

use std::{
    cell::RefCell,
    fmt::{self, Write},
    net::IpAddr,
    time::SystemTime,
};

/// The text of a JSON string. What could reorder or hide what people see of a line is escaped as well.
pub(crate) struct Escaped<'a>(pub(crate) &'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_plain = |octet: u8| matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\');
        if text.bytes().all(is_plain) {
            self.0.push_str(text);
            return Ok(());
        }
        for shown in text.chars() {
            match shown {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                ' '..='~' => self.0.push(shown),
                _ if shown.is_alphanumeric() => self.0.push(shown),
                _ => {
                    let mut units = [0; 2];
                    for unit in shown.encode_utf16(&mut units) {
                        write!(self.0, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A number. The machinery of formats takes several times as long, and a line has a dozen.
pub(crate) fn digits(line: &mut String, number: u64) {
    write_digits(line, number, 1);
}

/// What follows the point, with as many digits.
pub(crate) fn fraction(line: &mut String, number: u32, digits: usize) {
    line.push('.');
    write_digits(line, number.into(), digits);
}

fn write_digits(line: &mut String, mut number: u64, least: usize) {
    let mut room = [b'0'; 20];
    let mut len = 0;
    for place in room.iter_mut().rev() {
        if number == 0 && len >= least {
            break;
        }
        *place += u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        len += 1;
    }
    let digits = room.get(room.len() - len..).unwrap_or_default();
    line.push_str(str::from_utf8(digits).unwrap_or_default());
}

/// The id of a session: 16 digits of what all have in common, and its number.
pub(crate) fn write_id(line: &mut String, instance: u64, number: u64) {
    let mut room = [b'-'; 17];
    for (place, shift) in room.iter_mut().zip((0..16).rev()) {
        let half = (instance >> (4 * shift) & 15) as u8;
        *place = half + if half < 10 { b'0' } else { b'a' - 10 };
    }
    line.push_str(str::from_utf8(&room).unwrap_or_default());
    digits(line, number);
}

/// An address. All of one of IPv4 at once, since a line has several.
pub(crate) fn write_ip(line: &mut String, address: IpAddr) {
    let address = match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => {
            _ = write!(line, "{address}");
            return;
        }
    };
    let mut room = [0; 15];
    let mut places = room.iter_mut();
    let mut len = 0;
    let mut put = |octet: u8| {
        if let Some(place) = places.next() {
            *place = octet;
            len += 1;
        }
    };
    for (number, octet) in address.octets().into_iter().enumerate() {
        if number > 0 {
            put(b'.');
        }
        if octet >= 100 {
            put(b'0' + octet / 100);
        }
        if octet >= 10 {
            put(b'0' + octet / 10 % 10);
        }
        put(b'0' + octet % 10);
    }
    let text = room.get(..len).unwrap_or_default();
    line.push_str(str::from_utf8(text).unwrap_or_default());
}

thread_local! {
    /// The last second that was written, and its text: lines of a busy server are of the same ones.
    static LAST: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// How exact a time is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Exact {
    Milliseconds,
    Microseconds,
}

pub(crate) fn write_time(line: &mut String, time: SystemTime, exact: Exact) {
    let Ok(since) = time.duration_since(SystemTime::UNIX_EPOCH) else {
        // Before all of this.
        if let Ok(time) = jiff::Timestamp::try_from(time) {
            _ = match exact {
                Exact::Milliseconds => write!(line, "{time:.3}"),
                Exact::Microseconds => write!(line, "{time:.6}"),
            };
        }
        return;
    };
    LAST.with_borrow_mut(|(second, text)| {
        if *second != since.as_secs() || text.is_empty() {
            *second = since.as_secs();
            text.clear();
            let time = i64::try_from(*second).ok();
            let time = time.and_then(|second| jiff::Timestamp::from_second(second).ok());
            if let Some(time) = time {
                _ = write!(text, "{time:.0}");
                text.truncate(text.trim_end_matches('Z').len());
            }
        }
        if !text.is_empty() {
            line.push_str(text);
            match exact {
                Exact::Milliseconds => fraction(line, since.subsec_millis(), 3),
                Exact::Microseconds => fraction(line, since.subsec_micros(), 6),
            }
            line.push('Z');
        }
    });
}
