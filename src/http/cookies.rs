//! The cookies that carry a token (contract 4). Knows how they are written; `door` knows how they
//! are read.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::response::AppendHeaders;
use http::{HeaderName, HeaderValue, header, request};

use super::Parts;
use crate::door::Origin;

/// How cookies are set on the answer to this request.
pub(super) struct Cookies {
    /// A foreign page could otherwise exchange a browser's cookies under its user's hands.
    is_foreign: bool,
    is_secure: bool,
}

/// Part of a response.
pub(super) type SetCookies = AppendHeaders<Vec<(HeaderName, HeaderValue)>>;

impl FromRequestParts<Parts> for Cookies {
    type Rejection = Infallible;

    async fn from_request_parts(
        head: &mut request::Parts,
        parts: &Parts,
    ) -> Result<Cookies, Infallible> {
        let is_foreign = parts.origins.of(&head.headers) == Origin::Foreign;
        Ok(Cookies { is_foreign, is_secure: parts.app.config.tls_files().is_some() })
    }
}

impl Cookies {
    /// Keeps a token in a cookie for as long as it holds.
    pub(super) fn set(&self, name: &str, token: &str, ttl: Duration) -> SetCookies {
        self.headers(&[(name, token, ttl)])
    }

    /// Makes the browser forget these cookies.
    pub(super) fn clear(&self, names: &[&str]) -> SetCookies {
        let gone: Vec<_> = names.iter().map(|name| (*name, "", Duration::ZERO)).collect();
        self.headers(&gone)
    }

    fn headers(&self, cookies: &[(&str, &str, Duration)]) -> SetCookies {
        let cookies = if self.is_foreign { &[] } else { cookies };
        let lines = cookies.iter().filter_map(|(name, value, ttl)| {
            let secure = if self.is_secure { "; Secure" } else { "" };
            let age_s = ttl.as_secs();
            let line =
                format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age_s}{secure}");
            Some((header::SET_COOKIE, HeaderValue::try_from(line).ok()?))
        });
        AppendHeaders(lines.collect())
    }
}
