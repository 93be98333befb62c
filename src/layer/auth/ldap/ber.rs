//! The part of BER that LDAP has (RFC 4511 section 5.1): tags of one octet, and definite lengths.

/// One element.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Puts a tag and a length before content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len().to_be_bytes();
    let mut element = Vec::with_capacity(content.len() + 2 + len.len());
    element.push(tag);
    match u8::try_from(content.len()) {
        Ok(short @ ..0x80) => element.push(short),
        _ => {
            let zeros = len.iter().take_while(|octet| **octet == 0).count();
            let len = len.get(zeros..).unwrap_or_default();
            // Eight at most.
            element.push(0x80 | u8::try_from(len.len()).unwrap_or(8));
            element.extend_from_slice(len);
        }
    }
    element.extend_from_slice(content);
    element
}

/// Puts elements into one.
pub(super) fn nest(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// A number that is not negative.
pub(super) fn number(tag: u8, number: u32) -> Vec<u8> {
    let octets = number.to_be_bytes();
    let mut content = vec![0];
    content.extend(octets.iter().skip_while(|octet| **octet == 0));
    // One zero in front is for a high bit alone.
    match &*content {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first < 0x80) => element(tag, rest),
        _ => element(tag, &content),
    }
}

/// The tag and the length that octets begin with: the octets of both, and those of the content. `Ok(None)` while there are
/// too few.
///
/// # Errors
///
/// `()` where this is none that LDAP has.
pub(super) fn header(octets: &[u8]) -> Result<Option<(usize, usize)>, ()> {
    let [tag, rest @ ..] = octets else {
        return Ok(None);
    };
    if tag & 0x1f == 0x1f {
        return Err(());
    }
    let Some((first, rest)) = rest.split_first() else {
        return Ok(None);
    };
    let count = usize::from(first & 0x7f);
    if *first < 0x80 {
        return Ok(Some((2, count)));
    }
    // None is BER's indefinite length.
    if !(1..=4).contains(&count) {
        return Err(());
    }
    let Some(len) = rest.get(..count) else {
        return Ok(None);
    };
    let len = len
        .iter()
        .fold(0, |len, octet| len << 8 | u64::from(*octet));
    Ok(Some((2 + count, usize::try_from(len).map_err(|_| ())?)))
}

/// Reads elements one after the other; what is inside of them by readers of their own, so that nothing recurs as deep as a
/// peer likes.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next element; `Ok(None)` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, ()> {
        let Some(tag) = self.0.first() else {
            return Ok(None);
        };
        let (before, len) = header(self.0)?.ok_or(())?;
        let content = self.0.get(before..).and_then(|rest| rest.get(..len));
        let content = content.ok_or(())?;
        self.0 = self.0.get(before + len..).unwrap_or_default();
        Ok(Some(Element { tag: *tag, content }))
    }

    /// The content of the next element, which has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], ()> {
        match self.next()? {
            Some(found) if found.tag == tag => Ok(found.content),
            _ => Err(()),
        }
    }

    /// A number that is not negative.
    pub(super) fn number(&mut self, tag: u8) -> Result<u32, ()> {
        match self.expect(tag)? {
            [] => Err(()),
            // Negative.
            [first, ..] if *first >= 0x80 => Err(()),
            octets @ ([_] | [_, _] | [_, _, _] | [_, _, _, _]) => Ok(octets
                .iter()
                .fold(0, |sum, octet| sum << 8 | u32::from(*octet))),
            _ => Err(()),
        }
    }
}
