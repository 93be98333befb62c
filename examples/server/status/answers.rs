//! What is asked for at the address, and the answers.

use std::sync::Arc;

use hyper::{Method, Request, StatusCode, body::Incoming};

use super::{
    Health, Status, page,
    selection::Selection,
    site::{self, Answer, Peer, Query, Site, json, response, text},
    snapshot::Snapshot,
};

impl Site for Status {
    const NAME: &'static str = "metrics";

    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: Peer) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is known here\n");
        }
        match request.uri().path() {
            "/metrics" => {
                return response(
                    StatusCode::OK,
                    "text/plain; version=0.0.4",
                    self.numbers.text(),
                );
            }
            "/live" => return text(StatusCode::OK, "live\n"),
            "/ready" => return ready(&self.health),
            _ => {}
        }
        let part = page::part(request.uri().path());
        let data = Data::of(request.uri().path());
        if part.is_none() && data.is_none() {
            let there_are = "there are /, /metrics, /live and /ready\n";
            return text(StatusCode::NOT_FOUND, there_are);
        }
        if !self.dashboard {
            let hint = "there is /metrics; for the page set dashboard = true in [metrics]\n";
            return text(StatusCode::NOT_FOUND, hint);
        }
        if !site::is_asked_by_address(request.headers()) {
            let hint = "open this page by its address or as localhost\n";
            return text(StatusCode::MISDIRECTED_REQUEST, hint);
        }
        match (part, data) {
            (Some(part), _) => part,
            (None, Some(data)) => self.data(data, request.uri().query()).await,
            (None, None) => text(StatusCode::NOT_FOUND, "\n"),
        }
    }
}

/// What the page asks for over and over.
#[derive(Clone, Copy, Debug)]
enum Data {
    Status,
    History,
}

impl Data {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/status.json" => Some(Self::Status),
            "/history.json" => Some(Self::History),
            _ => None,
        }
    }
}

impl Status {
    async fn data(self: Arc<Self>, data: Data, query: Option<&str>) -> Answer {
        let asked = match Asked::parse(data, query) {
            Ok(asked) => asked,
            Err(problem) => return text(StatusCode::BAD_REQUEST, format!("{problem}\n")),
        };
        // Many tunnels take some milliseconds, which are not those of a thread that serves.
        let answer = tokio::task::spawn_blocking(move || match asked {
            Asked::Status(selection) => {
                let (series, listed) = (self.series(), self.listing.get(&self.open));
                json(&Snapshot::of(&self, &series, &listed, &selection))
            }
            Asked::History(since) => json(&self.history.since(since)),
        });
        answer.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "metrics: no answer");
            text(StatusCode::INTERNAL_SERVER_ERROR, "no answer\n")
        })
    }
}

/// The same with what the query says.
enum Asked {
    Status(Selection),
    History(u64),
}

impl Asked {
    fn parse(data: Data, query: Option<&str>) -> Result<Self, String> {
        let mut query = Query::parse(query)?;
        let asked = match data {
            Data::Status => return Selection::parse(query).map(Self::Status),
            Data::History => Self::History(query.number("since")?.unwrap_or(0)),
        };
        query.end()?;
        Ok(asked)
    }
}

/// Load balancers look at the status, and people at the lines.
fn ready(health: &Health) -> Answer {
    let problems = health.problems();
    if problems.is_empty() {
        return text(StatusCode::OK, "ready\n");
    }
    let lines = problems
        .into_iter()
        .map(|problem| format!("not ready: {problem}\n"));
    text(StatusCode::SERVICE_UNAVAILABLE, lines.collect::<String>())
}
