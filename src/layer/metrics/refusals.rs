use std::error::Error;

use metrics::counter;

use super::names::REFUSALS;
use crate::{
    error::{Refusal, find, own_reply_code},
    proto::ReplyCode,
};

/// Counts an error if it is a refusal by a rule or a limit. A [`Refusal`] can also be a failure with
/// a reply code of its own, such as a name that is not resolved.
pub(super) fn count_refusal(error: &(dyn Error + 'static)) {
    let reason = match find(error).and_then(Refusal::rule) {
        Some(rule) => rule.to_owned(),
        None if own_reply_code(error) == Some(ReplyCode::NOT_ALLOWED) => "other".to_owned(),
        None => return,
    };
    counter!(REFUSALS, "reason" => reason).increment(1);
}
