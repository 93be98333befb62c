//! An authority on loopback.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use instant_acme::{Account, AccountCredentials, NewAccount};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// An ACME authority for one order after the other. Signatures and nonces are not checked.
pub struct Authority {
    url: String,
    pub root: String,
    pub issuer: Issuer<'static, KeyPair>,
    /// Where the name of the order leads to.
    port_80: SocketAddr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    thumbprint: String,
    status: &'static str,
    chain: String,
}

impl Authority {
    pub async fn start(port_80: SocketAddr) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            root: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
            port_80,
            state: Mutex::default(),
        });
        let this = Arc::clone(&authority);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let this = Arc::clone(&this);
                tokio::spawn(async move { this.serve(client).await.unwrap() });
            }
        });
        authority
    }

    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let (head, body) = http(&mut client).await?;
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let (status, kind, body) = match path.as_str() {
            "/certificate" => ("200", "application/pem-certificate-chain", {
                self.state.lock().unwrap().chain.clone()
            }),
            _ => {
                let (status, body) = self.answer(&path, &body).await;
                (status, "application/json", body.to_string())
            }
        };
        let (url, length) = (&self.url, body.len());
        let body = if head.starts_with("HEAD") { "" } else { &body };
        let response = format!(
            "HTTP/1.1 {status} .\r\nreplay-nonce: bm9uY2U\r\nlocation: {url}{}\r\ncontent-type: {kind}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}",
            path.replace("new-", "")
        );
        client.write_all(response.as_bytes()).await
    }

    async fn answer(&self, path: &str, body: &[u8]) -> (&'static str, Value) {
        let part = |name: &str| -> Value {
            let signed: Value = serde_json::from_slice(body).unwrap();
            let part = BASE64.decode(signed[name].as_str().unwrap()).unwrap();
            serde_json::from_slice(&part).unwrap()
        };
        let url = &self.url;
        match path {
            "/directory" => ("200", {
                json!({"newNonce": format!("{url}/nonce"), "newAccount": format!("{url}/new-account"),
                    "newOrder": format!("{url}/new-order")})
            }),
            "/nonce" => ("200", Value::Null),
            "/new-account" => {
                let jwk = &part("protected")["jwk"];
                // The members in the order of RFC 7638, without spaces.
                let text = format!(
                    r#"{{"crv":{},"kty":{},"x":{},"y":{}}}"#,
                    jwk["crv"], jwk["kty"], jwk["x"], jwk["y"]
                );
                let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
                self.state.lock().unwrap().thumbprint = BASE64.encode(digest);
                ("201", json!({"status": "valid"}))
            }
            "/new-order" => {
                let identifiers = &part("payload")["identifiers"];
                assert_eq!(identifiers, &json!([{"type": "dns", "value": "localhost"}]));
                self.state.lock().unwrap().status = "pending";
                ("201", self.order())
            }
            "/order" => ("200", self.order()),
            "/authorization" => ("200", {
                json!({"identifier": {"type": "dns", "value": "localhost"}, "status": "pending",
                    "challenges": [self.challenge()]})
            }),
            "/challenge" => {
                let expected = format!("token.{}", self.state.lock().unwrap().thumbprint);
                let found = get(self.port_80, "/.well-known/acme-challenge/token").await;
                let is_right = found.starts_with("HTTP/1.1 200") && found.ends_with(&expected);
                self.state.lock().unwrap().status = if is_right { "ready" } else { "invalid" };
                ("200", self.challenge())
            }
            "/finalize" => {
                let csr = part("payload")["csr"].as_str().unwrap().to_owned();
                let csr = BASE64.decode(csr).unwrap();
                let csr = CertificateSigningRequestParams::from_der(&csr.into()).unwrap();
                let chain = csr.signed_by(&self.issuer).unwrap().pem();
                let mut state = self.state.lock().unwrap();
                (state.status, state.chain) = ("valid", chain);
                drop(state);
                ("200", self.order())
            }
            other => panic!("{other}"),
        }
    }

    fn order(&self) -> Value {
        let (url, status) = (&self.url, self.state.lock().unwrap().status);
        json!({"status": status, "authorizations": [format!("{url}/authorization")],
            "finalize": format!("{url}/finalize"), "certificate": format!("{url}/certificate")})
    }

    fn challenge(&self) -> Value {
        json!({"type": "http-01", "url": format!("{}/challenge", self.url), "token": "token", "status": "pending"})
    }

    pub async fn account(&self) -> (Account, AccountCredentials) {
        let http = Client::builder(TokioExecutor::new()).build_http();
        let new = NewAccount {
            contact: &[],
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        Account::builder_with_http(Box::new(http))
            .create(&new, format!("{}/directory", self.url), None)
            .await
            .unwrap()
    }
}

/// Reads a request: its head, and its body.
async fn http(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.to_ascii_lowercase();
    let length = length.split("content-length: ").nth(1);
    let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    client.read_exact(&mut body).await?;
    Ok((head, body))
}

pub async fn get(server: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    heard
}
