//! The protocols, as clients speak them.

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// A protocol that the port serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Socks5,
    Socks4,
    /// CONNECT.
    Http,
    /// A request for a whole URL, which is forwarded.
    Get,
}

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Open,
    /// The code of a failure: REP, CD or a status.
    Code(u16),
    /// The name or the password is wrong.
    Login,
    /// Nothing: the connection is closed.
    Closed,
}

impl Door {
    pub const ALL: [Self; 4] = [Self::Socks5, Self::Socks4, Self::Http, Self::Get];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Socks5 => "socks5",
            Self::Socks4 => "socks4",
            Self::Http | Self::Get => "http",
        }
    }

    /// Everything that a client says to get to a host, in the parts between which it listens. In SOCKS4 the name
    /// is a claim, and there is no password.
    pub fn dialogue(self, login: Option<(&str, &str)>, host: &str, port: u16) -> Vec<Vec<u8>> {
        let (name, password) = login.unwrap_or_default();
        match self {
            Self::Socks5 => {
                let lengths = [name.len() as u8, password.len() as u8];
                let mut said = vec![b"\x05\x01\x00".to_vec()];
                if login.is_some() {
                    said = vec![
                        b"\x05\x01\x02".to_vec(),
                        [
                            &[1, lengths[0]],
                            name.as_bytes(),
                            &[lengths[1]],
                            password.as_bytes(),
                        ]
                        .concat(),
                    ];
                }
                let head = [5, 1, 0, 3, host.len() as u8];
                said.push([&head, host.as_bytes(), &port.to_be_bytes()].concat());
                said
            }
            Self::Socks4 => {
                let head = [&[4, 1], &port.to_be_bytes()[..], &[0, 0, 0, 1]].concat();
                let said = [&*head, name.as_bytes(), b"\0", host.as_bytes(), b"\0"];
                vec![said.concat()]
            }
            Self::Http | Self::Get => {
                let mut head = match self {
                    Self::Http => format!("CONNECT {host}:{port} HTTP/1.1\r\n"),
                    _ => format!("GET http://{host}:{port}/ HTTP/1.1\r\n"),
                };
                head += &format!("Host: {host}:{port}\r\n");
                if login.is_some() {
                    let basic = BASE64_STANDARD.encode(format!("{name}:{password}"));
                    head += &format!("Proxy-Authorization: Basic {basic}\r\n");
                }
                vec![(head + "\r\n").into_bytes()]
            }
        }
    }

    /// Says all of it, with `early` behind it in the same write.
    pub async fn ask(
        self,
        client: &mut DuplexStream,
        login: Option<(&str, &str)>,
        (host, port): (&str, u16),
        early: &[u8],
    ) -> Answer {
        let mut said = self.dialogue(login, host, port);
        said.last_mut().unwrap().extend_from_slice(early);
        match self.speak(client, &said).await {
            Ok(answer) => answer,
            Err(_) => Answer::Closed,
        }
    }

    async fn speak(self, client: &mut DuplexStream, said: &[Vec<u8>]) -> std::io::Result<Answer> {
        for (number, part) in said.iter().enumerate() {
            client.write_all(part).await?;
            if self != Self::Socks5 || number + 1 == said.len() {
                continue;
            }
            let mut heard = [0; 2];
            client.read_exact(&mut heard).await?;
            match (number, heard) {
                (0, [5, 0 | 2]) | (1, [1, 0]) => {}
                _ => return Ok(Answer::Login),
            }
        }
        match self {
            Self::Socks5 => {
                let mut reply = [0; 10];
                client.read_exact(&mut reply).await?;
                Ok(match reply[1] {
                    0 => Answer::Open,
                    code => Answer::Code(code.into()),
                })
            }
            Self::Socks4 => {
                let mut reply = [0; 8];
                client.read_exact(&mut reply).await?;
                assert_eq!(reply[0], 0);
                Ok(match reply[1] {
                    0x5a => Answer::Open,
                    code => Answer::Code(code.into()),
                })
            }
            Self::Http | Self::Get => {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                let head = String::from_utf8(head).unwrap();
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                Ok(match status {
                    200 => Answer::Open,
                    407 => Answer::Login,
                    status => Answer::Code(status),
                })
            }
        }
    }

    /// What a refusal by policy comes to.
    pub const fn denied(self) -> Answer {
        match self {
            Self::Socks5 => Answer::Code(2),
            Self::Socks4 => Answer::Code(0x5b),
            Self::Http | Self::Get => Answer::Code(403),
        }
    }

    /// What a refusal by a limit comes to.
    pub const fn limited(self) -> Answer {
        match self {
            Self::Http | Self::Get => Answer::Code(429),
            Self::Socks5 | Self::Socks4 => self.denied(),
        }
    }
}
