//! What a request carries before anybody is known: its origin, its credential, its address; and
//! the shape in which it is refused. Shared by the socket handshakes and REST, so that both let in
//! the same people in the same way (contract 4).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::config::Auth;
use crate::model::Error;

/// The cookie of a local user's login.
pub const LOGIN_COOKIE: &str = "switchboard_login";
/// The cookie of a customer's session.
pub const SESSION_COOKIE: &str = "switchboard_session";
/// The subprotocol that carries a token: `bearer, <token>`.
pub const TOKEN_PROTOCOL: &str = "bearer";

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a page of this server, or of an origin the configuration allows.
    Allowed,
    /// It does not say: no browser, or a browser that does not need to.
    Unsaid,
    /// From any other page.
    Foreign,
}

/// The origins whose pages may come in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Origins {
    allowed: Arc<[String]>,
    allows_loopback: bool,
    /// We speak TLS ourselves, so a page of ours has no other scheme. Without it, a proxy may.
    is_secure: bool,
}

impl Origins {
    /// The configured origins.
    pub fn new(auth: &Auth, is_secure: bool) -> Origins {
        let allowed = auth.cors_origin.iter().map(|o| o.to_ascii_lowercase()).collect();
        Origins { allowed, allows_loopback: auth.loopback_origins, is_secure }
    }

    /// The pages that may show ours in a frame, as a Content-Security-Policy lists them.
    pub fn frame_ancestors(&self) -> String {
        let mut list = String::from("'self'");
        for origin in self.allowed.iter() {
            list.push(' ');
            list.push_str(origin);
        }
        if self.allows_loopback {
            list.push_str(" http://localhost:* http://127.0.0.1:* https://localhost:*");
        }
        list
    }

    /// Where a request with these headers comes from.
    pub fn of(&self, headers: &HeaderMap) -> Origin {
        let Some(origin) = headers.get(header::ORIGIN) else {
            // Browsers leave Origin out of same-origin reads, but then say so in a header that no
            // page can set.
            let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
            return if site == Some(b"same-origin") { Origin::Allowed } else { Origin::Unsaid };
        };
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
        if self.allowed.iter().any(|a| a == "*" || *a == origin)
            || (is_of_host(&origin, &host.to_ascii_lowercase())
                && (!self.is_secure || origin.starts_with("https:")))
            || (self.allows_loopback && is_loopback(&origin))
        {
            Origin::Allowed
        } else {
            Origin::Foreign
        }
    }
}

fn is_of_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let plain = |a: &str| a.strip_suffix(default_port).unwrap_or(a).to_owned();
    !host.is_empty() && plain(authority) == plain(host)
}

fn is_loopback(origin: &str) -> bool {
    let Ok(url) = url::Url::parse(origin) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The token or API key a request carries: in the Authorization header, the query, the WebSocket
/// subprotocol, or one of these cookies, the first of them that is there. A cookie counts only
/// from an allowed origin.
///
/// # Errors
/// 401 for an Authorization header of another scheme: it was meant to prove something.
pub fn credential(
    headers: &HeaderMap,
    query: Option<&str>,
    origin: Origin,
    cookies: &[&str],
) -> Result<Option<String>, Error> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let token = text.split_once(' ').filter(|(s, _)| s.eq_ignore_ascii_case("bearer"));
        return match token {
            Some((_, token)) if !token.trim().is_empty() => Ok(Some(token.trim().to_owned())),
            _ => Err(Error::Unauthorized("expected Authorization: Bearer <token>".into())),
        };
    }
    if let Some(token) = query_parameter(query, "token").filter(|t| !t.is_empty()) {
        return Ok(Some(token));
    }
    if let Some(token) = protocol_token(headers) {
        return Ok(Some(token));
    }
    if origin != Origin::Allowed {
        return Ok(None);
    }
    Ok(cookies.iter().find_map(|name| cookie(headers, name)))
}

/// One parameter of a query string, decoded.
pub fn query_parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn protocol_token(headers: &HeaderMap) -> Option<String> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let mut offered = offered.split(',').map(str::trim);
    offered.find(|p| *p == TOKEN_PROTOCOL)?;
    offered.next().filter(|t| !t.is_empty()).map(str::to_owned)
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs =
        cookies.flat_map(|c| c.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// The address a request came from, for limits.
pub fn address(parts: &Parts) -> String {
    match parts.extensions.get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(address)) => address.ip().to_canonical().to_string(),
        None => "unknown".to_owned(),
    }
}

/// A refusal as REST and the handshakes answer it (contract 8).
pub fn refuse(error: &Error) -> Response {
    let mut body = json!({
        "success": false,
        "message": error.title(),
        "error": error.to_string(),
        "code": error.code(),
    });
    match error {
        Error::Conflict { holder: Some(holder), .. } => body["data"] = json!(holder),
        Error::Invalid { field, reason } => body["fields"] = json!({ *field: reason }),
        Error::InvalidAt { path, reason } => body["fields"] = json!({ path: reason }),
        _ => {}
    }
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    match error {
        Error::RateLimited { retry_after_s } => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_s));
        }
        Error::TooManyConnections(_) | Error::Unavailable(_) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(1));
        }
        Error::Unauthorized(_) => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect()
    }

    fn origins(list: &[&str], allows_loopback: bool) -> Origins {
        let allowed = list.iter().map(ToString::to_string).collect();
        Origins { allowed, allows_loopback, is_secure: false }
    }

    #[test]
    fn only_the_same_and_the_configured_origins_are_allowed() {
        let of = |origins: &Origins, origin: &str| {
            origins.of(&headers(&[("origin", origin), ("host", "chat.example.com")]))
        };
        let none = origins(&[], false);
        assert_eq!(of(&none, "https://chat.example.com"), Origin::Allowed);
        assert_eq!(of(&none, "https://chat.example.com:443"), Origin::Allowed);
        for foreign in ["https://evil.example", "null", "https://chat.example.com.evil.example"] {
            assert_eq!(of(&none, foreign), Origin::Foreign, "{foreign}");
        }
        assert_eq!(
            of(&origins(&["https://shop.example"], false), "https://shop.example"),
            Origin::Allowed
        );
        assert_eq!(of(&origins(&[], true), "http://localhost:5173"), Origin::Allowed);
        assert_eq!(of(&origins(&[], true), "http://localhost.evil.example"), Origin::Foreign);
        assert_eq!(none.of(&headers(&[])), Origin::Unsaid);
        let secure = Origins { is_secure: true, ..none };
        assert_eq!(of(&secure, "https://chat.example.com"), Origin::Allowed);
        assert_eq!(of(&secure, "http://chat.example.com"), Origin::Foreign);
    }

    #[test]
    fn the_allowed_origins_may_frame_the_widget() {
        assert_eq!(origins(&[], false).frame_ancestors(), "'self'");
        let shop = origins(&["https://shop.example"], false).frame_ancestors();
        assert_eq!(shop, "'self' https://shop.example");
        assert!(origins(&[], true).frame_ancestors().contains(" http://localhost:*"));
    }

    #[test]
    fn a_cookie_counts_only_from_an_allowed_origin() {
        let with = headers(&[("cookie", "a=b; switchboard_login=tok")]);
        let ask = |origin| credential(&with, None, origin, &[LOGIN_COOKIE]).unwrap();
        assert_eq!(ask(Origin::Allowed).as_deref(), Some("tok"));
        assert_eq!(ask(Origin::Unsaid), None);
        assert_eq!(ask(Origin::Foreign), None);
    }

    #[test]
    fn the_header_goes_before_the_query_and_the_query_before_the_subprotocol() {
        let all =
            headers(&[("authorization", "Bearer h"), ("sec-websocket-protocol", "bearer, p")]);
        let ask = |h: &HeaderMap, q| credential(h, q, Origin::Unsaid, &[]).unwrap();
        assert_eq!(ask(&all, Some("token=q")).as_deref(), Some("h"));
        let protocol = headers(&[("sec-websocket-protocol", "chat, bearer, p")]);
        assert_eq!(ask(&protocol, Some("x=1&token=q")).as_deref(), Some("q"));
        assert_eq!(ask(&protocol, None).as_deref(), Some("p"));
        let basic = headers(&[("authorization", "Basic eDp5")]);
        assert!(credential(&basic, None, Origin::Unsaid, &[]).is_err());
    }
}
