//! Filters of searches as text (RFC 4515), with places for the user's name and DN.
//!
//! What is put into these places goes into the encoded request, octet by octet, and never through the text: so nothing in a name
//! has a meaning there.

use super::ber::{BOOLEAN, OCTETS, SEQUENCE, element, nest};

/// Parentheses within each other.
const DEEPEST: usize = 16;

/// A filter, once it is parsed.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    /// Of these, by the tag that says how they hold together.
    Several(u8, Vec<Self>),
    Not(Box<Self>),
    Present(String),
    /// By the tag that says how they are compared.
    Compare(u8, String, Value),
    /// Parts between asterisks: what begins, what is in it, what ends.
    Substrings(String, Vec<(u8, Value)>),
    Extensible {
        attribute: String,
        rule: String,
        of_dn: bool,
        value: Value,
    },
}

/// A value of a filter, of parts.
pub(super) type Value = Vec<Part>;

#[derive(Clone, Debug)]
pub(super) enum Part {
    Octets(Vec<u8>),
    /// `{user}`.
    User,
    /// `{dn}`.
    Dn,
}

/// What is put into the places.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) user: &'a str,
    pub(super) dn: &'a str,
}

const AND: u8 = 0xa0;
const OR: u8 = 0xa1;
const NOT: u8 = 0xa2;
const EQUAL: u8 = 0xa3;
const SUBSTRINGS: u8 = 0xa4;
const AT_LEAST: u8 = 0xa5;
const AT_MOST: u8 = 0xa6;
const PRESENT: u8 = 0x87;
const LIKE: u8 = 0xa8;
const EXTENSIBLE: u8 = 0xa9;

impl Filter {
    /// Parses a filter.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (filter, rest) = Self::one(text.trim(), 0)?;
        match rest {
            "" => Ok(filter),
            rest => Err(format!("`{rest}` is behind the last parenthesis")),
        }
    }

    /// `(objectClass=*)`, which all entries fit.
    pub(super) fn all() -> Self {
        Self::Present("objectClass".into())
    }

    fn one(text: &str, depth: usize) -> Result<(Self, &str), String> {
        if depth > DEEPEST {
            return Err(format!(
                "there are more than {DEEPEST} parentheses within each other"
            ));
        }
        let Some(inside) = text.strip_prefix('(') else {
            return Err(format!("`{text}` does not begin with a parenthesis"));
        };
        let unclosed = || format!("a parenthesis is not closed: `{text}`");
        if let Some(mut rest) = inside.strip_prefix(['&', '|']) {
            let tag = if inside.starts_with('&') { AND } else { OR };
            let mut all = Vec::new();
            while rest.starts_with('(') {
                let (filter, after) = Self::one(rest, depth + 1)?;
                all.push(filter);
                rest = after;
            }
            let rest = rest.strip_prefix(')').ok_or_else(unclosed)?;
            if all.is_empty() {
                return Err(format!("there is nothing in `{text}`"));
            }
            return Ok((Self::Several(tag, all), rest));
        }
        if let Some(inside) = inside.strip_prefix('!') {
            let (filter, rest) = Self::one(inside, depth + 1)?;
            let rest = rest.strip_prefix(')').ok_or_else(unclosed)?;
            return Ok((Self::Not(Box::new(filter)), rest));
        }
        let (item, rest) = inside.split_once(')').ok_or_else(unclosed)?;
        Ok((Self::item(item)?, rest))
    }

    fn item(item: &str) -> Result<Self, String> {
        let (left, value) = item
            .split_once('=')
            .ok_or_else(|| format!("there is no `=` in `({item})`"))?;
        let named = |name: &str| {
            let is_of_name = |shown: char| shown.is_ascii_alphanumeric() || "-.;_".contains(shown);
            match !name.is_empty() && name.chars().all(is_of_name) {
                true => Ok(name.to_owned()),
                false => Err(format!("`{name}` is no attribute")),
            }
        };
        if let Some(left) = left.strip_suffix(':') {
            let mut parts = left.split(':');
            let attribute = parts.next().unwrap_or_default().to_owned();
            let (of_dn, rule): (Vec<_>, Vec<_>) = parts.partition(|part| *part == "dn");
            return Ok(Self::Extensible {
                attribute,
                rule: rule.concat(),
                of_dn: !of_dn.is_empty(),
                value: parse_value(value)?,
            });
        }
        for (end, tag) in [('>', AT_LEAST), ('<', AT_MOST), ('~', LIKE)] {
            if let Some(name) = left.strip_suffix(end) {
                return Ok(Self::Compare(tag, named(name)?, parse_value(value)?));
            }
        }
        let attribute = named(left)?;
        if value == "*" {
            return Ok(Self::Present(attribute));
        }
        let parts: Vec<&str> = value.split('*').collect();
        let last = parts.len() - 1;
        if last == 0 {
            return Ok(Self::Compare(EQUAL, attribute, parse_value(value)?));
        }
        let mut substrings = Vec::new();
        for (at, part) in parts.into_iter().enumerate() {
            let tag = match at {
                0 => 0x80,
                at if at == last => 0x82,
                _ => 0x81,
            };
            if !part.is_empty() {
                substrings.push((tag, parse_value(part)?));
            }
        }
        match substrings.is_empty() {
            true => Err(format!(
                "there is nothing between the asterisks of `({item})`"
            )),
            false => Ok(Self::Substrings(attribute, substrings)),
        }
    }

    /// Whether the user is named in it.
    pub(super) fn names_user(&self) -> bool {
        let in_value = |value: &Value| {
            let mut parts = value.iter();
            parts.any(|part| matches!(part, Part::User | Part::Dn))
        };
        match self {
            Self::Several(_, all) => all.iter().any(Self::names_user),
            Self::Not(one) => one.names_user(),
            Self::Present(_) => false,
            Self::Compare(_, _, value) | Self::Extensible { value, .. } => in_value(value),
            Self::Substrings(_, parts) => parts.iter().any(|(_, value)| in_value(value)),
        }
    }

    /// Encodes it for a user.
    pub(super) fn encode(&self, places: Places<'_>) -> Vec<u8> {
        let fill = |value: &Value| {
            let mut filled = Vec::new();
            for part in value {
                filled.extend_from_slice(match part {
                    Part::Octets(octets) => octets,
                    Part::User => places.user.as_bytes(),
                    Part::Dn => places.dn.as_bytes(),
                });
            }
            filled
        };
        match self {
            Self::Several(tag, all) => {
                let all: Vec<_> = all.iter().map(|one| one.encode(places)).collect();
                nest(*tag, &all)
            }
            Self::Not(one) => element(NOT, &one.encode(places)),
            Self::Present(attribute) => element(PRESENT, attribute.as_bytes()),
            Self::Compare(tag, attribute, value) => nest(
                *tag,
                &[
                    element(OCTETS, attribute.as_bytes()),
                    element(OCTETS, &fill(value)),
                ],
            ),
            Self::Substrings(attribute, parts) => {
                let parts = parts.iter().map(|(tag, value)| element(*tag, &fill(value)));
                let parts: Vec<_> = parts.collect();
                let attribute = element(OCTETS, attribute.as_bytes());
                nest(SUBSTRINGS, &[attribute, nest(SEQUENCE, &parts)])
            }
            Self::Extensible {
                attribute,
                rule,
                of_dn,
                value,
            } => {
                let mut parts = Vec::new();
                for (tag, text) in [(0x81, rule), (0x82, attribute)] {
                    if !text.is_empty() {
                        parts.push(element(tag, text.as_bytes()));
                    }
                }
                parts.push(element(0x83, &fill(value)));
                if *of_dn {
                    // [4] BOOLEAN TRUE.
                    parts.push(element(0x80 | (BOOLEAN + 3), &[0xff]));
                }
                nest(EXTENSIBLE, &parts)
            }
        }
    }
}

/// Parses a value: `\2a` is an octet, and `{user}` and `{dn}` are places.
fn parse_value(text: &str) -> Result<Value, String> {
    let mut parts = Vec::new();
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let place = [("{user}", Part::User), ("{dn}", Part::Dn)];
        let place = place.into_iter().find(|(place, _)| rest.starts_with(place));
        if let Some((place, part)) = place {
            if !octets.is_empty() {
                parts.push(Part::Octets(std::mem::take(&mut octets)));
            }
            parts.push(part);
            rest = rest.get(place.len()..).unwrap_or_default();
        } else if first == '\\' {
            let hex = rest
                .get(1..3)
                .filter(|hex| hex.bytes().all(|octet| octet.is_ascii_hexdigit()));
            let octet = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            octets.push(octet.ok_or_else(|| {
                format!("two hexadecimal digits have to follow `\\` in `{text}`")
            })?);
            rest = rest.get(3..).unwrap_or_default();
        } else if first == '{' || first == '}' {
            return Err(format!(
                "`{text}` has a brace; places are {{user}} and {{dn}}, and a brace is \\7b or \\7d"
            ));
        } else {
            octets.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    if !octets.is_empty() {
        parts.push(Part::Octets(octets));
    }
    Ok(parts)
}
