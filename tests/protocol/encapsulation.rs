//! The stream inside a security context (RFC 1961 section 5), over a context whose tokens are written out.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_test::io::Builder;
use tower_socks::{
    BoxError,
    gssapi::{Context, EncapsulatedStream, Unwrapped},
    proto::ProtectionLevel,
};

/// A token is `[number of the message, confidential, octets, sum of all]`: it shows replay, loss and change.
#[derive(Default)]
struct Numbered {
    sent: u8,
    received: u8,
    longest: Option<usize>,
}

fn token(number: u8, confidential: bool, message: &[u8]) -> Vec<u8> {
    let mut token = [&[number, u8::from(confidential)], message].concat();
    token.push(token.iter().fold(0, |sum, octet| sum ^ octet));
    token
}

/// A whole message of the wire.
fn framed(number: u8, confidential: bool, message: &[u8]) -> Vec<u8> {
    let token = token(number, confidential, message);
    let len = u16::try_from(token.len()).unwrap().to_be_bytes();
    [&b"\x01\x03"[..], &len, &token].concat()
}

impl Context for Numbered {
    fn wrap(&mut self, confidential: bool, message: &[u8]) -> Result<Vec<u8>, BoxError> {
        let token = token(self.sent, confidential, message);
        self.sent = self.sent.wrapping_add(1);
        Ok(token)
    }

    fn can_encrypt(&self) -> bool {
        true
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<Unwrapped, BoxError> {
        let [number, confidential, message @ .., _] = token else {
            return Err("short token".into());
        };
        if token.iter().fold(0, |sum, octet| sum ^ octet) != 0 {
            return Err("changed token".into());
        }
        if *number < self.received {
            return Err("it came before".into());
        }
        let unwrapped = Unwrapped::new(message.to_vec(), *confidential == 1);
        let in_turn = *number == self.received;
        self.received = number.wrapping_add(1);
        Ok(match in_turn {
            true => unwrapped,
            false => unwrapped.out_of_turn(),
        })
    }

    fn longest_message(&mut self, _: bool, token: u16) -> Result<usize, BoxError> {
        Ok(self.longest.unwrap_or(usize::from(token) - 3))
    }
}

fn stream<Io>(io: Io, level: ProtectionLevel) -> EncapsulatedStream<Io, Numbered> {
    EncapsulatedStream::new(io, Numbered::default(), level).unwrap()
}

const LEVELS: [(ProtectionLevel, bool); 3] = [
    (ProtectionLevel::INTEGRITY, false),
    (ProtectionLevel::CONFIDENTIALITY, true),
    (ProtectionLevel::SELECTIVE, true),
];

#[tokio::test]
async fn each_write_is_a_message_of_the_level() {
    for (level, encrypted) in LEVELS {
        let flag = u8::from(encrypted);
        let io = Builder::new()
            .write(&[1, 3, 0, 5, 0, flag, b'a', b'b', flag ^ b'a' ^ b'b'])
            .write(&[1, 3, 0, 4, 1, flag, b'c', 1 ^ flag ^ b'c'])
            .build();
        let mut stream = stream(io, level);
        stream.write_all(b"ab").await.unwrap();
        stream.write_all(b"c").await.unwrap();
        stream.flush().await.unwrap();
    }
}

#[tokio::test]
async fn messages_may_come_in_any_pieces() {
    let bytes = [framed(0, true, b"hello "), framed(1, true, b"world")].concat();
    for cut in 1..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        let io = Builder::new().read(first).read(second).build();
        let mut read = String::new();
        let mut stream = stream(io, ProtectionLevel::CONFIDENTIALITY);
        stream.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "hello world", "cut at {cut}");
    }
    let mut io = Builder::new();
    for octet in &bytes {
        io.read(std::slice::from_ref(octet));
    }
    let mut stream = stream(io.build(), ProtectionLevel::CONFIDENTIALITY);
    // In small reads, too.
    for expected in b"hello world" {
        assert_eq!(stream.read_u8().await.unwrap(), *expected);
    }
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_empty_message_is_no_end() {
    let bytes = [framed(0, false, b""), framed(1, false, b"on")].concat();
    let io = Builder::new().read(&bytes).build();
    let mut read = String::new();
    let mut stream = stream(io, ProtectionLevel::INTEGRITY);
    stream.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "on");
}

/// What comes before is read; of `bad` nothing, and nothing behind it.
async fn fails_at(level: ProtectionLevel, bad: &[u8], kind: ErrorKind) {
    let confidential = level != ProtectionLevel::INTEGRITY;
    let (io, mut peer) = duplex(1024);
    peer.write_all(&framed(0, confidential, b"good"))
        .await
        .unwrap();
    peer.write_all(bad).await.unwrap();
    peer.write_all(&framed(1, confidential, b"behind"))
        .await
        .unwrap();
    drop(peer);
    let mut stream = stream(io, level);
    let mut read = Vec::new();
    let error = stream.read_to_end(&mut read).await.unwrap_err();
    assert_eq!((error.kind(), &*read), (kind, &b"good"[..]), "{error}");
    let again = stream.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_message_that_was_changed_replayed_or_lost_ends_the_stream() {
    let mut changed = framed(1, false, b"evil");
    changed[7] ^= 0x20;
    let replayed = framed(0, false, b"good");
    let later = framed(2, false, b"late");
    for bad in [changed, replayed, later, b"\x01\x03\x00\x00".to_vec()] {
        fails_at(ProtectionLevel::INTEGRITY, &bad, ErrorKind::InvalidData).await;
    }
}

#[tokio::test]
async fn at_level_2_a_message_has_to_be_encrypted() {
    let plain = framed(1, false, b"clear");
    fails_at(
        ProtectionLevel::CONFIDENTIALITY,
        &plain,
        ErrorKind::InvalidData,
    )
    .await;
    // Each side chooses at level 3, and at level 1 more than was asked for is no harm.
    for (level, encrypted) in [
        (ProtectionLevel::SELECTIVE, false),
        (ProtectionLevel::SELECTIVE, true),
        (ProtectionLevel::INTEGRITY, true),
    ] {
        let io = Builder::new().read(&framed(0, encrypted, b"x")).build();
        assert_eq!(stream(io, level).read_u8().await.unwrap(), b'x');
    }
}

#[tokio::test]
async fn what_is_no_message_of_data_ends_the_stream() {
    for bad in [
        &b"\x01\xff"[..],
        b"\x01\x01\x00\x01x",
        b"\x01\x02\x00\x01\x01",
        b"\x01\x04\x00\x00",
        b"\x05\x01\x00\x01",
    ] {
        fails_at(ProtectionLevel::SELECTIVE, bad, ErrorKind::InvalidData).await;
    }
}

#[tokio::test]
async fn an_end_within_a_message_is_an_error() {
    let bytes = framed(0, true, b"hello");
    for cut in 1..bytes.len() {
        let io = Builder::new().read(&bytes[..cut]).build();
        let mut stream = stream(io, ProtectionLevel::CONFIDENTIALITY);
        let mut read = Vec::new();
        let error = stream.read_to_end(&mut read).await.unwrap_err();
        assert_eq!((error.kind(), read.len()), (ErrorKind::UnexpectedEof, 0));
    }
}

#[tokio::test]
async fn octets_go_through_a_narrow_pipe_both_ways_and_the_end_behind_them() {
    let octets: Vec<u8> = (0..300_000_u32)
        .map(|n| n.to_le_bytes()[0] ^ 0x5a)
        .collect();
    let (near, far) = duplex(7);
    let mut near = stream(near, ProtectionLevel::CONFIDENTIALITY);
    let mut far = stream(far, ProtectionLevel::CONFIDENTIALITY);
    let there = async {
        near.write_all(&octets).await.unwrap();
        near.shutdown().await.unwrap();
        let mut back = Vec::new();
        near.read_to_end(&mut back).await.unwrap();
        back
    };
    let back = async {
        let mut read = Vec::new();
        far.read_to_end(&mut read).await.unwrap();
        far.write_all(&read).await.unwrap();
        far.shutdown().await.unwrap();
    };
    let (read, ()) = tokio::join!(there, back);
    assert!(read == octets);
}

#[tokio::test]
async fn a_long_write_is_cut_to_the_longest_message() {
    let context = Numbered {
        longest: Some(3),
        ..Numbered::default()
    };
    let io = Builder::new()
        .write(&framed(0, false, b"abc"))
        .write(&framed(1, false, b"de"))
        .build();
    let mut stream = EncapsulatedStream::new(io, context, ProtectionLevel::INTEGRITY).unwrap();
    stream.write_all(b"abcde").await.unwrap();
    stream.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_token_that_fits_no_message_is_not_written() {
    // A context that promised too much.
    let context = Numbered {
        longest: Some(70_000),
        ..Numbered::default()
    };
    let io = Builder::new().build();
    let mut stream = EncapsulatedStream::new(io, context, ProtectionLevel::INTEGRITY).unwrap();
    assert!(stream.write(&[0; 65_533]).await.is_err());
}

#[test]
fn nothing_else_is_a_level_that_encapsulates() {
    for level in (0..=u8::MAX).map(ProtectionLevel) {
        let made = EncapsulatedStream::new((), Numbered::default(), level);
        assert_eq!(made.is_ok(), (1..=3).contains(&level.0), "{level:?}");
    }
    let context = Numbered {
        longest: Some(0),
        ..Numbered::default()
    };
    assert!(EncapsulatedStream::new((), context, ProtectionLevel::INTEGRITY).is_err());
}

#[tokio::test]
async fn what_was_unwrapped_is_not_shown() {
    let unwrapped = Unwrapped::new(b"secret".to_vec(), true);
    let shown = format!("{unwrapped:?}");
    let expected = "Unwrapped { octets: 6, confidential: true, out_of_turn: false }";
    assert_eq!(shown, expected);
    assert!(unwrapped.out_of_turn().out_of_turn);
}
