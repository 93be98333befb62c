//! The messages of the sub-negotiation, from the server's side.

use std::{net::SocketAddr, sync::Arc};

use tokio::io::AsyncWriteExt;

use super::{
    gate::Gate,
    levels::{Bare, Levels},
    steps::step,
};
use crate::{
    error::{AuthError, BoxError, FailedAttempt, Refusal},
    gssapi::{
        Context, Due, Establishment, Mechanism, ROUNDS, Step, TokenError, read_token, write_token,
    },
    io::{ClientStream, ReadError},
    proto::{GssapiHeader, ProtectionLevel},
    session::Identity,
};

/// What clients are asked for.
pub(super) struct Terms<M> {
    pub(super) mechanism: Arc<M>,
    pub(super) levels: Levels,
    pub(super) identity: Identify,
    /// The turns of the mechanism.
    pub(super) gate: Arc<Gate>,
}

impl<M> Clone for Terms<M> {
    fn clone(&self) -> Self {
        Self {
            mechanism: Arc::clone(&self.mechanism),
            levels: self.levels.clone(),
            identity: Arc::clone(&self.identity),
            gate: Arc::clone(&self.gate),
        }
    }
}

/// Who a client is by its name.
pub(super) type Identify = Arc<dyn Fn(&str) -> Result<Identity, AuthError> + Send + Sync>;

/// A client that is known, and what was agreed on.
pub(super) struct Agreed<C> {
    pub(super) context: C,
    pub(super) level: ProtectionLevel,
    pub(super) identity: Identity,
}

/// Why the dialogue ended.
pub(super) enum End {
    /// The client is refused, and hears of it.
    Refused(BoxError),
    /// There is nobody to tell.
    Gone(BoxError),
}

/// What a mechanism makes in the end.
type ContextOf<M> = <<M as Mechanism>::Establishment as Establishment>::Context;

/// Establishes a context, and agrees on a level.
pub(super) async fn negotiate<M, Io>(
    terms: &Terms<M>,
    io: &mut Io,
    peer: SocketAddr,
) -> Result<Agreed<ContextOf<M>>, End>
where
    M: Mechanism,
    Io: ClientStream,
{
    let mut establishment = None;
    for round in 1..=ROUNDS {
        let token = read(io, Due::Context).await?;
        let stepped = step(
            &terms.mechanism,
            &terms.gate,
            peer.ip(),
            establishment.take(),
            token,
        );
        match stepped.await.map_err(End::Refused)? {
            // A token that nobody would read the answer to.
            Step::Continue { .. } if round == ROUNDS => break,
            Step::Continue { token, next } => {
                write(io, Due::Context, &token).await?;
                establishment = Some(next);
            }
            Step::Done {
                token,
                mut context,
                peer,
            } => {
                let failed = |error| End::Refused(FailedAttempt::new(&peer, error).into());
                let identity = (terms.identity)(&peer).map_err(|error| failed(error.into()))?;
                // Of 0 octets where nothing is left to say: the client waits for it.
                write(io, Due::Context, &token.unwrap_or_default()).await?;
                let level = agree(&terms.levels, io, &mut context).await;
                let level = level.map_err(|end| match end {
                    End::Refused(error) => failed(error),
                    gone @ End::Gone(_) => gone,
                })?;
                return Ok(Agreed {
                    context,
                    level,
                    identity,
                });
            }
        }
    }
    let error = format!("no context after {ROUNDS} tokens");
    Err(End::Refused(AuthError::Unproven(error.into()).into()))
}

/// Reads the level that the client asks for, and answers with the one that rules.
async fn agree<C, Io>(levels: &Levels, io: &mut Io, context: &mut C) -> Result<ProtectionLevel, End>
where
    C: Context,
    Io: ClientStream,
{
    let token = read(io, Due::Level).await?;
    // No token of a mechanism has one octet.
    let is_bare = token.len() == 1;
    let asked = match (is_bare, levels.bare) {
        (true, Bare::Allowed) => token,
        (true, Bare::Refused) => return Err(refuse("the level of protection is not protected")),
        (false, _) => {
            let unwrapped = context.unwrap(&token);
            let unwrapped =
                unwrapped.map_err(|error| End::Refused(AuthError::Unproven(error).into()))?;
            if unwrapped.out_of_turn {
                return Err(refuse("the level of protection is not in its turn"));
            }
            unwrapped.message
        }
    };
    let Some(asked) = ProtectionLevel::from_octets(&asked) else {
        return Err(refuse("the level of protection is not one octet"));
    };
    let Some(level) = levels.choose(asked, context.can_encrypt()) else {
        return Err(refuse("no level of protection that is allowed is possible"));
    };
    let answer = match is_bare {
        true => vec![level.0],
        false => {
            let wrapped = context.wrap(false, &[level.0]);
            wrapped.map_err(|error| End::Refused(AuthError::Verifier(error).into()))?
        }
    };
    write(io, Due::Level, &answer).await?;
    Ok(level)
}

/// Refuses somebody who has proven who it is.
fn refuse(reason: &'static str) -> End {
    End::Refused(Refusal::not_allowed(reason).into())
}

async fn read<Io: ClientStream>(io: &mut Io, due: Due) -> Result<Vec<u8>, End> {
    read_token(io, due).await.map_err(|error| match error {
        TokenError::Read(error @ (ReadError::Closed | ReadError::Io(_))) => End::Gone(error.into()),
        TokenError::Read(error) => End::Refused(error.into()),
        other => End::Refused(other.into()),
    })
}

async fn write<Io: ClientStream>(io: &mut Io, due: Due, token: &[u8]) -> Result<(), End> {
    write_token(io, due, token).await.map_err(End::Gone)
}

/// Tells the client that it is refused (RFC 1961 section 3.8).
pub(super) async fn abort<Io: ClientStream>(io: &mut Io) -> std::io::Result<()> {
    io.write_all(&GssapiHeader::Abort.encode()).await?;
    io.flush().await
}
