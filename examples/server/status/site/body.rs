//! What comes with a request that changes something.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::{
    Request, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{Answer, text};

/// Enough for any name and password.
const MOST: usize = 4096;

/// A request is some octets, and here at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads a body of JSON. A form of another page cannot send one.
///
/// # Errors
///
/// It is something else, too long, or late: what to say of it.
pub(crate) async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Answer> {
    let kind = request.headers().get(CONTENT_TYPE);
    if kind.map(HeaderValue::as_bytes) != Some(b"application/json") {
        let problem = "the body has to be application/json\n";
        return Err(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem));
    }
    let body = Limited::new(request.into_body(), MOST).collect();
    let Ok(Ok(body)) = timeout(PATIENCE, body).await else {
        return Err(text(
            StatusCode::BAD_REQUEST,
            "the body is too long, or late\n",
        ));
    };
    // What is wrong with it is not repeated: there may be a password in it.
    serde_json::from_slice(&body.to_bytes()).map_err(|_| {
        text(
            StatusCode::BAD_REQUEST,
            "the body is not what is asked for here\n",
        )
    })
}
