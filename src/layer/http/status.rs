//! From the error of a request to its page: by the table of reply codes, as in SOCKS.

use http::StatusCode;

use super::page::Page;
use crate::{
    error::{Fault, LookupError, Refusal, ReplyCodes, find, reply_code},
    proto::ReplyCode,
};

impl Page {
    /// Returns what the client is told of an error.
    pub(super) fn of(codes: &ReplyCodes, error: &(dyn std::error::Error + 'static)) -> Self {
        let code = codes.of(error);
        // Of a code that somebody has chosen in place of the table's, the error says no more than the code.
        let is_mapped = code != reply_code(error);
        let is_limit = || {
            find::<Refusal>(error)
                .and_then(Refusal::rule)
                .is_some_and(|rule| rule.starts_with("limit "))
        };
        match code {
            _ if !is_mapped && is_limit() => Self::LIMITED,
            ReplyCode::NOT_ALLOWED => Self::DENIED,
            ReplyCode::GENERAL_FAILURE if !is_mapped && Fault::of(error) == Fault::Server => OURS,
            ReplyCode::NETWORK_UNREACHABLE => UNROUTABLE,
            ReplyCode::HOST_UNREACHABLE if !is_mapped && find::<LookupError>(error).is_some() => {
                UNRESOLVED
            }
            ReplyCode::HOST_UNREACHABLE | ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED => UNROUTABLE,
            ReplyCode::CONNECTION_REFUSED => REFUSED,
            ReplyCode::TTL_EXPIRED => TIMED_OUT,
            ReplyCode::COMMAND_NOT_SUPPORTED => UNSUPPORTED,
            _ => UNAVAILABLE,
        }
    }
}

const OURS: Page = Page {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    error: "proxy_internal_error",
    text: "The proxy itself has failed. Try again later; its operator finds the reason in its log.\n",
};

const UNROUTABLE: Page = Page {
    status: StatusCode::BAD_GATEWAY,
    error: "destination_ip_unroutable",
    text: "The proxy cannot reach this host. Check the name and try again later.\n",
};

const UNRESOLVED: Page = Page {
    status: StatusCode::BAD_GATEWAY,
    error: "dns_error",
    text: "The proxy finds no address for this name. Check how it is written.\n",
};

const REFUSED: Page = Page {
    status: StatusCode::BAD_GATEWAY,
    error: "connection_refused",
    text: "The host refuses connections at this port. Check the port, and whether the service runs.\n",
};

const TIMED_OUT: Page = Page {
    status: StatusCode::GATEWAY_TIMEOUT,
    error: "connection_timeout",
    text: "The host did not answer in time. Try again later.\n",
};

const UNSUPPORTED: Page = Page {
    status: StatusCode::NOT_IMPLEMENTED,
    error: "proxy_configuration_error",
    text: "The proxy is not set up for this kind of request.\n",
};

const UNAVAILABLE: Page = Page {
    status: StatusCode::BAD_GATEWAY,
    error: "destination_unavailable",
    text: "The proxy could not connect. Try again later.\n",
};
