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

    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Answer {
        if let Some(admin) = self.admin()
            && request.uri().path().starts_with("/admin/")
        {
            if !site::is_asked_by_address(request.headers()) {
                return misdirected();
            }
            let answer = admin.answer(request, peer, &self.closer()).await;
            self.listing.outdate();
            return answer;
        }
        let path = request.uri().path();
        // It tells nothing of anybody, and is asked for by any name.
        let script = self.scripts.at(path);
        let (part, data) = (page::part(path), Data::of(path));
        let is_plain = matches!(path, "/metrics" | "/live" | "/ready");
        if part.is_none() && data.is_none() && script.is_none() && !is_plain {
            let there_are = "there are /, /metrics, /live and /ready\n";
            return text(StatusCode::NOT_FOUND, there_are);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is known here\n");
        }
        if let Some(script) = script {
            return script;
        }
        match path {
            "/metrics" => {
                let kind = "text/plain; version=0.0.4";
                return response(StatusCode::OK, kind, self.numbers.text());
            }
            "/live" => return text(StatusCode::OK, "live\n"),
            "/ready" => return ready(&self.health),
            _ => {}
        }
        if !self.has_dashboard() {
            let hint = "there is /metrics; for the page set dashboard = true in [metrics]\n";
            return text(StatusCode::NOT_FOUND, hint);
        }
        if !site::is_asked_by_address(request.headers()) {
            return misdirected();
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
    Feed,
}

impl Data {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/status.json" => Some(Self::Status),
            "/history.json" => Some(Self::History),
            "/feed.json" => Some(Self::Feed),
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
        let nodes = match &asked {
            Asked::Status(selection) if selection.has_nodes => self.fleet.summaries().await,
            _ => None,
        };
        // Many tunnels take some milliseconds, which are not those of a thread that serves.
        let answer = tokio::task::spawn_blocking(move || match asked {
            Asked::Status(selection) => {
                let (series, listed) = (self.series(), self.listing.get(&self.open));
                json(&Snapshot::of(
                    &self,
                    &series,
                    &listed,
                    &selection,
                    nodes.as_deref(),
                ))
            }
            Asked::History(since) => json(&self.history.since(since)),
            Asked::Feed(since) => json(&self.watch.feed.since(since)),
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
    Feed(u64),
}

impl Asked {
    fn parse(data: Data, query: Option<&str>) -> Result<Self, String> {
        let mut query = Query::parse(query)?;
        let asked = match data {
            Data::Status => return Selection::parse(query).map(Self::Status),
            Data::History => Self::History(query.number("since")?.unwrap_or(0)),
            Data::Feed => Self::Feed(query.number("since")?.unwrap_or(0)),
        };
        query.end()?;
        Ok(asked)
    }
}

fn misdirected() -> Answer {
    let hint = "open this page by its address or as localhost\n";
    text(StatusCode::MISDIRECTED_REQUEST, hint)
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
