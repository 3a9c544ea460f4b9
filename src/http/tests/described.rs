//! The description of REST: complete, and true.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::*;
use crate::model::Error;

/// Every endpoint. A new one is added here, or the description has one that nobody expects.
const ENDPOINTS: &[(&str, &str)] = &[
    ("get", "/api/about"),
    ("get", "/api/agents"),
    ("post", "/api/agents"),
    ("delete", "/api/agents/{id}"),
    ("get", "/api/agents/{id}"),
    ("patch", "/api/agents/{id}"),
    ("get", "/api/audit"),
    ("post", "/api/auth/login"),
    ("post", "/api/auth/logout"),
    ("post", "/api/auth/refresh"),
    ("get", "/api/connections"),
    ("delete", "/api/connections/{id}"),
    ("post", "/api/coze/chat"),
    ("get", "/api/departments"),
    ("post", "/api/departments"),
    ("delete", "/api/departments/{id}"),
    ("get", "/api/departments/{id}"),
    ("patch", "/api/departments/{id}"),
    ("post", "/api/agent-status/heartbeat"),
    ("get", "/api/agent-status/agent/{agent_id}"),
    ("get", "/api/agent-status/department/{department_id}"),
    ("post", "/api/agent-status/offline"),
    ("get", "/api/agent-status/online"),
    ("get", "/api/agent-status/stats"),
    ("post", "/api/events"),
    ("get", "/api/faq"),
    ("post", "/api/faq"),
    ("delete", "/api/faq/{id}"),
    ("get", "/api/faq/{id}"),
    ("patch", "/api/faq/{id}"),
    ("get", "/api/keys"),
    ("post", "/api/keys"),
    ("delete", "/api/keys/{id}"),
    ("get", "/api/messages"),
    ("post", "/api/messages"),
    ("get", "/api/notifications"),
    ("post", "/api/notifications/read"),
    ("get", "/api/reports/agents"),
    ("get", "/api/reports/departments"),
    ("get", "/api/routing/decisions/{id}"),
    ("get", "/api/session/{id}/connection-status"),
    ("get", "/api/session/{id}/events"),
    ("get", "/api/sessions"),
    ("post", "/api/sessions"),
    ("patch", "/api/sessions/{id}"),
    ("post", "/api/sessions/{id}/assign"),
    ("post", "/api/sessions/{id}/close"),
    ("post", "/api/sessions/{id}/decline"),
    ("post", "/api/sessions/{id}/rating"),
    ("post", "/api/sessions/{id}/reopen"),
    ("post", "/api/sessions/{id}/transfer"),
    ("get", "/api/tenants"),
    ("post", "/api/tenants"),
    ("get", "/api/tenants/{id}"),
    ("patch", "/api/tenants/{id}"),
    ("post", "/api/users/{id}/notify"),
    ("get", "/api/webhooks"),
    ("post", "/api/webhooks"),
    ("delete", "/api/webhooks/{id}"),
    ("get", "/api/webhooks/{id}"),
    ("patch", "/api/webhooks/{id}"),
    ("get", "/api/webhooks/{id}/deliveries"),
    ("post", "/api/webhooks/{id}/deliveries/{delivery}/replay"),
    ("post", "/api/webhooks/{id}/replay"),
    ("post", "/api/webhooks/{id}/rotate"),
    ("post", "/api/webhooks/{id}/test"),
    ("get", "/health"),
    ("get", "/metrics"),
    ("get", "/asyncapi.json"),
    ("get", "/openapi.json"),
    ("get", "/ready"),
    ("get", "/ws/stats"),
    ("get", "/ws/users/{user_id}/online"),
];

async fn document(server: &Server) -> Value {
    let reply = server.ask(get("/openapi.json")).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/json"));
    reply.body
}

fn operations(document: &Value) -> Vec<(&str, &str, &Map<String, Value>)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(|(method, op)| (method.as_str(), path.as_str(), op.as_object().unwrap()))
    });
    operations.collect()
}

#[tokio::test]
async fn every_endpoint_is_described_and_nothing_else() {
    let server = Server::start().await;
    let document = document(&server).await;
    let described: BTreeSet<_> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(described, ENDPOINTS.iter().copied().collect());
}

#[tokio::test]
async fn every_operation_has_an_id_of_its_own() {
    let server = Server::start().await;
    let document = document(&server).await;
    let operations = operations(&document);
    let ids: BTreeSet<_> =
        operations.iter().map(|(_, _, op)| op["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len());
}

#[tokio::test]
async fn what_is_described_is_there() {
    let server = Server::start().await;
    for (method, path) in ENDPOINTS {
        let path = path.replace("{id}", UNKNOWN);
        let reply = server.ask(ask(&method.to_uppercase(), &path)).await;
        assert!(![404, 405].contains(&reply.status.as_u16()), "{method} {path}: {}", reply.text);
    }
}

#[tokio::test]
async fn every_operation_says_what_it_does_and_how_it_refuses() {
    let server = Server::start().await;
    let document = document(&server).await;
    for (method, path, operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{at}");
        assert!(operation["tags"].as_array().is_some_and(|t| t.len() == 1), "{at}");
        let responses = operation["responses"].as_object().unwrap();
        let has = |status: &str| responses.contains_key(status);
        assert!(responses.keys().any(|s| s.starts_with('2')), "{at}");
        assert!(has("500"), "{at}: a fault is always possible");
        let is_counted = path.starts_with("/api/") || path.starts_with("/ws/");
        assert_eq!(has("429"), is_counted, "{at}: REST is counted");
        let is_public = operation.get("security").is_some();
        assert!(has("401") || is_public, "{at}: says 401 or that it needs no token");
        let has_input =
            operation.contains_key("parameters") || operation.contains_key("requestBody");
        assert_eq!(has("400"), has_input, "{at}: what is given may be malformed");
        assert_eq!(has("413"), operation.contains_key("requestBody"), "{at}");
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|d| !d.is_empty()), "{at}");
            if !status.starts_with('2') {
                let content = &response["content"]["application/json"];
                let schema = content["schema"]["$ref"].as_str();
                assert_eq!(schema, Some("#/components/schemas/Refusal"), "{at} {status}");
                assert!(content["examples"].as_object().is_some_and(|e| !e.is_empty()), "{at}");
            }
        }
    }
}

#[tokio::test]
async fn the_schema_of_refusals_lists_every_code() {
    let server = Server::start().await;
    let document = document(&server).await;
    let codes = document["components"]["schemas"]["Code"]["enum"].as_array().unwrap();
    let listed: BTreeSet<_> = codes.iter().map(|c| c.as_str().unwrap()).collect();
    assert_eq!(listed, Error::samples().iter().map(Error::code).collect());
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let server = Server::start().await;
    let document = document(&server).await;
    let text = document.to_string();
    let references = text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    let references: BTreeSet<_> = references.collect();
    assert!(references.len() > 10);
    for pointer in references {
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}
