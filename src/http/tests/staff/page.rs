//! `docs/administration.md`: what it shows is what the server answers.

use std::path::Path;

use serde_json::json;

use super::*;

/// The JSON of a fenced block that comes next, before the next example.
fn block<'a>(lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Option<Value> {
    while lines.next_if(|line| *line != "```json" && example(line).is_none()).is_some() {}
    lines.next_if_eq(&"```json")?;
    let mut text = String::new();
    while let Some(line) = lines.next_if(|line| *line != "```") {
        text += line;
    }
    Some(serde_json::from_str(&text).unwrap())
}

/// Method and path of a line such as `POST /api/agents` in code.
fn example(line: &str) -> Option<(&str, &str)> {
    let inner = line.strip_prefix('`')?.strip_suffix('`')?;
    inner.split_once(' ').filter(|(_, path)| path.starts_with("/api/"))
}

/// Without what differs each time.
fn lasting(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !["id", "created_at"].contains(&name.as_str()));
    }
    value
}

#[tokio::test]
async fn the_examples_of_the_page_are_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/administration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let office = Office::open().await;
    let (mut lines, mut made, mut seen) = (page.lines().peekable(), String::new(), 0);
    while let Some(line) = lines.next() {
        let Some((method, path)) = example(line) else { continue };
        let body = block(&mut lines).unwrap();
        let reply = office.ask(method, &path.replace("{id}", &made), &body).await;
        if let Some(id) = reply.body["data"]["id"].as_str() {
            id.clone_into(&mut made);
        }
        let expected = block(&mut lines);
        let is_refused = expected.as_ref().is_some_and(|e| e["success"] == json!(false));
        let shown = if is_refused { &reply.body } else { &reply.body["data"] };
        assert_eq!(reply.status.as_u16() == 422, is_refused, "{line}: {}", reply.text);
        assert!(is_refused || reply.status.is_success(), "{line}: {}", reply.text);
        if let Some(expected) = expected {
            assert_eq!(lasting(shown.clone()), lasting(expected), "{line}");
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
}
