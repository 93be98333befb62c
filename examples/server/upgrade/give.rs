//! The process that serves: gives its sockets away, and stops once another process serves.

use std::{
    io::ErrorKind::{TimedOut, WouldBlock},
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    Handed, PREPARING, PROMPT,
    channel::Channel,
    message::{Message, PROTOCOL},
};

/// What the server is asked in the course of an upgrade.
#[derive(Debug)]
pub(crate) enum Asked {
    /// For duplicates of its sockets.
    Sockets(oneshot::Sender<Result<Vec<Handed>, String>>),
    /// To stop: another process serves.
    Stop(Served, oneshot::Sender<Result<(), String>>),
    /// To go on: nothing has come of it.
    GoOn,
}

/// A process that serves.
#[derive(Debug)]
pub(crate) struct Served {
    /// Places among those that were given.
    pub(crate) taken: Vec<usize>,
    pub(super) pid: Option<u32>,
    /// To be kept open until this process ends.
    pub(super) _stream: OwnedFd,
}

/// Talks to a new process until it serves. Blocks.
///
/// # Errors
///
/// It does not: this process goes on.
pub(super) fn converse(
    channel: &Channel,
    pid: Option<u32>,
    server: &mpsc::Sender<Asked>,
) -> Result<(), String> {
    match receive(channel, PROMPT, "the first message")? {
        Message::Hello { protocol: PROTOCOL } => {}
        Message::Hello { protocol } => {
            let why = format!("it speaks protocol {protocol}, and this program {PROTOCOL} alone");
            return Err(refuse(channel, why));
        }
        _ => return Err(refuse(channel, "that is no upgrade".into())),
    }
    let offer = match ask(server, Asked::Sockets)? {
        Ok(offer) => offer,
        Err(why) => return Err(refuse(channel, why)),
    };
    for Handed { role, socket } in offer {
        let sent = channel.send(&Message::Socket(role), Some(socket.as_fd()), PROMPT);
        sent.map_err(|error| format!("cannot send a socket: {error}"))?;
    }
    let sent = channel.send(&Message::End, None, PROMPT);
    sent.map_err(|error| format!("cannot send: {error}"))?;
    let taken = match receive(channel, PREPARING, "its being ready") {
        Ok(Message::Ready { taken }) => taken,
        Ok(_) => return Err(refuse(channel, "that is not ready".into())),
        Err(why) => return Err(refuse(channel, why)),
    };
    let stream = channel.stream().map_err(|error| error.to_string())?;
    let served = Served {
        taken,
        pid,
        _stream: stream,
    };
    match ask(server, |answer| Asked::Stop(served, answer))? {
        Ok(()) => {
            // If it is not there any more it serves no less: it was ready.
            _ = channel.send(&Message::Yours, None, PROMPT);
            Ok(())
        }
        Err(why) => Err(refuse(channel, why)),
    }
}

fn receive(channel: &Channel, limit: Duration, what: &str) -> Result<Message, String> {
    match channel.receive(limit) {
        Ok(Some((message, _))) => Ok(message),
        Ok(None) => Err(format!(
            "the new process ended before {what}: its log says why"
        )),
        Err(error) if matches!(error.kind(), TimedOut | WouldBlock) => Err(format!(
            "the new process was silent for {limit:?} before {what}"
        )),
        Err(error) => Err(format!("the new process sent no proper message: {error}")),
    }
}

/// Asks the server, and waits for its answer.
fn ask<T>(
    server: &mpsc::Sender<Asked>,
    question: impl FnOnce(oneshot::Sender<T>) -> Asked,
) -> Result<T, String> {
    let ended = || "the server ends".to_owned();
    let (answer, answered) = oneshot::channel();
    server
        .blocking_send(question(answer))
        .map_err(|_| ended())?;
    answered.blocking_recv().map_err(|_| ended())
}

/// Tells the new process as well.
pub(super) fn refuse(channel: &Channel, why: String) -> String {
    let refused = Message::Refused { why: why.clone() };
    // One that is not there any more need not be told.
    _ = channel.send(&refused, None, PROMPT);
    why
}
