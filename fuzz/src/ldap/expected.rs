//! Messages of LDAP once more, read element by element as RFC 4511 has them.

/// What a message says.
pub(super) enum Said {
    /// By the tag of its response: a code and a text.
    Outcome(u8, u32, String),
    /// A DN, and attributes with their values.
    Entry(String, Vec<(String, Vec<Vec<u8>>)>),
    Reference,
}

/// The length of the element in front with its header; `None` where it is none, or not whole.
fn len(octets: &[u8]) -> Option<(usize, usize)> {
    let (&tag, &first) = (octets.first()?, octets.get(1)?);
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (header, len) = match first {
        ..=0x7f => (2, usize::from(first)),
        0x81..=0x84 => {
            let count = usize::from(first - 0x80);
            let mut len = [0; 8];
            len[8 - count..].copy_from_slice(octets.get(2..2 + count)?);
            (2 + count, u64::from_be_bytes(len) as usize)
        }
        _ => return None,
    };
    (octets.len() - header >= len).then_some((header, header + len))
}

/// Takes the element in front.
fn take<'a>(octets: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (header, len) = len(octets)?;
    let (element, rest) = octets.split_at(len);
    *octets = rest;
    Some((element[0], &element[header..]))
}

fn take_as<'a>(octets: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    take(octets)
        .filter(|(found, _)| *found == tag)
        .map(|(_, content)| content)
}

fn number(octets: &mut &[u8], tag: u8) -> Option<u32> {
    let content = take_as(octets, tag)?;
    let mut number = [0; 4];
    // Neither negative nor of more octets.
    let start = number.len().checked_sub(content.len())?;
    if *content.first()? >= 0x80 {
        return None;
    }
    number[start..].copy_from_slice(content);
    Some(u32::from_be_bytes(number))
}

fn text(octets: &[u8]) -> Option<String> {
    String::from_utf8(octets.to_vec()).ok()
}

fn all<'a, T>(
    mut octets: &'a [u8],
    tag: u8,
    mut one: impl FnMut(&'a [u8]) -> Option<T>,
) -> Option<Vec<T>> {
    let mut found = Vec::new();
    while !octets.is_empty() {
        found.push(one(take_as(&mut octets, tag)?)?);
    }
    Some(found)
}

/// Reads a message that is whole.
pub(super) fn read(mut octets: &[u8]) -> Option<(u32, Said)> {
    let mut message = take_as(&mut octets, 0x30)?;
    let id = number(&mut message, 2)?;
    let (tag, mut content) = take(&mut message)?;
    let said = match tag {
        0x61 | 0x65 | 0x78 => {
            let code = number(&mut content, 10)?;
            take_as(&mut content, 4)?;
            let said = String::from_utf8_lossy(take_as(&mut content, 4)?);
            Said::Outcome(tag, code, said.into_owned())
        }
        0x64 => {
            let dn = text(take_as(&mut content, 4)?)?;
            let attributes = all(take_as(&mut content, 0x30)?, 0x30, |mut attribute| {
                let name = text(take_as(&mut attribute, 4)?)?;
                let values = all(take_as(&mut attribute, 0x31)?, 4, |value| {
                    Some(value.to_vec())
                });
                Some((name, values?))
            });
            Said::Entry(dn, attributes?)
        }
        0x73 => Said::Reference,
        _ => return None,
    };
    Some((id, said))
}
