//! What a service answers.

use std::{future::poll_fn, pin::Pin};

use http::{Response, StatusCode, header::CONTENT_TYPE};
use hyper::body::{Body, Incoming};
use serde::Deserialize;

use super::{super::Object, error::Failure};
use crate::session::{Amounts, Identity};

/// Octets of an answer.
const LONGEST: usize = 64 * 1024;

/// Groups of a user. One more is an error: the one that is left out might be the one that a rule denies.
const MOST_GROUPS: usize = 1024;

/// What is said of a user.
#[derive(Default, Deserialize)]
pub(super) struct Answer {
    name: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    amounts: Option<Object<Amounts>>,
}

/// Reads an answer; `None` for one who is denied.
pub(super) async fn read(response: Response<Incoming>) -> Result<Option<Answer>, Failure> {
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(None),
        other => return Err(Failure::Status(other)),
    }
    // A page of somebody else's, to log in at a network, has 200 as well.
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Failure::Answer(
            "200 without `content-type: application/json`".into(),
        ));
    }
    let octets = collect(response.into_body()).await?;
    let Object(answer): Object<Answer> = serde_json::from_slice(&octets)
        // Its text may have what was sent.
        .map_err(|error| {
            Failure::Answer(format!(
                "200 with JSON that is no answer, at line {} column {}",
                error.line(),
                error.column()
            ))
        })?;
    let is_name = |name: &String| (1..=255).contains(&name.len());
    if !answer.name.iter().all(is_name) {
        return Err(Failure::Answer(
            "`name` is empty, or has more than 255 octets".into(),
        ));
    }
    if answer.groups.len() > MOST_GROUPS {
        return Err(Failure::Answer(format!(
            "a user is in more than {MOST_GROUPS} groups"
        )));
    }
    Ok(Some(answer))
}

async fn collect(mut body: Incoming) -> Result<Vec<u8>, Failure> {
    let too_much = || Failure::Answer("an answer has more than 64 KiB".into());
    let mut octets = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.map_err(Failure::Http)?.into_data() {
            if octets.len() + data.len() > LONGEST {
                return Err(too_much());
            }
            octets.extend_from_slice(&data);
        }
    }
    Ok(octets)
}

impl Answer {
    pub(super) fn identity(self, sent: &[u8]) -> Identity {
        let mut identity = match self.name {
            Some(name) => Identity::named(name),
            None => Identity::named(sent),
        };
        let mut groups = self.groups;
        groups.sort_unstable();
        groups.dedup();
        if !groups.is_empty() {
            identity = identity.with_groups(groups);
        }
        if let Some(Object(amounts)) = self.amounts {
            identity.extensions_mut().insert(amounts);
        }
        identity
    }
}
