//! The pages: what `make web` put into `web/dist`, embedded in the binary. Owns caching,
//! compression and the browser's security headers for them; knows nothing of what they show.
//!
//! To add a page: its file in `web/`, and a line in `PAGES`. Vite writes a `.br` and a `.gz`
//! beside each file worth it; nothing is compressed here.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Uri};
use rust_embed::RustEmbed;

/// The paths of pages and the files that answer them.
const PAGES: [(&str, &str); 3] =
    [("/", "index.html"), ("/websocket-test.html", "websocket-test.html"), ("/docs", "docs.html")];

/// The page that other pages show in a frame, and the file that answers it.
const FRAMED: (&str, &str) = ("/widget/chatbot-iframe.html", "widget/chatbot-iframe.html");

/// Files beside the pages under names that never change.
const FILES: [&str; 7] = [
    "/favicon.svg",
    "/socket.io/socket.io.js",
    "/socket.io/socket.io.min.js",
    "/socket.io/socket.io.esm.min.js",
    "/widget/websocket-handler.js",
    "/admin/websocket-client.js",
    "/admin/websocket-client.mjs",
];

/// Vite puts a hash of the content into these names, so a name never gets another content.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Kept, but asked about each time: a new version shows at the next load.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// Nothing from elsewhere and nothing inline; who may show it in a frame is added. `ws:` and `wss:`
/// stand beside `'self'` because Safari's `'self'` did not cover sockets for years.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self' ws: wss:; font-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors ";

const SECURITY: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

const NOT_BUILT: &str =
    "The pages are not in this build: `make web` builds them. The JSON API works without.\n";

/// The encodings that are looked for, the smallest first.
const ENCODINGS: [Encoding; 3] = [
    Encoding { name: "br", suffix: ".br" },
    Encoding { name: "gzip", suffix: ".gz" },
    Encoding { name: "identity", suffix: "" },
];

/// The routes of the pages. `frame_ancestors` are those that may show the widget in a frame, as a
/// Content-Security-Policy lists them.
pub fn router<S: Clone + Send + Sync + 'static>(frame_ancestors: &str) -> Router<S> {
    router_of(embedded, frame_ancestors)
}

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

/// A file as it is sent.
struct Asset {
    bytes: Bytes,
    sha256: [u8; 32],
}

/// Finds a file by its name in `web/dist`.
type Find = fn(&str) -> Option<Asset>;

fn embedded(name: &str) -> Option<Asset> {
    let file = Dist::get(name)?;
    let bytes = match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => bytes.into(),
    };
    Some(Asset { bytes, sha256: file.metadata.sha256_hash() })
}

fn router_of<S: Clone + Send + Sync + 'static>(find: Find, frame_ancestors: &str) -> Router<S> {
    let mut router = Router::new();
    let alone = PAGES.map(|(path, name)| (path, name, "'none'"));
    for (path, name, ancestors) in alone.into_iter().chain([(FRAMED.0, FRAMED.1, frame_ancestors)])
    {
        // An origin that is no header value is refused with the configuration.
        let policy = HeaderValue::try_from(format!("{CONTENT_SECURITY_POLICY}{ancestors}"));
        let policy = policy.unwrap_or(HeaderValue::from_static("default-src 'none'"));
        router = router.route(
            path,
            get(async move |headers: HeaderMap| {
                let page = send(find, name, &headers, ASK_AGAIN);
                page.map_or_else(not_built, |mut page| {
                    page.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
                    page
                })
            }),
        );
    }
    for path in FILES {
        router = router.route(
            path,
            get(async move |uri: Uri, headers: HeaderMap| {
                let name = uri.path().trim_start_matches('/');
                send(find, name, &headers, ASK_AGAIN).unwrap_or_else(not_found)
            }),
        );
    }
    router.route(
        "/assets/{*path}",
        get(async move |Path(path): Path<String>, headers: HeaderMap| {
            send(find, &format!("assets/{path}"), &headers, FOR_EVER).unwrap_or_else(not_found)
        }),
    )
}

fn not_built() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::CACHE_CONTROL, "no-store")], NOT_BUILT)
        .into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")], "not found\n").into_response()
}

/// The file in the encoding the client likes best, or 304 when it has it already.
fn send(
    find: Find,
    name: &str,
    request: &HeaderMap,
    cache_control: HeaderValue,
) -> Option<Response> {
    let original = find(name)?;
    let (encoding, asset) = choose(find, name, request, original);
    let etag = etag(&asset);
    let mut headers = HeaderMap::from_iter(SECURITY);
    headers.insert(header::CACHE_CONTROL, cache_control);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let is_known = is_known(request, &etag);
    headers.insert(header::ETAG, HeaderValue::try_from(etag).ok()?);
    if is_known {
        return Some((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_TYPE, content_type(name)?);
    if !encoding.suffix.is_empty() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name));
    }
    Some((headers, asset.bytes).into_response())
}

fn content_type(name: &str) -> Option<HeaderValue> {
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    let is_text = mime.type_() == mime_guess::mime::TEXT;
    let charset = if is_text { "; charset=utf-8" } else { "" };
    HeaderValue::try_from(format!("{mime}{charset}")).ok()
}

/// Strong, and of this representation: the compressed file has bytes, and so a hash, of its own.
fn etag(asset: &Asset) -> String {
    let hex: String = asset.sha256.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn is_known(request: &HeaderMap, etag: &str) -> bool {
    let is_it = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    list(request, &header::IF_NONE_MATCH).any(is_it)
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Encoding {
    name: &'static str,
    suffix: &'static str,
}

/// The liked encoding that exists; between equals the smaller one. Whoever refuses every encoding
/// gets the original all the same, which RFC 9110 allows and serves people better than a 406.
fn choose(find: Find, name: &str, request: &HeaderMap, original: Asset) -> (Encoding, Asset) {
    let [.., identity] = ENCODINGS;
    let mut liked: Vec<(u16, Encoding)> = ENCODINGS
        .iter()
        .map(|encoding| (weight(request, encoding.name), *encoding))
        .filter(|(weight, _)| *weight > 0)
        .collect();
    // The sort is stable: between equals the order of the list stands.
    liked.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    for (_, encoding) in liked {
        if encoding == identity {
            break;
        }
        if let Some(asset) = find(&format!("{name}{}", encoding.suffix)) {
            return (encoding, asset);
        }
    }
    (identity, original)
}

/// How much the client likes an encoding: thousandths, 0 for not at all.
fn weight(request: &HeaderMap, encoding: &str) -> u16 {
    let mut wildcard = None;
    for item in list(request, &header::ACCEPT_ENCODING) {
        let (name, weight) = weighted(item);
        if name.eq_ignore_ascii_case(encoding) {
            return weight;
        }
        if name == "*" {
            wildcard = Some(weight);
        }
    }
    // The original is always acceptable unless refused, but behind everything that is named.
    let unnamed = if encoding == "identity" { 1 } else { 0 };
    wildcard.unwrap_or(unnamed)
}

/// `gzip;q=0.8` as its name and thousandths.
fn weighted(item: &str) -> (&str, u16) {
    let (name, parameter) = item.split_once(';').unwrap_or((item, ""));
    let q = parameter.trim().strip_prefix("q=").or(parameter.trim().strip_prefix("Q="));
    let weight = match q {
        None => 1.0,
        Some(q) => q.trim().parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0),
    };
    // Between 0 and 1000, so the cast loses nothing but what follows the third digit.
    (name.trim(), (weight * 1_000.0).round() as u16)
}

/// The items of a comma-separated header, over all its lines.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use sha2::{Digest, Sha256};
    use tower::ServiceExt;

    use super::*;

    fn built(name: &str) -> Option<Asset> {
        let text = match name {
            "index.html" => "<!doctype html>",
            "index.html.br" => "brotli",
            "index.html.gz" => "gzipped",
            "assets/main-1f.js" => "let a",
            "assets/main-1f.js.gz" => "small",
            "favicon.svg" => "<svg/>",
            "widget/chatbot-iframe.html" => "<!doctype html>",
            "socket.io/socket.io.js" => "io",
            _ => return None,
        };
        Some(Asset { bytes: text.into(), sha256: Sha256::digest(text).into() })
    }

    async fn ask(
        find: Find,
        method: &str,
        path: &str,
        line: (&str, &str),
    ) -> (http::response::Parts, String) {
        let request = Request::builder().method(method).uri(path).header(line.0, line.1);
        let request = request.body(Body::empty()).unwrap();
        let response =
            router_of::<()>(find, "'self' https://shop.example").oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn encoded(path: &str, accept: &str) -> String {
        ask(built, "GET", path, ("accept-encoding", accept)).await.1
    }

    #[tokio::test]
    async fn a_page_comes_with_its_type_and_the_security_headers() {
        let (parts, body) = ask(built, "GET", "/", ("accept", "*/*")).await;
        assert_eq!(body, "<!doctype html>");
        let header = |name: &str| parts.headers[name].to_str().unwrap();
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("cache-control"), "no-cache");
        assert_eq!(header("vary"), "accept-encoding");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert!(header("content-security-policy").starts_with("default-src 'none'; script-src"));
        assert!(parts.headers.get("content-encoding").is_none());
    }

    #[tokio::test]
    async fn the_widget_alone_may_be_shown_in_a_frame_of_an_allowed_origin() {
        let policy = async |path| {
            let (parts, _) = ask(built, "GET", path, ("accept", "*/*")).await;
            parts.headers["content-security-policy"].to_str().unwrap().to_owned()
        };
        assert!(policy("/").await.ends_with("frame-ancestors 'none'"));
        let framed = policy("/widget/chatbot-iframe.html").await;
        assert!(framed.ends_with("frame-ancestors 'self' https://shop.example"), "{framed}");
        let (parts, _) = ask(built, "GET", "/socket.io/socket.io.js", ("accept", "*/*")).await;
        assert_eq!(parts.headers["content-type"], "text/javascript; charset=utf-8");
    }

    #[tokio::test]
    async fn the_liked_encoding_that_exists_is_sent() {
        let cases = [
            ("gzip, deflate, br, zstd", "brotli"),
            ("br;q=0.5, gzip", "gzipped"),
            ("br;q=0, *", "gzipped"),
            ("BR", "brotli"),
            ("*", "brotli"),
            ("gzip;q=0.001", "gzipped"),
            ("identity, br;q=0.5", "<!doctype html>"),
            ("deflate", "<!doctype html>"),
            ("br;q=nonsense", "<!doctype html>"),
            ("identity;q=0, zstd", "<!doctype html>"),
        ];
        for (accept, body) in cases {
            assert_eq!(encoded("/", accept).await, body, "{accept}");
        }
        assert_eq!(encoded("/assets/main-1f.js", "br, gzip").await, "small");
        assert_eq!(encoded("/favicon.svg", "br, gzip").await, "<svg/>");
    }

    #[tokio::test]
    async fn an_asset_is_kept_for_ever() {
        let line = ("accept-encoding", "gzip");
        let (parts, _) = ask(built, "GET", "/assets/main-1f.js", line).await;
        assert_eq!(parts.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(parts.headers["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(parts.headers["content-encoding"], "gzip");
    }

    #[tokio::test]
    async fn what_the_client_has_already_is_not_sent_again() {
        let (parts, _) = ask(built, "GET", "/", ("accept", "*/*")).await;
        let etag = parts.headers["etag"].to_str().unwrap().to_owned();
        for known in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            let (parts, body) = ask(built, "GET", "/", ("if-none-match", &known)).await;
            assert_eq!((parts.status.as_u16(), body.as_str()), (304, ""), "{known}");
            assert_eq!(parts.headers["etag"], etag.as_str());
        }
        let (compressed, _) = ask(built, "GET", "/", ("accept-encoding", "br")).await;
        assert_ne!(compressed.headers["etag"], etag.as_str());
        let (parts, _) = ask(built, "GET", "/", ("if-none-match", "\"x\"")).await;
        assert_eq!(parts.status, 200);
    }

    #[tokio::test]
    async fn a_head_has_the_headers_and_no_body() {
        let (parts, body) = ask(built, "HEAD", "/", ("accept", "*/*")).await;
        assert_eq!((parts.headers["content-length"].to_str().unwrap(), body.as_str()), ("15", ""));
    }

    #[tokio::test]
    async fn an_unknown_asset_is_not_found() {
        for path in ["/assets/other.js", "/assets/../index.html", "/assets/%2e%2e/index.html"] {
            assert_eq!(ask(built, "GET", path, ("accept", "*/*")).await.0.status, 404, "{path}");
        }
    }

    #[tokio::test]
    async fn a_build_without_pages_says_how_to_get_them() {
        for (path, _) in PAGES {
            let (parts, body) = ask(|_| None, "GET", path, ("accept", "*/*")).await;
            assert_eq!(parts.status, 503);
            assert!(body.contains("`make web`") && body.lines().count() == 1, "{body}");
        }
    }
}
