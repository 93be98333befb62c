use std::{
    collections::HashMap,
    error, fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use ::redis::{Cmd, Pipeline, cmd};
use futures_util::future::BoxFuture;

use super::{Redis, kept::Kept, shared::Unanswered};

/// Octets that a note, a question or an answer may have.
pub const LONGEST_NOTE: usize = 16 * 1024;

/// Nodes whose notes are read, and questions that are read at once.
const NODES: usize = 256;
const QUESTIONS: usize = 64;

/// Seconds for which a question and its answers are there.
const ASKED: u64 = 60;

/// Questions that are there at once: the oldest make room.
const WAITING: usize = 1000;

/// For how long a note holds at least, so that it need not be told in each moment.
const TOLD: Duration = Duration::from_secs(10);

/// What the nodes of a fleet tell each other through Redis: a note of each, and questions to all with their answers. Clones are
/// one.
///
/// Who can write to Redis can ask as a node does: what an answer does is to be no more than such people may.
#[derive(Clone)]
pub struct RedisNodes(Arc<Nodes>);

struct Nodes {
    redis: Redis,
    /// The last question that was read.
    last: Mutex<Option<String>>,
}

/// What a node says, as a note or as an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeText {
    /// The name of the [node](Redis::node).
    pub node: String,
    /// What it says.
    pub text: String,
}

/// A question to all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeQuestion {
    /// By which it is answered.
    pub id: String,
    /// What is asked.
    pub text: String,
}

impl RedisNodes {
    /// Begins to talk.
    #[must_use]
    pub fn new(redis: &Redis) -> Self {
        let nodes = Arc::new(Nodes {
            redis: redis.clone(),
            last: Mutex::default(),
        });
        let kept: Weak<Nodes> = Arc::downgrade(&nodes);
        redis.shared.keep(kept);
        Self(nodes)
    }

    /// Tells all others something of this node, in place of what was told before. It is forgotten after a
    /// [lease](super::RedisBuilder::lease), or after 10 s if that is less, and when the node [leaves](Redis::leave).
    ///
    /// # Errors
    ///
    /// It is longer than 16 KiB, or Redis is away.
    pub async fn tell(&self, note: &str) -> Result<(), Unheard> {
        let longest = short(note)?;
        let holds = self.0.redis.shared.lease().max(TOLD);
        let mut command = cmd("SET");
        command
            .arg(self.note(self.0.redis.node()))
            .arg(longest)
            .arg("EX")
            .arg(holds.as_secs());
        let _: String = self.one(&command).await?;
        Ok(())
    }

    /// Returns the notes of all nodes that are there, this one's among them: of 256 at most, and of each 16 KiB.
    ///
    /// # Errors
    ///
    /// Redis is away.
    pub async fn notes(&self) -> Result<Vec<NodeText>, Unheard> {
        let mut command = cmd("ZRANGE");
        command
            .arg(self.0.redis.shared.nodes_place())
            .arg(0)
            .arg(NODES - 1);
        let nodes: Vec<String> = self.one(&command).await?;
        if nodes.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = Pipeline::new();
        for node in &nodes {
            // However long it is that somebody has written there.
            commands
                .cmd("GETRANGE")
                .arg(self.note(node))
                .arg(0)
                .arg(LONGEST_NOTE - 1);
        }
        let texts: Vec<String> = self.0.redis.shared.commands(&commands).await?;
        let notes = nodes.into_iter().zip(texts);
        let notes = notes.map(|(node, text)| NodeText { node, text });
        Ok(notes.filter(|note| !note.text.is_empty()).collect())
    }

    /// Asks all nodes, this one among them, and returns by which the answers are found. A question that nobody has read
    /// for a minute is forgotten.
    ///
    /// # Errors
    ///
    /// It is longer than 16 KiB, or Redis is away. It may have been asked all the same.
    pub async fn ask(&self, question: &str) -> Result<String, Unheard> {
        let question = short(question)?;
        let place = self.place("questions");
        let mut commands = Pipeline::new();
        commands
            .cmd("XADD")
            .arg(&place)
            .arg("MAXLEN")
            .arg("~")
            .arg(WAITING)
            .arg("*")
            .arg("text")
            .arg(question)
            .cmd("EXPIRE")
            .arg(&place)
            .arg(ASKED)
            .ignore();
        let (id,): (String,) = self.0.redis.shared.commands(&commands).await?;
        Ok(id)
    }

    /// Returns the questions since it was called last, up to 64 of them. Those from before the first call are not for this
    /// node. One task is to call it, once in a while.
    ///
    /// # Errors
    ///
    /// Redis is away.
    pub async fn questions(&self) -> Result<Vec<NodeQuestion>, Unheard> {
        let place = self.place("questions");
        let last = self.last().clone();
        let Some(last) = last else {
            let mut command = cmd("XREVRANGE");
            command.arg(&place).arg("+").arg("-").arg("COUNT").arg(1);
            let newest: Vec<(String, Vec<String>)> = self.one(&command).await?;
            let newest = newest.into_iter().next();
            *self.last() = Some(newest.map_or_else(|| "0-0".to_owned(), |(id, _)| id));
            return Ok(Vec::new());
        };
        let mut command = cmd("XRANGE");
        command
            .arg(&place)
            .arg(format!("({last}"))
            .arg("+")
            .arg("COUNT")
            .arg(QUESTIONS);
        let asked: Vec<(String, Vec<String>)> = self.one(&command).await?;
        if let Some((id, _)) = asked.last() {
            *self.last() = Some(id.clone());
        }
        let questions = asked.into_iter().filter_map(|(id, fields)| {
            let text = fields.into_iter().nth(1)?;
            Some(NodeQuestion { id, text })
        });
        Ok(questions.collect())
    }

    /// Answers a question for this node.
    ///
    /// # Errors
    ///
    /// It is longer than 16 KiB, or Redis is away.
    pub async fn answer(&self, id: &str, answer: &str) -> Result<(), Unheard> {
        let answer = short(answer)?;
        let place = self.answers_place(id);
        let mut commands = Pipeline::new();
        commands
            .cmd("HSET")
            .arg(&place)
            .arg(self.0.redis.node())
            .arg(answer)
            .ignore()
            .cmd("EXPIRE")
            .arg(&place)
            .arg(ASKED);
        let (_,): (u32,) = self.0.redis.shared.commands(&commands).await?;
        Ok(())
    }

    /// Returns the answers to a question so far.
    ///
    /// # Errors
    ///
    /// Redis is away.
    pub async fn answers(&self, id: &str) -> Result<Vec<NodeText>, Unheard> {
        let mut command = cmd("HGETALL");
        command.arg(self.answers_place(id));
        let answers: HashMap<String, String> = self.one(&command).await?;
        let answers = answers.into_iter();
        Ok(answers
            .map(|(node, text)| NodeText { node, text })
            .collect())
    }

    async fn one<T: ::redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, Unheard> {
        // While Redis is away nothing is asked.
        let mut commands = Pipeline::new();
        commands.add_command(command.clone());
        let (answer,): (T,) = self.0.redis.shared.commands(&commands).await?;
        Ok(answer)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, what: &str) -> String {
        self.0.redis.shared.place("nodes", what, "")
    }

    fn note(&self, node: &str) -> String {
        self.0.redis.shared.place("nodes", "note", node)
    }

    fn answers_place(&self, id: &str) -> String {
        self.0.redis.shared.place("nodes", "answers", id)
    }
}

fn short(text: &str) -> Result<&str, Unheard> {
    match text.len() <= LONGEST_NOTE {
        true => Ok(text),
        false => Err(Unheard::TooLong),
    }
}

impl Kept for Nodes {
    fn write(&self, _: bool) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let shared = &self.redis.shared;
            let mut commands = Pipeline::new();
            commands
                .cmd("DEL")
                .arg(shared.place("nodes", "note", shared.node()));
            let _ = shared.commands::<(u32,)>(&commands).await;
        })
    }
}

impl fmt::Debug for RedisNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisNodes")
            .field("node", &self.0.redis.node())
            .finish_non_exhaustive()
    }
}

/// Why nodes have not been told or asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unheard {
    /// Redis is away, or has not answered.
    Away,
    /// The text has more than 16 KiB.
    TooLong,
}

impl From<Unanswered> for Unheard {
    fn from(_: Unanswered) -> Self {
        Self::Away
    }
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Away => "Redis is away",
            Self::TooLong => "a text for other nodes may have 16 KiB",
        })
    }
}

impl error::Error for Unheard {}
