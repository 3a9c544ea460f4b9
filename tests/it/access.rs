//! Who is let in where: the matrix of contract 4, tokens that do not hold, and origins.

use serde_json::{Value, json};
use switchboard::auth::Claims;
use switchboard::model::Role;
use uuid::Uuid;

use crate::client::Client;
use crate::server::{Server, claims, sign, token};

const SUPPORT: Uuid = Uuid::from_u128(1);
const SALES: Uuid = Uuid::from_u128(2);

/// The conversations of the matrix, each begun by a customer of its own.
struct Scene {
    server: Server,
    conversations: Vec<(&'static str, String)>,
    tokens: Vec<(&'static str, String)>,
}

impl Scene {
    async fn set() -> Scene {
        let server = Server::start(&[]).await;
        let mut tokens = vec![
            ("dewi", token(Role::Agent, "dewi")),
            ("agus", sign(&in_department("agus", SUPPORT))),
            ("rina", sign(&in_department("rina", SALES))),
            ("sari", token(Role::Admin, "sari")),
            ("robot", token(Role::Bot, "robot")),
            ("crm", token(Role::Service, "crm")),
            ("acme", sign(&Claims { tenant: "acme".into(), ..claims(Role::Admin, "acme") })),
        ];
        // Departments and the other tenant are made by their first use.
        for (_, token) in &tokens[..7] {
            server.request("GET", &format!("/api/sessions?token={token}"), "").await;
        }
        let mut conversations = vec![("unknown", Uuid::new_v4().to_string())];
        for (name, customer, tenant, department) in [
            ("waiting", "budi", "default", None),
            ("assigned", "citra", "default", None),
            ("in support", "eko", "default", Some(SUPPORT)),
            ("of acme", "fitri", "acme", None),
        ] {
            let body = json!({ "name": customer, "department_id": department });
            let path = format!("/api/sessions?tenant={tenant}");
            let answer = server.request("POST", &path, &body.to_string()).await;
            let data = &answer.body["data"];
            let text = |field: &str| data[field].as_str().expect(field).to_owned();
            conversations.push((name, text("session_id")));
            tokens.push((customer, text("token")));
        }
        let scene = Scene { server, conversations, tokens };
        let path =
            format!("/api/sessions/{}/assign?token={}", scene.id("assigned"), scene.of("dewi"));
        let answer = scene.server.request("POST", &path, "{}").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        scene
    }

    fn id(&self, name: &str) -> &str {
        &self.conversations.iter().find(|(n, _)| *n == name).expect(name).1
    }

    fn of(&self, name: &str) -> &str {
        &self.tokens.iter().find(|(n, _)| *n == name).expect(name).1
    }

    /// The user a token names.
    fn user(&self, name: &str) -> String {
        use base64_url::decode;
        let payload = decode(self.of(name).split('.').nth(1).unwrap());
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        claims["sub"].as_str().unwrap().to_owned()
    }
}

/// Just enough of base64 to read a token of our own.
mod base64_url {
    pub(super) fn decode(text: &str) -> Vec<u8> {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let value = |c: u8| ALPHABET.iter().position(|a| *a == c).expect("base64url") as u32;
        let (mut bits, mut held, mut out) = (0, 0, Vec::new());
        for c in text.bytes() {
            bits = (bits << 6 | value(c)) & 0xffff;
            held += 6;
            if held >= 8 {
                held -= 8;
                out.push((bits >> held) as u8);
            }
        }
        out
    }

    pub(super) fn encode(bytes: &[u8]) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (mut bits, mut held, mut out) = (0u32, 0, String::new());
        for byte in bytes {
            bits = (bits << 8 | u32::from(*byte)) & 0xffff;
            held += 8;
            while held >= 6 {
                held -= 6;
                out.push(ALPHABET[(bits >> held & 63) as usize] as char);
            }
        }
        if held > 0 {
            out.push(ALPHABET[(bits << (6 - held) & 63) as usize] as char);
        }
        out
    }
}

fn in_department(user: &str, department: Uuid) -> Claims {
    Claims { departments: vec![department.to_string()], ..claims(Role::Agent, user) }
}

/// Whose token, which conversation, as which user (`=` for the token's own), as what, and the
/// answer.
const MATRIX: &[(&str, &str, &str, &str, u16)] = &[
    // A customer: its own conversation as its own user, and nothing else (line 75).
    ("budi", "waiting", "=", "customer", 101),
    ("budi", "waiting", "customer_=", "customer", 101),
    ("budi", "waiting", "=", "agent", 403),
    ("budi", "waiting", "=", "admin", 403),
    ("budi", "waiting", "somebody", "customer", 403),
    ("budi", "waiting", "agent_=", "customer", 403),
    ("budi", "assigned", "=", "customer", 403),
    ("budi", "in support", "=", "customer", 403),
    ("budi", "unknown", "=", "customer", 404),
    ("budi", "of acme", "=", "customer", 404),
    // An agent: what is assigned to it and what waits for it (line 74).
    ("dewi", "waiting", "=", "agent", 101),
    ("dewi", "waiting", "agent_=", "agent", 101),
    ("dewi", "waiting", "=", "customer", 403),
    ("dewi", "waiting", "=", "admin", 403),
    ("dewi", "waiting", "somebody", "agent", 403),
    ("dewi", "assigned", "=", "agent", 101),
    ("dewi", "in support", "=", "agent", 403),
    ("dewi", "unknown", "=", "agent", 404),
    ("dewi", "of acme", "=", "agent", 404),
    ("agus", "waiting", "=", "agent", 101),
    ("agus", "assigned", "=", "agent", 403),
    ("agus", "in support", "=", "agent", 101),
    ("rina", "in support", "=", "agent", 403),
    // An admin: everything of its tenant, as itself (line 73).
    ("sari", "waiting", "=", "admin", 101),
    ("sari", "waiting", "admin_=", "admin", 101),
    ("sari", "assigned", "agent_=", "agent", 101),
    ("sari", "in support", "=", "admin", 101),
    ("sari", "waiting", "=", "customer", 403),
    ("sari", "waiting", "somebody", "admin", 403),
    ("sari", "unknown", "=", "admin", 404),
    ("sari", "of acme", "=", "admin", 404),
    ("acme", "waiting", "=", "admin", 404),
    ("acme", "of acme", "=", "admin", 101),
    // Programs have no place in this dialect.
    ("robot", "waiting", "=", "agent", 403),
    ("crm", "waiting", "=", "admin", 403),
    ("crm", "waiting", "=", "customer", 403),
];

#[tokio::test]
async fn everybody_is_let_in_where_it_belongs_and_nowhere_else() {
    let scene = Scene::set().await;
    let mut wrong = Vec::new();
    for row in MATRIX {
        let (who, conversation, user, kind, expected) = *row;
        let user = user.replace('=', &scene.user(who));
        let (id, token) = (scene.id(conversation), scene.of(who));
        let path = format!("/ws/{id}/{user}/{kind}?token={token}");
        let got = match scene.server.try_open(&path).await {
            Ok(client) => {
                client.close().await;
                101
            }
            Err(answer) => answer.status,
        };
        if got != expected {
            wrong.push(format!("{row:?}: got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_refused() {
    let server = Server::start(&[]).await;
    let id = Uuid::new_v4();
    let budi = Claims { conversations: vec![id.to_string()], ..claims(Role::Customer, "budi") };
    let good = sign(&budi);
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let none = base64_url::encode(br#"{"alg":"none","typ":"JWT"}"#);
    let confused = base64_url::encode(br#"{"alg":"RS256","typ":"JWT"}"#);
    let admin = base64_url::encode(
        String::from_utf8(base64_url::decode(payload))
            .unwrap()
            .replace("customer", "admin")
            .as_bytes(),
    );
    let elsewhere = switchboard::server::tokens(
        &switchboard::config::Config::default(),
        b"another secret, just as long as the first one".to_vec(),
    );
    let now = switchboard::model::Moment::now().unix_seconds();
    let bad = [
        ("nothing", String::new()),
        ("words", "let-me-in".to_owned()),
        ("alg none, no signature", format!("{none}.{payload}.")),
        ("alg none, a signature", format!("{none}.{payload}.{signature}")),
        ("another algorithm", format!("{confused}.{payload}.{signature}")),
        ("other claims", format!("{head}.{admin}.{signature}")),
        ("no signature", format!("{head}.{payload}.")),
        ("another secret", elsewhere.unwrap().sign(&budi).unwrap()),
        ("ended, leeway included", sign(&Claims { exp: now - 31, ..budi.clone() })),
        ("an API key nobody made", "sbk_0123456789".to_owned()),
        ("too long", "x".repeat(20_000)),
    ];
    for (what, token) in bad {
        let path = format!("/ws/{id}/budi/customer?token={token}");
        match server.try_open(&path).await {
            Ok(_) => panic!("{what}: it was let in"),
            Err(answer) => {
                assert_eq!(
                    (answer.status, &answer.body["code"]),
                    (401, &json!("unauthorized")),
                    "{what}"
                );
                let told = answer.body.to_string();
                assert!(token.len() < 8 || !told.contains(&token), "{what}: repeats it: {told}");
            }
        }
    }
    // Within the leeway the clocks may differ.
    let leeway = sign(&Claims { exp: now - 15, ..budi.clone() });
    server.open(&format!("/ws/{id}/budi/customer?token={leeway}")).await;
    server.open(&format!("/ws/{id}/budi/customer?token={good}")).await;
}

#[tokio::test]
async fn a_token_may_come_in_four_ways_and_a_cookie_only_from_here() {
    let allowed = "https://shop.example";
    let server = Server::start(&[("auth.cors_origin", allowed)]).await;
    let id = Uuid::new_v4();
    let budi = Claims { conversations: vec![id.to_string()], ..claims(Role::Customer, "budi") };
    let token = sign(&budi);
    let path = format!("/ws/{id}/budi/customer");
    let open =
        async |headers: &[(&str, &str)]| match Client::open(server.addr, &path, headers).await {
            Ok(client) => (101, client.head.clone()),
            Err(answer) => (answer.status, answer.head),
        };
    let bearer = format!("Bearer {token}");
    assert_eq!(open(&[("Authorization", &bearer)]).await.0, 101);
    let (status, head) = open(&[("Sec-WebSocket-Protocol", &format!("bearer, {token}"))]).await;
    assert_eq!(status, 101);
    assert!(head.contains("\r\nsec-websocket-protocol: bearer\r\n"), "{head}");
    assert_eq!(open(&[("Authorization", "Basic eDp5")]).await.0, 401);

    let cookie = format!("switchboard_session={token}");
    let here = format!("http://{}", server.addr);
    assert_eq!(open(&[("Cookie", &cookie), ("Origin", &here)]).await.0, 101);
    assert_eq!(open(&[("Cookie", &cookie), ("Origin", allowed)]).await.0, 101);
    assert_eq!(open(&[("Cookie", &cookie)]).await.0, 401, "a cookie needs an origin");
    for foreign in ["https://evil.example", "null", "https://shop.example.evil.example"] {
        assert_eq!(open(&[("Cookie", &cookie), ("Origin", foreign)]).await.0, 403, "{foreign}");
        let headers = [("Authorization", bearer.as_str()), ("Origin", foreign)];
        assert_eq!(open(&headers).await.0, 403, "{foreign}, with a token");
    }
}

#[tokio::test]
async fn an_admins_look_is_in_the_audit_trail() {
    let scene = Scene::set().await;
    let (id, sari) = (scene.id("assigned"), scene.of("sari"));
    let _look = scene.server.open(&format!("/ws/{id}/sari/admin?token={sari}")).await;
    let answer = scene.server.request("GET", &format!("/api/audit?token={sari}"), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let trail = answer.body["data"].to_string();
    assert!(trail.contains(id) && trail.contains("sari"), "(line 78) {trail}");
}
