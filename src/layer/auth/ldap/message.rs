//! Messages of LDAP (RFC 4511 section 4): those that a login takes.

use super::ber::{
    self, BOOLEAN, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, SET, element, nest, number,
};

/// StartTLS (section 4.14).
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

const BIND: u8 = 0x60;
const BOUND: u8 = 0x61;
const SEARCH: u8 = 0x63;
const ENTRY: u8 = 0x64;
const DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const EXTENDED: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;

/// BindRequest with simple authentication. A password is never empty here: that would be no authentication at all, and
/// succeed.
pub(super) fn bind(dn: &str, password: &[u8]) -> Vec<u8> {
    nest(
        BIND,
        &[
            number(INTEGER, 3),
            element(OCTETS, dn.as_bytes()),
            element(0x80, password),
        ],
    )
}

/// ExtendedRequest for StartTLS.
pub(super) fn start_tls() -> Vec<u8> {
    nest(EXTENDED, &[element(0x80, START_TLS)])
}

/// How far a search looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope {
    /// At the base alone.
    Base,
    /// At all below the base.
    Subtree,
}

/// SearchRequest, which follows no aliases.
pub(super) struct Search<'a> {
    pub(super) base: &'a str,
    pub(super) scope: Scope,
    /// Encoded.
    pub(super) filter: Vec<u8>,
    /// None of them is no attribute.
    pub(super) attributes: Vec<&'a str>,
    pub(super) most: u32,
    /// In seconds.
    pub(super) time_limit: u32,
}

impl Search<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let scope = match self.scope {
            Scope::Base => 0,
            Scope::Subtree => 2,
        };
        // "1.1" asks for none, and an empty list would ask for all.
        let attributes = match &*self.attributes {
            [] => vec![element(OCTETS, b"1.1")],
            some => some
                .iter()
                .map(|name| element(OCTETS, name.as_bytes()))
                .collect(),
        };
        nest(
            SEARCH,
            &[
                element(OCTETS, self.base.as_bytes()),
                number(ENUMERATED, scope),
                number(ENUMERATED, 0),
                number(INTEGER, self.most),
                number(INTEGER, self.time_limit),
                element(BOOLEAN, &[0]),
                self.filter.clone(),
                nest(SEQUENCE, &attributes),
            ],
        )
    }
}

/// Puts a request into a message.
pub(super) fn message(id: u32, request: &[u8]) -> Vec<u8> {
    nest(SEQUENCE, &[number(INTEGER, id), request.to_vec()])
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Response {
    Bound(Outcome),
    Entry(Entry),
    /// Another server knows more. Nobody follows it.
    Reference,
    Done(Outcome),
    Extended(Outcome),
}

/// LDAPResult.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) code: u32,
    /// In the words of the server.
    pub(super) text: String,
}

/// An entry of the directory, with the attributes that were asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) dn: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// The values of an attribute, none if there are none.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let all = self.attributes.iter();
        // Options may follow, as in `cn;lang-en`.
        let named = all.filter(move |(own, _)| own.eq_ignore_ascii_case(name));
        named.flat_map(|(_, values)| values.iter().map(Vec::as_slice))
    }
}

/// Parses a whole message: its number and what it says.
///
/// # Errors
///
/// `()` where it is malformed, or nothing that a login waits for.
pub(super) fn parse(octets: &[u8]) -> Result<(u32, Response), ()> {
    let mut message = Reader(Reader(octets).expect(SEQUENCE)?);
    let id = message.number(INTEGER)?;
    let said = message.next()?.ok_or(())?;
    let mut content = Reader(said.content);
    // Controls may follow, of which none was asked for.
    let response = match said.tag {
        BOUND => Response::Bound(outcome(&mut content)?),
        DONE => Response::Done(outcome(&mut content)?),
        EXTENDED_RESPONSE => Response::Extended(outcome(&mut content)?),
        ENTRY => Response::Entry(entry(content)?),
        REFERENCE => Response::Reference,
        _ => return Err(()),
    };
    Ok((id, response))
}

fn outcome(content: &mut Reader<'_>) -> Result<Outcome, ()> {
    let code = content.number(ENUMERATED)?;
    content.expect(OCTETS)?;
    let text = content.expect(OCTETS)?;
    Ok(Outcome {
        code,
        text: String::from_utf8_lossy(text).into_owned(),
    })
}

fn entry(mut content: Reader<'_>) -> Result<Entry, ()> {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).map_err(|_| ());
    let dn = text(content.expect(OCTETS)?)?;
    let mut list = Reader(content.expect(SEQUENCE)?);
    let mut attributes = Vec::new();
    while let Some(attribute) = list.next()? {
        let mut attribute = Reader(
            (attribute.tag == SEQUENCE)
                .then_some(attribute.content)
                .ok_or(())?,
        );
        let name = text(attribute.expect(OCTETS)?)?;
        let mut set = Reader(attribute.expect(SET)?);
        let mut values = Vec::new();
        while let Some(value) = set.next()? {
            values.push(
                (value.tag == OCTETS)
                    .then(|| value.content.to_vec())
                    .ok_or(())?,
            );
        }
        attributes.push((name, values));
    }
    Ok(Entry { dn, attributes })
}

/// The octets of a message that is complete, at the start of what was read; `Ok(None)` while it is not.
///
/// # Errors
///
/// `()` where it is no message, or longer than `most`.
pub(super) fn complete(octets: &[u8], most: usize) -> Result<Option<usize>, ()> {
    if octets.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(());
    }
    let Some((before, len)) = ber::header(octets)? else {
        return Ok(None);
    };
    if len > most {
        return Err(());
    }
    Ok(Some(before + len).filter(|len| octets.len() >= *len))
}
