use std::{net::IpAddr, sync::Arc};

use tokio::runtime::Handle;

use super::gate::Gate;
use crate::{
    admission::{VERIFICATIONS_WAITING, Waiting},
    error::{AuthError, BoxError, Refusal, find},
    gssapi::{Establishment, Mechanism, Step},
};

/// Takes one step in a thread for what blocks, as soon as it is its turn. The turn is given back when the
/// mechanism returns, whatever becomes of the future.
///
/// # Errors
///
/// Those of the mechanism, as [`AuthError`]s; a [`Refusal`] where too many wait.
///
/// # Cancel safety
///
/// Dropping the future gives up its place among those that wait. A step that has begun goes on to its end.
pub(super) async fn step<M: Mechanism>(
    mechanism: &Arc<M>,
    gate: &Arc<Gate>,
    peer: IpAddr,
    establishment: Option<M::Establishment>,
    token: Vec<u8>,
) -> Result<Step<M::Establishment>, BoxError> {
    let runtime = Handle::try_current()?;
    let waiting = Waiting::new(VERIFICATIONS_WAITING);
    let turn = gate.enter(peer, b"").await?;
    drop(waiting);
    let mechanism = Arc::clone(mechanism);
    let stepped = runtime.spawn_blocking(move || {
        let _turn = turn;
        let establishment = match establishment {
            Some(establishment) => establishment,
            None => mechanism.accept().map_err(ours)?,
        };
        establishment.step(&token).map_err(theirs)
    });
    match stepped.await {
        Ok(stepped) => stepped,
        Err(_) => Err(AuthError::Verifier("the mechanism panicked".into()).into()),
    }
}

/// The fault of the server, unless the mechanism says otherwise.
fn ours(error: BoxError) -> BoxError {
    match says_whose(&error) {
        true => error,
        false => AuthError::Verifier(error).into(),
    }
}

/// The fault of the client, unless the mechanism says otherwise.
fn theirs(error: BoxError) -> BoxError {
    match says_whose(&error) {
        true => error,
        false => AuthError::Unproven(error).into(),
    }
}

fn says_whose(error: &BoxError) -> bool {
    find::<AuthError>(&**error).is_some() || find::<Refusal>(&**error).is_some()
}
