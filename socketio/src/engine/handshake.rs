//! What an HTTP request to an Engine.IO endpoint asks for, and how it is refused. The embedding
//! server routes the path, answers CORS preflights and performs the WebSocket handshake.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use serde::Serialize;

use super::Config;
use crate::{Frame, Sid};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A new session over long-polling.
    OpenPolling,
    /// A new session over a WebSocket.
    OpenWebSocket,
    /// `GET`: a poll of a session.
    Poll(Sid),
    /// `POST`: packets for a session.
    Post(Sid),
    /// A WebSocket that is to take over a polling session.
    Upgrade(Sid),
}

/// Why a request is refused: the codes and the wording of the reference server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Code 0: `transport` is neither `polling` nor `websocket`.
    #[error("Transport unknown")]
    UnknownTransport,
    /// Code 1: no session has this `sid`, or has it any more.
    #[error("Session ID unknown")]
    UnknownSid,
    /// Code 2: a session is opened with `GET` only.
    #[error("Bad handshake method")]
    BadHandshakeMethod,
    /// Code 3: the request does not fit the session or the transport.
    #[error("Bad request")]
    BadRequest,
    /// Code 4, status 403: the embedding server does not want it.
    #[error("Forbidden")]
    Forbidden,
    /// Code 5: `EIO` is not `4`.
    #[error("Unsupported protocol version")]
    UnsupportedProtocolVersion,
    /// Code 3, status 413: the body is larger than `maxPayload`.
    #[error("Payload too large")]
    PayloadTooLarge,
    /// Code 3, status 503: there are too many sessions, or the session's task does not keep up.
    #[error("Too busy")]
    Busy,
}

impl Refusal {
    /// The code of the JSON body.
    pub fn code(self) -> u8 {
        match self {
            Refusal::UnknownTransport => 0,
            Refusal::UnknownSid => 1,
            Refusal::BadHandshakeMethod => 2,
            Refusal::BadRequest | Refusal::PayloadTooLarge | Refusal::Busy => 3,
            Refusal::Forbidden => 4,
            Refusal::UnsupportedProtocolVersion => 5,
        }
    }

    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Refusal::Forbidden => StatusCode::FORBIDDEN,
            Refusal::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The whole answer: `{"code": .., "message": ".."}`.
    pub fn to_response(self) -> Response<Bytes> {
        let body = format!(r#"{{"code":{},"message":"{self}"}}"#, self.code());
        respond(self.status(), "application/json", Bytes::from(body))
    }
}

/// Reads what a request asks for from its method, its query (without the `?`) and whether it wants
/// to become a WebSocket. The order of the checks is that of the reference server. Whether the
/// session exists is for [`Sessions`](crate::Sessions) to say; one that does not begin with
/// `sid_prefix` ([`Config::sid_prefix`]) does not.
///
/// Values are compared as they are: none of the valid ones contains anything that a client would
/// have to escape. Of a repeated key the last value counts.
pub fn classify(
    method: &Method,
    query: &str,
    is_upgrade: bool,
    sid_prefix: &str,
) -> Result<Request, Refusal> {
    let transport = match value_of(query, "transport") {
        Some("polling") => Transport::Polling,
        Some("websocket") => Transport::WebSocket,
        _ => return Err(Refusal::UnknownTransport),
    };
    match sid_of(query) {
        Some(sid) => {
            let sid = sid.strip_prefix(sid_prefix).and_then(Sid::parse);
            let sid = sid.ok_or(Refusal::UnknownSid)?;
            classify_of_session(method, transport, is_upgrade, sid)
        }
        None => classify_opening(method, query, transport, is_upgrade),
    }
}

/// The id of the session that a request is for, with its prefix and as it stands in the query; `None`
/// for one that opens a session.
pub fn sid_of(query: &str) -> Option<&str> {
    value_of(query, "sid").filter(|sid| !sid.is_empty())
}

#[derive(Clone, Copy)]
enum Transport {
    Polling,
    WebSocket,
}

fn classify_of_session(
    method: &Method,
    transport: Transport,
    is_upgrade: bool,
    sid: Sid,
) -> Result<Request, Refusal> {
    match (transport, is_upgrade, method) {
        (Transport::WebSocket, true, _) => Ok(Request::Upgrade(sid)),
        (Transport::Polling, false, &Method::GET) => Ok(Request::Poll(sid)),
        (Transport::Polling, false, &Method::POST) => Ok(Request::Post(sid)),
        _ => Err(Refusal::BadRequest),
    }
}

fn classify_opening(
    method: &Method,
    query: &str,
    transport: Transport,
    is_upgrade: bool,
) -> Result<Request, Refusal> {
    // Over HTTP/2 a WebSocket is opened with CONNECT.
    if method != Method::GET && !(is_upgrade && method == Method::CONNECT) {
        return Err(Refusal::BadHandshakeMethod);
    }
    let request = match (transport, is_upgrade) {
        (Transport::WebSocket, true) => Request::OpenWebSocket,
        (Transport::Polling, false) => Request::OpenPolling,
        _ => return Err(Refusal::BadRequest),
    };
    match value_of(query, "EIO") {
        Some("4") => Ok(request),
        _ => Err(Refusal::UnsupportedProtocolVersion),
    }
}

fn value_of<'q>(query: &'q str, key: &str) -> Option<&'q str> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.rev().find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// The first packet of a session: `0` and what the client has to know. `can_upgrade` is whether
/// the session is one of long-polling and may become a WebSocket.
pub fn open_packet(config: &Config, sid: Sid, can_upgrade: bool) -> Frame {
    let open = Open {
        sid: format!("{}{sid}", config.sid_prefix),
        upgrades: if can_upgrade && config.allow_upgrades { &["websocket"] } else { &[] },
        ping_interval: config.ping_interval.as_millis() as u64,
        ping_timeout: config.ping_timeout.as_millis() as u64,
        max_payload: config.max_payload,
    };
    let mut packet = vec![b'0'];
    // Numbers, plain names and a list: there is nothing in it that JSON could not say.
    let written = serde_json::to_writer(&mut packet, &open);
    debug_assert!(written.is_ok());
    Frame::Text(Bytes::from(packet))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    sid: String,
    upgrades: &'static [&'static str],
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: usize,
}

/// The answer of a poll.
pub(crate) fn payload_response(body: Bytes) -> Response<Bytes> {
    respond(StatusCode::OK, "text/plain; charset=UTF-8", body)
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "AAAAAAAAAAAAAAAAAAAA";

    fn get(query: &str) -> Result<Request, Refusal> {
        classify(&Method::GET, query, false, "")
    }

    #[test]
    fn a_session_is_opened_by_either_transport() {
        assert_eq!(get("EIO=4&transport=polling&t=abc"), Ok(Request::OpenPolling));
        let opened = classify(&Method::GET, "EIO=4&transport=websocket", true, "");
        assert_eq!(opened, Ok(Request::OpenWebSocket));
        assert_eq!(get("EIO=3&transport=x&EIO=4&transport=polling"), Ok(Request::OpenPolling));
    }

    #[test]
    fn requests_of_a_session_go_by_method_and_transport() {
        let sid = Sid::parse(SID).unwrap();
        let polling = format!("EIO=4&transport=polling&sid={SID}");
        let websocket = format!("EIO=4&transport=websocket&sid={SID}");
        assert_eq!(get(&polling), Ok(Request::Poll(sid)));
        assert_eq!(classify(&Method::POST, &polling, false, ""), Ok(Request::Post(sid)));
        assert_eq!(classify(&Method::GET, &websocket, true, ""), Ok(Request::Upgrade(sid)));
        assert_eq!(classify(&Method::PUT, &polling, false, ""), Err(Refusal::BadRequest));
        assert_eq!(get(&websocket), Err(Refusal::BadRequest));
    }

    #[test]
    fn refusals_have_the_codes_of_the_reference() {
        let code = |method, query, is_upgrade| {
            classify(&method, query, is_upgrade, "").map_err(Refusal::code)
        };
        assert_eq!(code(Method::GET, "EIO=4", false), Err(0));
        assert_eq!(code(Method::GET, "EIO=4&transport=abc", false), Err(0));
        assert_eq!(code(Method::GET, "EIO=4&transport=polling&sid=nobody", false), Err(1));
        assert_eq!(code(Method::POST, "EIO=4&transport=polling", false), Err(2));
        assert_eq!(code(Method::GET, "EIO=4&transport=websocket", false), Err(3));
        assert_eq!(code(Method::GET, "transport=polling", false), Err(5));
        assert_eq!(code(Method::GET, "EIO=3&transport=polling", false), Err(5));
        assert_eq!(code(Method::GET, "EIO=abc&transport=websocket", true), Err(5));
        assert_eq!(Refusal::Forbidden.code(), 4);
    }

    #[test]
    fn a_session_of_another_prefix_is_unknown() {
        let of = |sid: &str| {
            let query = format!("EIO=4&transport=polling&sid={sid}");
            classify(&Method::GET, &query, false, "here-")
        };
        assert_eq!(of(&format!("here-{SID}")), Ok(Request::Poll(Sid::parse(SID).unwrap())));
        for other in [SID, &format!("there{SID}"), &format!("HERE-{SID}"), "here-"] {
            assert_eq!(of(other), Err(Refusal::UnknownSid), "{other}");
        }
        assert_eq!(sid_of("EIO=4&sid=one&sid=two&t=x"), Some("two"));
        assert_eq!(sid_of("EIO=4&sid=&t=x"), None);
    }

    #[test]
    fn a_refusal_is_json_with_code_and_message() {
        let response = Refusal::UnknownSid.to_response();
        assert_eq!(response.status(), 400);
        assert_eq!(response.body(), r#"{"code":1,"message":"Session ID unknown"}"#);
        assert_eq!(Refusal::Forbidden.to_response().status(), 403);
        assert_eq!(Refusal::PayloadTooLarge.to_response().status(), 413);
    }

    #[test]
    fn the_open_packet_tells_times_in_milliseconds() {
        let sid = Sid::parse(SID).unwrap();
        let Frame::Text(packet) = open_packet(&Config::default(), sid, true) else {
            panic!("the open packet is text")
        };
        let expected = format!(
            r#"0{{"sid":"{SID}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}}"#
        );
        assert_eq!(packet, expected);
        let Frame::Text(packet) = open_packet(&Config::default(), sid, false) else {
            panic!("the open packet is text")
        };
        let prefixed = Config { sid_prefix: "here-".to_owned(), ..Config::default() };
        let Frame::Text(prefixed) = open_packet(&prefixed, sid, false) else {
            panic!("the open packet is text")
        };
        assert!(prefixed.starts_with(format!(r#"0{{"sid":"here-{SID}","#).as_bytes()));
        assert!(packet.windows(13).any(|part| part == br#""upgrades":[]"#));
    }
}
