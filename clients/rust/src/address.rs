//! Where the server is, and the HTTP client that goes there with the key. It must not know what is
//! asked.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};

use crate::Error;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Keeps an absurd `Retry-After` from standing still for ever.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Reads an address of one of these schemes. What is wrong is told without the address: one with a
/// password in it is what this refuses.
pub(crate) fn parse(address: &str, schemes: &[&str]) -> Result<Url, Error> {
    let unusable = |what: &str| Error::Unusable(format!("the address {what}"));
    let url = Url::parse(address).map_err(|_| unusable("cannot be read"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(unusable(&format!("must begin with {}://", schemes.join(":// or "))));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(unusable("has a user; the key is given beside it"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(unusable("has a query or fragment"));
    }
    Ok(url)
}

/// The address with this below its path.
pub(crate) fn below(mut base: Url, path: &str) -> Url {
    let whole = format!("{}{path}", base.path().trim_end_matches('/'));
    base.set_path(&whole);
    base
}

/// A client that says who it is by this key or token.
pub(crate) fn client(key: &str) -> Result<Client, Error> {
    if key.is_empty() {
        return Err(Error::Unusable("the key or token is empty".into()));
    }
    // A line break of the file it was read from, say.
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
        Error::Unusable("the key or token has characters that cannot be sent".into())
    })?;
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value);
    // A redirect could carry the key to somewhere else. HTTP/1.1 because that is what upgrades.
    let client = Client::builder()
        .user_agent("switchboard-rust")
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .http1_only();
    client.build().map_err(|err| Error::Unusable(crate::error::whole(&err)))
}

/// How long an answer asks to wait, in whole seconds; a date in its place is passed over.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let seconds = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// The body of an answer, or what went wrong on the way.
pub(crate) async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|err| crate::error::whole(&err))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(format!("an answer of more than {bytes_max} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_used_is_refused_without_being_shown() {
        for (address, what) in [
            ("localhost", "cannot be read"),
            ("ftp://localhost", "must begin with http:// or https://"),
            ("http://me:secret@localhost", "has a user"),
            ("http://localhost/?token=secret", "has a query"),
        ] {
            let said = parse(address, &["http", "https"]).unwrap_err().to_string();
            assert!(said.contains(what) && !said.contains("secret"), "{address}: {said}");
        }
    }

    #[test]
    fn a_server_may_be_below_a_path() {
        for base in ["http://localhost:8080/chat", "http://localhost:8080/chat/"] {
            let url = below(parse(base, &["http"]).unwrap(), "/api/events");
            assert_eq!(url.as_str(), "http://localhost:8080/chat/api/events");
        }
    }

    #[test]
    fn a_key_that_no_header_takes_is_refused_without_being_shown() {
        for key in ["", "sbk_1\n"] {
            let said = client(key).unwrap_err().to_string();
            assert!(said.contains("the key or token") && !said.contains("sbk"), "{said}");
        }
    }
}
