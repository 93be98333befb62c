use std::error::Error;

use metrics::counter;

use super::names::REFUSALS;
use crate::{
    error::{Refusal, find},
    proto::ReplyCode,
};

/// Counts an error if it is a refusal by a rule or a limit. A [`Refusal`] can also be a failure with
/// a reply code of its own, such as a name that is not resolved.
pub(super) fn count_refusal(error: &(dyn Error + 'static)) {
    let Some(refusal) = find::<Refusal>(error) else {
        return;
    };
    let reason = match refusal.rule() {
        Some(rule) => rule.to_owned(),
        None if refusal.code() == ReplyCode::NOT_ALLOWED => "other".to_owned(),
        None => return,
    };
    counter!(REFUSALS, "reason" => reason).increment(1);
}
