//! Closing the tunnels of a user at all servers.

use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant, sleep};
use tower_socks::{
    layer::track::OpenTunnels,
    redis::{NodeQuestion, NodeText, Unheard},
};

use super::{joined::Joined, node::Others};
use crate::status::{Summary, close_user};

/// How long others have to answer: each looks twice a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// Between two looks for answers.
const LOOK: Duration = Duration::from_millis(100);

/// What a server asks of all.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The user, as the page or the log writes the name.
    close: String,
    /// Who has asked for it.
    by: String,
    /// The node that was asked. It has closed its own.
    node: String,
}

impl Joined {
    /// Asks all others, and waits for what they say.
    ///
    /// # Errors
    ///
    /// They were not asked.
    pub(super) async fn close_elsewhere(&self, user: &str, by: &str) -> Result<Others, String> {
        let fail = |problem: Unheard| problem.to_string();
        let asked = Asked {
            close: user.to_owned(),
            by: format!("{by} at {}", self.name),
            node: self.redis.node().to_owned(),
        };
        let text = serde_json::to_string(&asked).map_err(|problem| problem.to_string())?;
        let mut silent = self.nodes.notes().await.map_err(fail)?;
        silent.retain(|note| note.node != asked.node);
        let id = self.nodes.ask(&text).await.map_err(fail)?;
        let until = Instant::now() + PATIENCE;
        let mut answers: Vec<NodeText> = Vec::new();
        while !silent.is_empty() && Instant::now() < until {
            sleep(LOOK).await;
            if let Ok(said) = self.nodes.answers(&id).await {
                answers = said;
            }
            silent.retain(|note| answers.iter().all(|answer| answer.node != note.node));
        }
        let closed = answers.iter().filter_map(|it| it.text.parse::<u64>().ok());
        let name = |note: NodeText| {
            Summary::read(&note.node, &note.text).map_or(note.node, Summary::into_name)
        };
        Ok(Others {
            closed: closed.fold(0, u64::saturating_add),
            answered: answers.len(),
            silent: silent.into_iter().map(name).collect(),
        })
    }

    /// Does what another one asks for, and says what came of it.
    pub(super) async fn answer(&self, question: &NodeQuestion, open: &OpenTunnels) {
        let Ok(asked) = serde_json::from_str::<Asked>(&question.text) else {
            tracing::debug!("another server asks for what this one does not know");
            return;
        };
        if asked.node == self.redis.node() {
            return;
        }
        // What is from elsewhere is to be one line of the log.
        let by: String = asked.by.escape_debug().take(200).collect();
        let closed = close_user(open, &asked.close, &by);
        let said = self.nodes.answer(&question.id, &closed.to_string()).await;
        if let Err(problem) = said {
            tracing::debug!(%problem, "no answer for another server");
        }
    }
}
