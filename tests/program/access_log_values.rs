//! How the access log writes values in JSON: as formats and parsers have them.

#[path = "../../examples/server/access_log/values.rs"]
pub(crate) mod values;

use std::{fmt::Write, net::IpAddr, time::SystemTime};

use values::{Escaped, Exact, digits, fraction, write_id, write_ip, write_time};

fn line(write: impl FnOnce(&mut String)) -> String {
    let mut line = String::new();
    write(&mut line);
    line
}

#[test]
fn numbers_are_written_as_formats_write_them() {
    for number in [0, 7, 10, 99, 100, 65_535, 1 << 53, u64::MAX - 1, u64::MAX] {
        assert_eq!(line(|line| digits(line, number)), number.to_string());
    }
    for (number, expected) in [
        (0, ".000000"),
        (1, ".000001"),
        (999_999, ".999999"),
        (250_000, ".250000"),
    ] {
        assert_eq!(line(|line| fraction(line, number, 6)), expected);
    }
}

#[test]
fn ids_are_written_as_formats_write_them() {
    for (instance, number) in [(0, 1), (0x0123_4567_89ab_cdef, 10), (u64::MAX, u64::MAX)] {
        let expected = format!("{instance:016x}-{number}");
        assert_eq!(line(|line| write_id(line, instance, number)), expected);
    }
}

#[test]
fn addresses_are_written_as_formats_write_them() {
    for address in [
        "0.0.0.0",
        "1.10.99.100",
        "192.0.2.1",
        "255.255.255.255",
        "::1",
        "2001:db8::a",
        "::ffff:1.2.3.4",
    ] {
        let parsed: IpAddr = address.parse().unwrap();
        assert_eq!(line(|line| write_ip(line, parsed)), address);
    }
}

#[test]
fn times_are_written_as_formats_write_them() {
    // The same second and others, back and forth; a leap day; the last one of a year; one before 1970.
    for (second, nanos) in [
        (1_709_209_845, 0),
        (1_709_209_845, 999_999_999),
        (1_709_209_846, 1_000_000),
        (1_709_209_845, 7_654_321),
        (1_798_761_599, 50_000_000),
        (0, 0),
        (-1, 500_000_000),
    ] {
        let timestamp = jiff::Timestamp::new(second, nanos).unwrap();
        let time = SystemTime::from(timestamp);
        assert_eq!(
            line(|line| write_time(line, time, Exact::Milliseconds)),
            format!("{timestamp:.3}")
        );
    }
}

#[test]
fn texts_are_escaped_wherever_they_need_it() {
    for (text, expected) in [
        ("plain ~text", "plain ~text"),
        ("a\"b", "a\\\"b"),
        ("a\\b", "a\\\\b"),
        ("a\nb", "a\\u000ab"),
        ("\u{202e}a", "\\u202ea"),
        ("ä", "ä"),
        ("\u{1f600}", "\\ud83d\\ude00"),
    ] {
        assert_eq!(line(|line| _ = Escaped(line).write_str(text)), expected);
    }
}
