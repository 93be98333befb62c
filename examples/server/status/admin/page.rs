//! Closing tunnels from the page.
//!
//! A request that changes something is never GET, has a body of JSON, comes from the page itself by what the browser says
//! (`Origin`, `Sec-Fetch-Site`), and has the two secrets of a sign-in.

use std::time::Duration;

use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{COOKIE, HeaderValue, RETRY_AFTER, SET_COOKIE},
};
use serde::{Deserialize, Serialize};

use super::{
    attempts::{Attempts, Outcome},
    close::{Close, Closer},
    settings::PasswordHash,
    sign_ins::{Secrets, SignIns},
};
use crate::status::site::{self, Answer, Peer, json, text};

/// The header with the token.
const TOKEN: &str = "x-admin-token";

/// The addresses of the page under `/admin/`.
pub(in crate::status) struct AdminPage {
    hash: PasswordHash,
    attempts: Attempts,
    sign_ins: SignIns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    password: String,
}

#[derive(Serialize)]
struct SignedIn {
    token: String,
}

impl AdminPage {
    pub(in crate::status) fn new(hash: PasswordHash) -> Self {
        Self {
            hash,
            attempts: Attempts::new(),
            sign_ins: SignIns::default(),
        }
    }

    /// Whether this is the password that it asks for.
    pub(in crate::status) fn is_of(&self, hash: &PasswordHash) -> bool {
        self.hash.stated == hash.stated
    }

    /// Answers a request, which was asked by address.
    pub(in crate::status) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        closer: &Closer,
    ) -> Answer {
        let action = match request.uri().path() {
            "/admin/sign-in" => Action::SignIn,
            "/admin/sign-out" => Action::SignOut,
            "/admin/close" => Action::Close,
            _ => return text(StatusCode::NOT_FOUND, "there is no such address\n"),
        };
        if *request.method() != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only POST is known here\n");
        }
        if !site::is_asked_by_own_page(request.headers()) {
            return text(
                StatusCode::FORBIDDEN,
                "only the page itself may ask for that\n",
            );
        }
        if matches!(action, Action::SignIn) {
            return self.sign_in(request, peer).await;
        }
        let secrets = secrets(request.headers());
        let Some(secrets) = secrets.filter(|secrets| self.sign_ins.is_one(secrets)) else {
            return text(StatusCode::UNAUTHORIZED, "sign in first\n");
        };
        if matches!(action, Action::SignOut) {
            self.sign_ins.end(&secrets);
            return text(StatusCode::OK, "signed out\n");
        }
        match site::body::<Close>(request).await {
            Ok(what) => closer.answer(&what, peer).await,
            Err(answer) => answer,
        }
    }

    async fn sign_in(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        let cookie = cookie(request.headers());
        let Peer::Tcp(client) = peer else {
            return text(StatusCode::FORBIDDEN, "the page is elsewhere\n");
        };
        let SignIn { password } = match site::body(request).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        match self
            .attempts
            .verify(&self.hash.hash, client.ip(), password)
            .await
        {
            Outcome::Right => {}
            Outcome::Wrong => {
                tracing::info!(target: "admin", by = %client, "wrong password");
                return text(StatusCode::UNAUTHORIZED, "wrong password\n");
            }
            Outcome::TooMany(wait) => return try_again(wait),
        }
        let Some(Secrets {
            cookie: value,
            token,
        }) = self.sign_ins.begin()
        else {
            tracing::warn!(target: "admin", "the system has no random numbers");
            return text(StatusCode::INTERNAL_SERVER_ERROR, "no random numbers\n");
        };
        tracing::info!(target: "admin", by = %client, "signed in");
        let mut answer = json(&SignedIn { token });
        let value = format!("{cookie}={value}; Path=/admin; HttpOnly; SameSite=Strict");
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(SET_COOKIE, value);
        }
        answer
    }
}

enum Action {
    SignIn,
    SignOut,
    Close,
}

fn try_again(wait: Duration) -> Answer {
    let seconds = wait.as_secs() + 1;
    let hint = format!("too many attempts: again in {seconds} s\n");
    let mut answer = text(StatusCode::TOO_MANY_REQUESTS, hint);
    answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    answer
}

/// The name of the cookie: servers on other ports of the host have theirs.
fn cookie(headers: &HeaderMap) -> String {
    format!("tower-socks-admin-{}", site::port(headers))
}

fn secrets(headers: &HeaderMap) -> Option<Secrets> {
    let name = cookie(headers);
    let cookies = headers.get_all(COOKIE).iter();
    let cookies = cookies.filter_map(|cookies| cookies.to_str().ok());
    let mut cookies = cookies.flat_map(|cookies| cookies.split(';'));
    let value = cookies.find_map(|cookie| {
        let (known, value) = cookie.trim().split_once('=')?;
        (known == name).then(|| value.to_owned())
    });
    let token = headers.get(TOKEN)?.to_str().ok()?;
    Some(Secrets {
        cookie: value?,
        token: token.to_owned(),
    })
}
