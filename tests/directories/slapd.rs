//! A server of LDAP that says what a test tells it to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;
use tower_socks::{
    BoxError, Credentials, Identity,
    layer::auth::ldap::{Ldap, LdapBuilder},
};

pub(crate) const BIND: u8 = 0x60;
pub(crate) const SEARCH: u8 = 0x63;
pub(crate) const EXTENDED: u8 = 0x77;

/// One element of BER.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    match u8::try_from(content.len()) {
        Ok(len @ ..0x80) => element.push(len),
        _ => {
            element.push(0x84);
            element.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    element.extend_from_slice(content);
    element
}

/// LDAPResult with a code, by the tag of its response.
pub(crate) fn result(tag: u8, code: u8) -> Vec<u8> {
    tlv(
        tag,
        &[&[0x0a, 1, code], &*tlv(4, b""), &tlv(4, b"said so")].concat(),
    )
}

pub(crate) fn bound(code: u8) -> Vec<u8> {
    result(0x61, code)
}

pub(crate) fn done(code: u8) -> Vec<u8> {
    result(0x65, code)
}

/// SearchResultEntry.
pub(crate) fn entry(dn: &str, attributes: &[(&str, &[&str])]) -> Vec<u8> {
    let attributes = attributes.iter().map(|(name, values)| {
        let values: Vec<u8> = values
            .iter()
            .flat_map(|value| tlv(4, value.as_bytes()))
            .collect();
        tlv(
            0x30,
            &[tlv(4, name.as_bytes()), tlv(0x31, &values)].concat(),
        )
    });
    let attributes: Vec<u8> = attributes.flatten().collect();
    tlv(
        0x64,
        &[tlv(4, dn.as_bytes()), tlv(0x30, &attributes)].concat(),
    )
}

/// A request: the number of its connection, its tag, and its content.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) connection: usize,
    pub(crate) tag: u8,
    pub(crate) content: Vec<u8>,
}

impl Asked {
    /// Whether octets are in it somewhere.
    pub(crate) fn has(&self, octets: &[u8]) -> bool {
        self.content
            .windows(octets.len())
            .any(|window| window == octets)
    }
}

/// What the server does with a request.
pub(crate) enum Answer {
    /// These responses.
    Say(Vec<Vec<u8>>),
    /// These octets, whatever they are.
    Raw(Vec<u8>),
    /// The responses, and then the end of the connection.
    SayAndClose(Vec<Vec<u8>>),
    Silence,
}

pub(crate) struct Slapd {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Slapd {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(
                    stream,
                    connection,
                    Arc::clone(&log),
                    Arc::clone(&answer),
                ));
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn by_search(&self) -> LdapBuilder {
        Ldap::by_search([self.url()], "dc=x", "(uid={user})")
    }

    pub(crate) fn by_dn(&self) -> LdapBuilder {
        Ldap::by_dn([self.url()], "uid={user},dc=x")
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    log: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<impl Fn(&Asked) -> Answer>,
) {
    while let Some((id, asked)) = read(&mut stream, connection).await {
        log.lock().unwrap().push(asked.clone());
        let (says, closes) = match answer(&asked) {
            Answer::Say(says) => (says, false),
            Answer::SayAndClose(says) => (says, true),
            Answer::Silence => continue,
            Answer::Raw(octets) => {
                _ = stream.write_all(&octets).await;
                continue;
            }
        };
        for said in says {
            let message = tlv(0x30, &[vec![2, 1, id], said].concat());
            _ = stream.write_all(&message).await;
        }
        if closes {
            return;
        }
    }
}

/// Reads a message as our side writes them: with numbers below 128.
async fn read(stream: &mut TcpStream, connection: usize) -> Option<(u8, Asked)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.ok()?;
    assert_eq!(head[0], 0x30);
    let mut len = usize::from(head[1] & 0x7f);
    if head[1] >= 0x80 {
        let mut octets = vec![0; len];
        stream.read_exact(&mut octets).await.ok()?;
        len = octets
            .iter()
            .fold(0, |len, octet| len << 8 | usize::from(*octet));
    }
    let mut message = vec![0; len];
    stream.read_exact(&mut message).await.ok()?;
    assert_eq!(message[..2], [2, 1]);
    let (id, tag) = (message[2], message[3]);
    let before = match message[4] {
        ..0x80 => 2,
        long => 2 + usize::from(long & 0x7f),
    };
    let content = message.split_off(3 + before);
    Some((
        id,
        Asked {
            connection,
            tag,
            content,
        },
    ))
}

pub(crate) async fn log_in(ldap: &Ldap, name: &str, password: &str) -> Result<Identity, BoxError> {
    let credentials = Credentials::new(name, password).unwrap();
    ldap.clone().oneshot(credentials).await
}
