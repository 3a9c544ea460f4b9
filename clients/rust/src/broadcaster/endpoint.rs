//! One exchange with `POST /api/events`: a batch goes there, and its answer is sorted into what it
//! means. When it is tried again is none of this file's business.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;

use crate::error::whole;
use crate::{Error, address};

/// An answer names each rejected event in a line or two, 1,000 of them at most.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(super) struct Endpoint {
    client: Client,
    url: Url,
    timeout: Duration,
}

/// What an answer means for the batch.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// Each event was looked at: those named here were rejected, the others are the server's now.
    Answered { rejected: Vec<Rejected>, cursor: Option<String> },
    /// None was looked at, for a reason that stands for all of them.
    Refused(Error),
    /// None was looked at, for a reason that may be one event's alone.
    RefusedTogether(Error),
    /// It may go better later.
    Passing { reason: String, retry_after: Option<Duration> },
}

/// One event that was rejected.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Rejected {
    /// Its place in the batch, from 0.
    pub(super) index: usize,
    pub(super) code: String,
    pub(super) message: String,
}

/// The form of all answers (contract 8).
#[derive(Default, Deserialize)]
struct Envelope {
    success: Option<bool>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    code: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    rejected: Vec<Rejected>,
    cursor: Option<String>,
}

impl Endpoint {
    pub(super) fn new(base_url: &str, key: &str, timeout: Duration) -> Result<Endpoint, Error> {
        let base = address::parse(base_url, &["http", "https"])?;
        let url = address::below(base, "/api/events");
        Ok(Endpoint { client: address::client(key)?, url, timeout })
    }

    /// Sends a batch of so many events.
    pub(super) async fn post(&self, body: String, events: usize) -> Outcome {
        let request = self.client.post(self.url.clone()).timeout(self.timeout);
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        match request.send().await {
            Ok(response) => self.read(response, events).await,
            Err(err) => Outcome::Passing { reason: whole(&err), retry_after: None },
        }
    }

    async fn read(&self, response: Response, events: usize) -> Outcome {
        let (status, retry_after) = (response.status(), address::retry_after(&response));
        match address::body(response, ANSWER_BYTES_MAX).await {
            Ok(body) => judge(status, retry_after, &body, events),
            // The server may have taken the batch; their ids keep them from being doubled.
            Err(reason) => Outcome::Passing { reason, retry_after },
        }
    }
}

fn judge(status: StatusCode, retry_after: Option<Duration>, body: &[u8], events: usize) -> Outcome {
    let read: Result<Envelope, _> = serde_json::from_slice(body);
    match status.as_u16() {
        // 408 is a proxy's that grew tired of an idle connection.
        408 | 429 | 502 | 503 | 504 => {
            let envelope = read.unwrap_or_default();
            Outcome::Passing { reason: reason(status, &envelope), retry_after }
        }
        200..=299 => match read {
            Ok(Envelope { success: Some(true), data: Some(data), .. }) => answered(data, events),
            Ok(_) => malformed("it is not in the server's form"),
            Err(err) => malformed(&err.to_string()),
        },
        422 => match read.unwrap_or_default() {
            Envelope { data: Some(data), .. } if !data.rejected.is_empty() => {
                answered(data, events)
            }
            envelope => Outcome::Refused(rejection(status, envelope)),
        },
        400 | 409 | 413 => Outcome::RefusedTogether(rejection(status, read.unwrap_or_default())),
        _ => Outcome::Refused(rejection(status, read.unwrap_or_default())),
    }
}

fn answered(data: Data, events: usize) -> Outcome {
    match data.rejected.iter().find(|rejected| rejected.index >= events) {
        Some(rejected) => malformed(&format!("it rejects event {} of {events}", rejected.index)),
        None => Outcome::Answered { rejected: data.rejected, cursor: data.cursor },
    }
}

fn malformed(what: &str) -> Outcome {
    Outcome::Refused(Error::Malformed(what.to_owned()))
}

fn rejection(status: StatusCode, envelope: Envelope) -> Error {
    let message = reason(status, &envelope);
    let code = match envelope.code.is_empty() {
        true => format!("http_{}", status.as_u16()),
        false => envelope.code,
    };
    Error::Rejected { code, message }
}

/// What the server says, the longer text first; the status when it says nothing.
fn reason(status: StatusCode, envelope: &Envelope) -> String {
    let said = [&envelope.error, &envelope.message].into_iter().find(|text| !text.is_empty());
    said.map_or_else(|| format!("HTTP {status}"), String::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Outcome {
        judge(StatusCode::from_u16(status).unwrap(), None, body.as_bytes(), 2)
    }

    fn rejected(code: &str, message: &str) -> Error {
        Error::Rejected { code: code.into(), message: message.into() }
    }

    #[test]
    fn an_answer_that_names_the_rejected_is_one_whatever_its_status() {
        let body = r#"{"success": true, "message": "m", "data": {"accepted": 1, "cursor": "c-1",
            "rejected": [{"index": 1, "code": "invalid", "message": "payload.duration"}]}}"#;
        let one = Rejected { index: 1, code: "invalid".into(), message: "payload.duration".into() };
        let want = Outcome::Answered { rejected: vec![one], cursor: Some("c-1".into()) };
        assert_eq!(judged(202, body), want);
        assert_eq!(judged(422, &body.replace("true", "false")), want);
    }

    #[test]
    fn an_answer_of_success_in_another_form_says_nothing_of_the_events() {
        let beyond =
            r#"{"success": true, "data": {"rejected": [{"index": 2, "code": "", "message": ""}]}}"#;
        for body in
            ["<html>", "{}", r#"{"success": true}"#, r#"{"success": false, "data": {}}"#, beyond]
        {
            let outcome = judged(200, body);
            assert!(
                matches!(outcome, Outcome::Refused(Error::Malformed(_))),
                "{body}: {outcome:?}"
            );
        }
    }

    #[test]
    fn a_refusal_says_what_the_server_said() {
        let body = r#"{"success": false, "message": "Forbidden", "error": "no scope events:write",
            "code": "forbidden"}"#;
        let want = rejected("forbidden", "no scope events:write");
        assert_eq!(judged(403, body), Outcome::Refused(want));
        let want = rejected("http_404", "HTTP 404 Not Found");
        assert_eq!(judged(404, "<html>"), Outcome::Refused(want));
        let want = rejected("http_302", "HTTP 302 Found");
        assert_eq!(judged(302, ""), Outcome::Refused(want));
        let want = rejected("http_422", "HTTP 422 Unprocessable Entity");
        assert_eq!(judged(422, "{}"), Outcome::Refused(want));
    }

    #[test]
    fn what_may_be_one_events_fault_is_told_from_what_is_everybodys() {
        for status in [400, 409, 413] {
            assert!(matches!(judged(status, "{}"), Outcome::RefusedTogether(_)), "{status}");
        }
        for status in [401, 403, 404, 405, 500, 501] {
            assert!(matches!(judged(status, "{}"), Outcome::Refused(_)), "{status}");
        }
        for status in [408, 429, 502, 503, 504] {
            assert!(matches!(judged(status, "<html>"), Outcome::Passing { .. }), "{status}");
        }
    }
}
