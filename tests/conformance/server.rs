//! The server that is tried: one of ours in this process, or another one.

use std::{
    env,
    net::{SocketAddr, ToSocketAddrs},
    os::unix::ffi::OsStringExt,
    sync::OnceLock,
};

use tokio::net::{TcpListener, TcpStream};
use tower_socks::{Connector, NoAuth, UserPass, Users, server::AcceptService};

use crate::{
    case::Miss,
    support::{proxy, stack},
    talk::{Talk, within},
};

/// A server, and what it takes to get in.
#[derive(Clone, Debug)]
pub struct Server {
    pub address: SocketAddr,
    pub login: Option<Login>,
    ours: bool,
}

/// A name and a password.
#[derive(Clone, Debug)]
pub struct Login {
    pub name: Vec<u8>,
    pub password: Vec<u8>,
}

/// The server of `SOCKS_UNDER_TEST`, with the login of `SOCKS_UNDER_TEST_USER`.
pub fn foreign() -> Option<&'static Server> {
    static FOREIGN: OnceLock<Option<Server>> = OnceLock::new();
    let read = || {
        let place = env::var("SOCKS_UNDER_TEST").ok()?;
        let mut places = place.to_socket_addrs().expect("SOCKS_UNDER_TEST=host:port");
        let login = env::var_os("SOCKS_UNDER_TEST_USER").map(|login| {
            let login = login.into_vec();
            let mut parts = login.splitn(2, |octet| *octet == b':');
            let mut part = || parts.next().expect("SOCKS_UNDER_TEST_USER=name:password");
            Login::new(part(), part())
        });
        Some(Server {
            address: places.next()?,
            login,
            ours: false,
        })
    };
    FOREIGN.get_or_init(read).as_ref()
}

/// The server under test: the other one, or ours without passwords and policies.
pub async fn server() -> Server {
    match foreign() {
        Some(server) => server.clone(),
        None => ours(stack(NoAuth, Connector::direct())).await,
    }
}

/// The server under test, where it wants passwords. Ours knows joe.
pub async fn server_with_users() -> Result<Server, Miss> {
    let joe = Login::new("joe", "secret");
    match foreign() {
        Some(server) if server.login.is_some() => Ok(server.clone()),
        Some(_) => Err(Miss::Skipped("it wants no password".into())),
        None => Ok(ours_with(joe).await),
    }
}

/// A server of ours with this stack.
pub async fn ours<S: AcceptService<TcpStream>>(stack: S) -> Server {
    Server {
        address: proxy(stack).await,
        login: None,
        ours: true,
    }
}

/// A server of ours that knows one user.
pub async fn ours_with(login: Login) -> Server {
    let users = users([(login.name.clone(), login.password.clone())]);
    let mut server = ours(stack(UserPass::new(users), Connector::direct())).await;
    server.login = Some(login);
    server
}

pub fn users<N: Into<Vec<u8>>, P: AsRef<[u8]>>(users: impl IntoIterator<Item = (N, P)>) -> Users {
    users.into_iter().collect()
}

impl Login {
    pub fn new(name: impl Into<Vec<u8>>, password: impl Into<Vec<u8>>) -> Self {
        let (name, password) = (name.into(), password.into());
        Self { name, password }
    }

    /// The frame of RFC 1929.
    pub fn frame(&self) -> Vec<u8> {
        let len = |part: &[u8]| [u8::try_from(part.len()).unwrap()];
        let Self { name, password } = self;
        [&[1], &len(name)[..], name, &len(password), password].concat()
    }
}

impl Server {
    pub const fn is_ours(&self) -> bool {
        self.ours
    }

    pub async fn connect(&self) -> Result<TcpStream, Miss> {
        within("connecting", TcpStream::connect(self.address)).await
    }

    /// The method that gets in.
    pub const fn method(&self) -> u8 {
        match self.login {
            Some(_) => 2,
            None => 0,
        }
    }

    /// Everything up to the request.
    pub fn hello(&self) -> Vec<u8> {
        let frame = self.login.as_ref().map(Login::frame);
        [&[5, 1, self.method()], &*frame.unwrap_or_default()].concat()
    }

    /// The answer to it.
    pub const fn welcome(&self) -> &'static [u8] {
        match self.login {
            Some(_) => b"\x05\x02\x01\x00",
            None => b"\x05\x00",
        }
    }

    /// A client that may ask for something. It takes turns.
    pub async fn client(&self) -> Result<TcpStream, Miss> {
        let mut client = self.connect().await?;
        client.say(&[5, 1, self.method()]).await?;
        client.hear(&[5, self.method()]).await?;
        if let Some(login) = &self.login {
            client.say(&login.frame()).await?;
            client.hear(b"\x01\x00").await?;
        }
        Ok(client)
    }

    /// A client right behind its request: CMD, and DST from ATYP on.
    pub async fn asked(&self, command: u8, dst: &[u8]) -> Result<TcpStream, Miss> {
        let mut client = self.client().await?;
        client.say(&[&[5, command, 0], dst].concat()).await?;
        Ok(client)
    }

    /// A client with a connection to the target, the target's end, and BND.
    pub async fn connected(
        &self,
        listener: &TcpListener,
        dst: &[u8],
    ) -> Result<(TcpStream, TcpStream, SocketAddr), Miss> {
        let mut client = self.asked(crate::talk::CONNECT, dst).await?;
        let bound = client.bound().await?;
        let (target, _) = crate::talk::arrival(listener).await?;
        Ok((client, target, bound))
    }
}
