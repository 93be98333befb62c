//! Responses of the proxy itself: a status, a few plain words, and why (RFC 9209).

use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, PROXY_AUTHENTICATE},
};

use super::{body::Body, problem::Problem};

/// A response of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    /// The type of the error, by RFC 9209 section 2.3.
    pub(super) error: &'static str,
    /// What is the matter, and what to do next. Nothing of the request is in it.
    pub(super) text: &'static str,
}

impl Page {
    /// Makes the response; `closes` if the connection ends behind it.
    pub(super) fn response(self, closes: bool) -> Response<Body> {
        let mut response = Response::new(Body::text(self.text));
        *response.status_mut() = self.status;
        let fields = response.headers_mut();
        fields.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        // Nobody else is to be answered with it.
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let status = format!("tower-socks; error={}", self.error);
        if let Ok(status) = HeaderValue::try_from(status) {
            fields.insert(HeaderName::from_static("proxy-status"), status);
        }
        if self.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            fields.insert(
                PROXY_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"proxy\", charset=\"UTF-8\""),
            );
        }
        if closes {
            fields.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The client has to say who it is.
    pub(super) const AUTHENTICATE: Self = Self {
        status: StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        error: "http_request_denied",
        text: "This proxy wants a name and a password. Set them where you have set the proxy.\n",
    };

    /// Too many attempts to log in.
    pub(super) const TOO_MANY_LOGINS: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        error: "http_request_denied",
        text: "Too many attempts with a wrong name or password. Wait a while, then try again.\n",
    };

    /// Refused by policy.
    pub(super) const DENIED: Self = Self {
        status: StatusCode::FORBIDDEN,
        error: "http_request_denied",
        text: "The proxy does not allow this. Its operator can say why, and change it.\n",
    };

    /// Refused by a limit.
    pub(super) const LIMITED: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        error: "http_request_denied",
        text: "A limit of the proxy has been reached. Wait a while, or close other connections, then \
               try again.\n",
    };

    /// The origin sent no response, or none that can be passed on.
    pub(super) const NO_RESPONSE: Self = Self {
        status: StatusCode::BAD_GATEWAY,
        error: "http_protocol_error",
        text: "The host sent no proper response. Try again later.\n",
    };

    /// The origin was silent.
    pub(super) const SLOW_RESPONSE: Self = Self {
        status: StatusCode::GATEWAY_TIMEOUT,
        error: "connection_read_timeout",
        text: "The host did not respond in time. Try again later.\n",
    };

    /// The server drains.
    pub(super) const DRAINING: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        error: "proxy_internal_response",
        text: "The proxy is about to stop. Connect again.\n",
    };

    /// The verifier failed.
    pub(super) const NOT_VERIFIED: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        error: "proxy_internal_error",
        text: "The proxy could not check your name and password. Try again later.\n",
    };
}

impl From<Problem> for Page {
    fn from(problem: Problem) -> Self {
        let error = "http_request_error";
        let page = |status, text| Self {
            status,
            error,
            text,
        };
        match problem {
            Problem::Malformed(_) => page(
                StatusCode::BAD_REQUEST,
                "The proxy does not understand this request. It has to be CONNECT HOST:PORT, or a \
                 method and a whole URL that begins with http://, in well-formed HTTP/1.1.\n",
            ),
            Problem::TooLarge => page(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The head of this request is too large: 32 KiB and 100 fields at most. Delete cookies \
                 of this site, or shorten the URL.\n",
            ),
            Problem::TooSlow => page(
                StatusCode::REQUEST_TIMEOUT,
                "The request did not arrive in time. Try again.\n",
            ),
            Problem::Version => page(
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "The proxy speaks HTTP/1.1 and HTTP/1.0.\n",
            ),
            Problem::Expectation => page(
                StatusCode::EXPECTATION_FAILED,
                "The proxy meets no expectation but 100-continue.\n",
            ),
            Problem::Scheme => page(
                StatusCode::NOT_IMPLEMENTED,
                "The proxy fetches URLs that begin with http://. For everything else, https:// among \
                 it, a client asks for a tunnel by CONNECT.\n",
            ),
            Problem::Trace => page(
                StatusCode::NOT_IMPLEMENTED,
                "The proxy does not forward TRACE.\n",
            ),
            Problem::Page => page(
                StatusCode::BAD_REQUEST,
                "This is a proxy, and not a web server: there is no page here. Enter its address and \
                 port as the HTTP or SOCKS proxy of your browser or program.\n",
            ),
            Problem::Loop => Self {
                status: StatusCode::BAD_GATEWAY,
                error: "proxy_loop_detected",
                text: "This request has come through this proxy before: proxies are set up in a circle. \
                       Check to which proxy each of them hands requests on.\n",
            },
        }
    }
}
