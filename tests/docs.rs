//! The references under `docs/` that come from the code are what the code says. `make docs` writes
//! them anew; without it this test tells which one is stale.

#[cfg(test)]
#[path = "docs/alerts.rs"]
mod alerts;
#[cfg(test)]
#[path = "docs/deploy.rs"]
mod deploy;
#[cfg(test)]
#[path = "docs/events.rs"]
mod events;

use std::fs;
use std::path::Path;

use switchboard::config::Config;
use switchboard::http::{catalogue, openapi};
use switchboard::model::{CloseReason, Error};
use switchboard::telemetry;

/// Every block of JSON in a page that people write.
#[test]
fn every_example_is_json() {
    for page in [
        "docs/administration.md",
        "docs/agents.md",
        "docs/bot.md",
        "docs/kafka.md",
        "docs/posting-events.md",
        "docs/protocols/hub.md",
        "docs/protocols/session.md",
        "docs/protocols/socketio.md",
        "docs/reports.md",
        "docs/rest.md",
        "docs/telephony.md",
        "docs/webhooks.md",
    ] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let mut blocks = text.split("```json").skip(1);
        assert!(blocks.clone().count() > 0, "{page} has none");
        let bad = blocks.find(|block| {
            let body = block.split_once('\n').and_then(|(_, rest)| rest.split_once("```"));
            body.is_none_or(|(json, _)| serde_json::from_str::<serde_json::Value>(json).is_err())
        });
        assert_eq!(bad, None, "{page}");
    }
}

#[test]
fn the_generated_references_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let is_update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut stale = Vec::new();
    for (name, page) in [
        ("reference/config.md", marked(&Config::reference())),
        ("events.md", marked(&events::page())),
        ("reference/close-codes.md", marked(&close_codes())),
        ("reference/metrics.md", marked(&metrics())),
        ("reference/events.schema.json", catalogue::document()),
        ("reference/openapi.json", openapi()),
        ("errors.md", marked(&errors())),
    ] {
        let path = root.join(name);
        if is_update {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &page).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != page {
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "docs/{} differ from the code; run `make docs`",
        stale.join(", docs/")
    );
}

fn marked(page: &str) -> String {
    format!("<!-- Written by `make docs` from the code; a change here is lost. -->\n\n{page}")
}

fn openapi() -> String {
    openapi::document().to_pretty_json().unwrap_or_default() + "\n"
}

fn close_codes() -> String {
    let mut text = String::from(
        "# Close codes\n\nEvery end of a connection has a name. The code and the text are those \
         of the close frame; *come back* says whether a client should open a new connection by \
         itself, with the cursor it has; the last column is the `disconnect_reason` that the \
         others in the conversation are told. 1006 is never sent: it is what a client reports \
         when the line broke without a close frame.\n\n\
         | code | text | come back | the others are told |\n|---|---|---|---|\n",
    );
    let mut reasons = CloseReason::ALL;
    reasons.sort_by_key(|reason| reason.code());
    for reason in reasons {
        let come_back = if reason.should_reconnect() { "yes" } else { "no" };
        let told = serde_json::to_value(reason.disconnect_reason()).unwrap_or_default();
        let told = told.as_str().unwrap_or_default();
        text += &format!("| {} | {} | {come_back} | `{told}` |\n", reason.code(), reason.text());
    }
    text
}

fn errors() -> String {
    let mut text = String::from(
        "# Errors\n\nThe closed list of refusals. REST and the handshakes of sockets answer with \
         the status and a body `{\"success\": false, \"message\", \"error\", \"code\"}`; a frame \
         on an open socket is answered by an `ack` or `error` frame with the same `code` and no \
         status. Programs go by `code`; `error` is for people and may change. *Retry* says \
         whether the same request may succeed later, unchanged.\n\n\
         | code | status | message | an example of `error` | retry |\n|---|---|---|---|---|\n",
    );
    for error in Error::samples() {
        let retry = if error.is_worth_a_retry() { "yes" } else { "no" };
        let (code, status, title) = (error.code(), error.status(), error.title());
        text += &format!("| `{code}` | {status} | {title} | {error} | {retry} |\n");
    }
    text += "\nMore fields: `invalid` names the fields in `fields` (`{\"content\": \"is empty\"}`); \
             `conflict` over an assignment says in `data` who was first (`{\"agent_id\", \
             \"name\"}`); 429 and 503 come with `Retry-After` in seconds, `rate_limited` on an \
             open socket with `retry_after`; 401 with `WWW-Authenticate: Bearer`. `internal` shows nothing but an \
             id, which is also in the server's log.\n";
    text
}

fn metrics() -> String {
    let mut text = String::from(
        "# Metrics\n\n`GET /metrics` answers them as OpenMetrics text. Labels are dialects, \
         reasons, codes and routes, never ids.\n\n| name | kind | meaning |\n|---|---|---|\n",
    );
    for (name, kind, help) in telemetry::catalogue() {
        text += &format!("| `{name}` | {kind} | {help} |\n");
    }
    text
}
