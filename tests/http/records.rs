//! Records of a connection with several requests: one for each, and one for a login that failed.

use std::sync::{Arc, Mutex};

use tower::{Layer, ServiceBuilder};
use tower_socks::{
    AuthLayer, Credentials, Identity, Refusal, UserPass,
    error::AuthError,
    layer::{
        http::HttpLayer,
        record::{EndKind, Record, Recorder, Sink},
        request_fn::request_fn,
    },
    proto::ReplyCode,
    session::Protocol,
};

use super::{head, page};
use crate::support::{Client, Script, targets::targets, within};

#[derive(Default)]
struct Told(Mutex<Vec<Record>>);

impl Sink for Told {
    fn ended(&self, record: &Record) {
        self.0.lock().unwrap().push(record.clone());
    }
}

/// joe:secret:1, and joe:wrong.
const RIGHT: &str = "Basic am9lOnNlY3JldDox";
const WRONG: &str = "Basic am9lOndyb25n";

fn get(target: &str, authorization: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: {authorization}\r\n\r\n")
        .into_bytes()
}

#[tokio::test(start_paused = true)]
async fn each_request_has_one_with_the_id_of_the_session() {
    within(async {
        let told = Arc::new(Told::default());
        let recorder = Recorder::new([Arc::clone(&told) as Arc<dyn Sink>]);
        let verifier = tower::service_fn(async |credentials: Credentials| {
            match credentials.password().as_bytes() {
                b"secret:1" => Ok(Identity::named(credentials.name())),
                _ => Err(AuthError::Denied),
            }
        });
        let (dialer, mut dialled) = targets();
        let no_mail = request_fn(async |request: tower_socks::Request, next| {
            if request.target.port() == 25 {
                let refusal = Refusal::not_allowed("no mail").with_rule("rule 1");
                return Err(tower_socks::BoxError::from(refusal));
            }
            next.run(request).await
        });
        let stack = ServiceBuilder::new()
            .layer(recorder.sessions())
            .layer(HttpLayer::new())
            .layer(AuthLayer::new(UserPass::new(verifier)))
            .layer(recorder.requests())
            .service(no_mail.layer(dialer));
        let mut client = Client::new(stack);

        client.io.say(&get("http://a.example/", WRONG)).await;
        assert!(page(&mut client.io).await.0.contains("407"));
        client.io.say(&get("http://a.example:25/", RIGHT)).await;
        assert!(page(&mut client.io).await.0.contains("403"));
        for name in ["b.example", "c.example"] {
            let request = get(&format!("http://{name}/"), RIGHT);
            client.io.say(&request).await;
            let (_, mut origin) = dialled.recv().await.unwrap();
            head(&mut origin).await;
            origin
                .say(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                .await;
            drop(origin);
            assert!(head(&mut client.io).await.contains("204"));
        }
        client.lingering_close().await.unwrap();

        let told = told.0.lock().unwrap();
        let kinds: Vec<_> = told
            .iter()
            .map(|record| {
                let target = record.target.as_ref().map(ToString::to_string);
                let kind = record.end.as_ref().unwrap().kind;
                (record.request, target.unwrap_or_default(), kind)
            })
            .collect();
        assert_eq!(
            kinds,
            [
                (0, String::new(), EndKind::LoginFailed),
                (1, "a.example:25".into(), EndKind::Refused),
                (2, "b.example:80".into(), EndKind::Done),
                (3, "c.example:80".into(), EndKind::Done),
            ]
        );
        assert!(
            told.iter().all(|record| record.session == told[0].session
                && record.protocol == Some(Protocol::Http))
        );
        assert_eq!(told[0].tried.as_deref(), Some(&b"joe"[..]));
        assert_eq!(told[1].reply_code, Some(ReplyCode::NOT_ALLOWED));
        assert_eq!(told[1].identity.name(), Some(&b"joe"[..]));
        assert!(told[2].traffic.up > 0 && told[2].traffic.down > 0);
        assert_eq!(recorder.unspoken(), 0);
    })
    .await;
}
