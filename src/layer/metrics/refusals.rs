use std::error::Error;

use metrics::counter;

use super::names::REFUSALS;
use crate::{
    error::{Refusal, find},
    proto::ReplyCode,
};

/// Counts an error, if somebody was turned away by a rule or a limit. There are refusals that are
/// none, such as a name that is not resolved.
pub(super) fn count_refusal(error: &(dyn Error + 'static)) {
    let Some(refusal) = find::<Refusal>(error) else {
        return;
    };
    let by = match refusal.rule() {
        Some(rule) => rule.to_owned(),
        None if refusal.code() == ReplyCode::NOT_ALLOWED => "other".to_owned(),
        None => return,
    };
    counter!(REFUSALS, "by" => by).increment(1);
}
