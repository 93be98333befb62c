//! Datagrams of shadowsocks, octet by octet, for what no client of the crate would send.

use std::time::{SystemTime, UNIX_EPOCH};

use aes::{
    Aes256, Block,
    cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};
use shadowsocks::{
    config::ServerUser,
    crypto::{CipherKind, v2::udp::UdpCipher},
};

use crate::support::KEY;

const METHOD: CipherKind = CipherKind::AEAD2022_BLAKE3_AES_256_GCM;

fn user(key: &str) -> ServerUser {
    ServerUser::with_encoded_key("", key).unwrap()
}

/// What a client sends: `[session, number] in one block, identity, {type, time, padding, rest}` with the tag.
pub struct Sealed<'a> {
    pub user: &'a str,
    pub session: u64,
    pub number: u64,
    /// Seconds that the client's clock is ahead.
    pub ahead: i64,
    /// SOCKS5's address, and the payload.
    pub rest: &'a [u8],
}

impl Sealed<'_> {
    pub fn octets(&self) -> Vec<u8> {
        let server = Aes256::new_from_slice(user(KEY).key()).unwrap();
        let user = user(self.user);
        let mut packet = self.session.to_be_bytes().to_vec();
        packet.extend(self.number.to_be_bytes());
        let nonce = packet[4..16].to_vec();

        let mut identity = user.identity_hash().to_vec();
        identity
            .iter_mut()
            .zip(&packet)
            .for_each(|(octet, with)| *octet ^= with);
        server.encrypt_block(<&mut Block>::try_from(&mut identity[..]).unwrap());

        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let mut body = vec![0];
        body.extend(now.checked_add_signed(self.ahead).unwrap().to_be_bytes());
        body.extend([0, 0]);
        body.extend(self.rest);
        body.extend([0; 16]);
        UdpCipher::new(METHOD, user.key(), self.session).encrypt_packet(&nonce, &mut body);

        server.encrypt_block(<&mut Block>::try_from(&mut packet[..]).unwrap());
        packet.extend(identity);
        packet.extend(body);
        packet
    }
}

/// What a server sends to a user: `[session, number] in one block, {type, time, session of the client, padding, rest}`.
pub fn answer(user: &str, session: u64, number: u64, client: u64, rest: &[u8]) -> Vec<u8> {
    let user = self::user(user);
    let mut packet = session.to_be_bytes().to_vec();
    packet.extend(number.to_be_bytes());
    let nonce = packet[4..].to_vec();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut body = vec![1];
    body.extend(now.as_secs().to_be_bytes());
    body.extend(client.to_be_bytes());
    body.extend([0, 0]);
    body.extend(rest);
    body.extend([0; 16]);
    UdpCipher::new(METHOD, user.key(), session).encrypt_packet(&nonce, &mut body);
    let cipher = Aes256::new_from_slice(user.key()).unwrap();
    cipher.encrypt_block(<&mut Block>::try_from(&mut packet[..]).unwrap());
    packet.extend(body);
    packet
}

/// The session and the number of a datagram that a client has sent.
pub fn session_and_number(packet: &[u8]) -> (u64, u64) {
    let mut block = packet[..16].to_vec();
    let server = Aes256::new_from_slice(user(KEY).key()).unwrap();
    server.decrypt_block(<&mut Block>::try_from(&mut block[..]).unwrap());
    let number = |octets: &[u8]| u64::from_be_bytes(octets.try_into().unwrap());
    (number(&block[..8]), number(&block[8..]))
}

/// Opens what a server sends: its session, its number, the client's session, and address with payload.
pub fn open(key: &str, packet: &[u8]) -> (u64, u64, u64, Vec<u8>) {
    let user = user(key);
    let (mut block, mut body) = (packet[..16].to_vec(), packet[16..].to_vec());
    let cipher = Aes256::new_from_slice(user.key()).unwrap();
    cipher.decrypt_block(<&mut Block>::try_from(&mut block[..]).unwrap());
    let number = |octets: &[u8]| u64::from_be_bytes(octets.try_into().unwrap());
    let session = number(&block[..8]);
    let cipher = UdpCipher::new(METHOD, user.key(), session);
    assert!(cipher.decrypt_packet(&block[4..16], &mut body));
    assert_eq!(body[0], 1);
    let padding = usize::from(u16::from_be_bytes([body[17], body[18]]));
    let rest = body[19 + padding..body.len() - 16].to_vec();
    (session, number(&block[8..]), number(&body[9..17]), rest)
}

/// An IPv4 address as SOCKS5 has it, and the payload.
pub fn to(address: std::net::SocketAddr, payload: &[u8]) -> Vec<u8> {
    let std::net::IpAddr::V4(ip) = address.ip() else {
        panic!("not IPv4");
    };
    let mut rest = vec![1];
    rest.extend(ip.octets());
    rest.extend(address.port().to_be_bytes());
    rest.extend(payload);
    rest
}
