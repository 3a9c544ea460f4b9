//! Who may do what by Socket.IO's events: each verb against conversations of one's own, of others
//! and of another tenant (contract 4; acceptance 209, 246).

use serde_json::{Value, json};
use switchboard::auth::Claims;
use switchboard::model::Role;
use uuid::Uuid;

use crate::recovery::begin;
use crate::server::{Server, claims, sign, token};
use crate::socketio::Socket;

const SALES: Uuid = Uuid::from_u128(2);

/// The verbs, each as the event that asks for it.
const VERBS: &[&str] = &["join", "leave", "send", "typing", "read", "history"];

/// Whose socket, which conversation, and what each of the verbs comes to.
#[rustfmt::skip]
const MATRIX: &[(&str, &str, &str, [&str; 6])] = &[
    // Who      which       why                                  join leave send typing read history
    ("budi",    "waiting",  "its own",                           ["ok", "ok", "ok", "ok", "ok", "ok"]),
    ("budi",    "assigned", "another customer's",                ["forbidden"; 6]),
    ("budi",    "sales",    "another customer's",                ["forbidden"; 6]),
    ("budi",    "of acme",  "another tenant's",                  ["not_found"; 6]),
    ("budi",    "unknown",  "nobody's",                          ["not_found"; 6]),
    ("key",     "waiting",  "its own, by its session key",       ["ok", "ok", "ok", "ok", "ok", "ok"]),
    ("key",     "assigned", "another customer's",                ["forbidden"; 6]),
    ("dewi",    "waiting",  "waits for everybody; reading is not claiming",
                                                                 ["ok", "ok", "ok", "ok", "ok", "ok"]),
    ("dewi",    "assigned", "hers",                              ["ok", "ok", "ok", "ok", "ok", "ok"]),
    ("dewi",    "sales",    "waits for another department",      ["forbidden"; 6]),
    ("dewi",    "of acme",  "another tenant's",                  ["not_found"; 6]),
    ("agus",    "waiting",  "waits for everybody",               ["ok", "ok", "ok", "ok", "ok", "ok"]),
    ("agus",    "assigned", "Dewi's",                            ["forbidden"; 6]),
    ("agus",    "sales",    "waits for his department",          ["ok", "ok", "ok", "ok", "ok", "ok"]),
    ("sari",    "waiting",  "an admin sees all of its tenant",   ["ok", "ok", "ok", "ok", "ok", "ok"]),
    ("sari",    "assigned", "an admin sees all of its tenant",   ["ok", "ok", "ok", "ok", "ok", "ok"]),
    ("sari",    "sales",    "an admin sees all of its tenant",   ["ok", "ok", "ok", "ok", "ok", "ok"]),
    ("sari",    "of acme",  "another tenant's",                  ["not_found"; 6]),
    ("boss",    "waiting",  "another tenant's",                  ["not_found"; 6]),
    ("boss",    "of acme",  "its tenant's",                      ["ok", "ok", "ok", "ok", "ok", "ok"]),
    ("writer",  "waiting",  "a key that may write and not read",
                            ["forbidden", "forbidden", "ok", "ok", "forbidden", "forbidden"]),
    ("poster",  "waiting",  "a key for events only",             ["forbidden"; 6]),
    ("root",    "assigned", "a key with all rights",             ["ok", "ok", "ok", "ok", "ok", "ok"]),
    ("root",    "of acme",  "another tenant's",                  ["not_found"; 6]),
];

struct Scene {
    server: Server,
    conversations: Vec<(&'static str, String)>,
    auths: Vec<(&'static str, Value)>,
}

impl Scene {
    async fn set() -> Scene {
        let server = Server::start(&[]).await;
        let agus = Claims { departments: vec![SALES.to_string()], ..claims(Role::Agent, "agus") };
        let boss = Claims { tenant: "acme".into(), ..claims(Role::Admin, "boss") };
        let staff = [
            ("dewi", token(Role::Agent, "dewi")),
            ("agus", sign(&agus)),
            ("sari", token(Role::Admin, "sari")),
            ("boss", sign(&boss)),
        ];
        // Departments and the other tenant are made by their first use.
        for (_, token) in &staff {
            server.request("GET", &format!("/api/sessions?token={token}"), "").await;
        }
        let mut auths: Vec<_> =
            staff.iter().map(|(name, token)| (*name, json!({ "token": token }))).collect();
        let mut conversations = vec![("unknown", Uuid::new_v4().to_string())];
        for (name, tenant, department) in [
            ("assigned", "default", None),
            ("sales", "default", Some(SALES)),
            ("of acme", "acme", None),
        ] {
            let body = json!({ "department_id": department }).to_string();
            let path = format!("/api/sessions?tenant={tenant}");
            let answer = server.request("POST", &path, &body).await;
            let id = answer.body["data"]["session_id"].as_str().unwrap();
            conversations.push((name, id.to_owned()));
        }
        let waiting = begin(&server, "waiting").await;
        conversations.push(("waiting", waiting["session_id"].as_str().unwrap().to_owned()));
        auths.push(("budi", json!({ "token": waiting["token"] })));
        auths.push(("key", json!({ "sessionId": waiting["session_key"] })));
        let sari = &staff[2].1;
        for (name, scope) in
            [("writer", "messages:write"), ("poster", "events:write"), ("root", "admin")]
        {
            let body = json!({ "name": name, "scopes": [scope] }).to_string();
            let path = format!("/api/keys?token={sari}");
            let answer = server.request("POST", &path, &body).await;
            auths.push((name, json!({ "token": answer.body["data"]["key"] })));
        }
        let scene = Scene { server, conversations, auths };
        let id = scene.id("assigned");
        let path = format!("/api/sessions/{id}/assign?token={}", staff[0].1);
        assert_eq!(scene.server.request("POST", &path, "{}").await.status, 200);
        // There is something to read in each.
        for (name, who) in
            [("waiting", "sari"), ("assigned", "sari"), ("sales", "sari"), ("of acme", "boss")]
        {
            let mut socket = scene.connect(who).await;
            socket.say(scene.id(name), "hai").await;
        }
        scene
    }

    async fn connect(&self, who: &str) -> Socket {
        let (_, auth) = self.auths.iter().find(|(name, _)| *name == who).expect("a user");
        Socket::open(&self.server, auth.clone()).await
    }

    fn id(&self, name: &str) -> &str {
        &self.conversations.iter().find(|(n, _)| *n == name).expect("a conversation").1
    }
}

fn event_of(verb: &str, id: &str) -> Value {
    match verb {
        "join" => json!(["join_conversation", id]),
        "leave" => json!(["leave_conversation", id]),
        "send" => json!(["send_message", { "conversationId": id, "content": "hai" }]),
        "typing" => json!(["typing_start", id]),
        "read" => json!(["message_read", { "conversationId": id, "seq": 1 }]),
        "history" => json!(["history", { "conversationId": id }]),
        other => panic!("no such verb: {other}"),
    }
}

#[tokio::test]
async fn everybody_may_do_what_its_role_allows_where_it_belongs() {
    let scene = Scene::set().await;
    let mut wrong = Vec::new();
    for (who, conversation, why, expected) in MATRIX {
        for (verb, expected) in VERBS.iter().zip(expected) {
            // A socket for each, so that nothing depends on what was joined before.
            let mut socket = scene.connect(who).await;
            let answer = socket.call(event_of(verb, scene.id(conversation))).await;
            let got = match answer["success"].as_bool() {
                Some(true) => "ok",
                _ => answer["code"].as_str().unwrap_or("no code"),
            };
            if got != *expected {
                wrong.push(format!("{who}, {conversation} ({why}): {verb} is {got}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
