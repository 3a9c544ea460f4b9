//! What one client of the hub and one producer may use, and how they are let in (contract 4, 7, 10).

use serde_json::{Value, json};
use switchboard::auth::Claims;
use switchboard::model::Role;
use uuid::Uuid;

use crate::client::{Answer, Client, Seen, request};
use crate::console::{Console, NDJSON, hold, must_post, post};
use crate::server::{Server, claims, sign, token};

fn refused(answer: Result<Client, Answer>) -> Answer {
    match answer {
        Ok(_) => panic!("it was let in"),
        Err(answer) => answer,
    }
}

/// 004: acceptance 343.
#[tokio::test]
async fn a_frame_over_half_a_mebibyte_ends_its_connection_and_no_other() {
    let server = Server::start(&[]).await;
    let mut large = Console::open_as(&server, Role::Agent, "large", "events=alert").await;
    let mut other = Console::open_as(&server, Role::Agent, "other", "events=alert").await;
    // As large as may be is read, and only then found to be nothing.
    large.client.send_text(&" ".repeat(512 * 1024)).await;
    assert_eq!(large.frame_of("error").await["payload"]["code"], "bad_frame");
    large.client.send_text(&" ".repeat(512 * 1024 + 1)).await;
    assert_eq!(large.client.end().await, Some(1009));
    assert_eq!(other.ask("ping", Value::Null, "pong").await, json!({}));
}

#[tokio::test]
async fn a_post_that_is_too_large_is_refused_whole_and_an_event_that_is_alone() {
    let server = Server::start(&[]).await;
    let boss = token(Role::Admin, "boss");
    let mut console = Console::open_as(&server, Role::Admin, "boss", "events=call.*").await;
    let long = |bytes: usize| hold("x".repeat(bytes)).to_string();
    let answer = post(&server, &boss, &[], &long(5 * 1024 * 1024)).await;
    assert_eq!((answer.status, &answer.body["code"]), (413, &json!("too_large")));
    let mut wide = hold("wide");
    wide["payload"]["agent_name"] = json!("x".repeat(33 * 1024));
    let body = json!({ "events": [hold("1"), wide, hold("2")] });
    let answer = post(&server, &boss, &[], &body.to_string()).await;
    assert_eq!((answer.status, &answer.body["data"]["accepted"]), (202, &json!(2)));
    let rejected = &answer.body["data"]["rejected"];
    assert_eq!((&rejected[0]["index"], &rejected[0]["code"]), (&json!(1), &json!("too_large")));
    for number in ["1", "2"] {
        assert_eq!(console.frame().await["payload"]["unique_id"], number);
    }
}

#[tokio::test]
async fn a_batch_has_a_thousand_events_and_no_more() {
    let server = Server::start(&[]).await;
    let boss = token(Role::Admin, "boss");
    let mut console = Console::open_as(&server, Role::Admin, "boss", "events=call.*").await;
    let events: Vec<Value> = (0..1_001).map(hold).collect();
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let too_many = [
        post(&server, &boss, &[], &json!({ "events": events }).to_string()).await,
        post(&server, &boss, &[NDJSON], &lines.join("\n")).await,
    ];
    for answer in too_many {
        assert_eq!((answer.status, &answer.body["code"]), (422, &json!("invalid")), "{answer:?}");
        assert!(answer.body["fields"]["events"].is_string(), "{answer:?}");
    }
    let answer = post(&server, &boss, &[NDJSON], &lines[..1_000].join("\n")).await;
    assert_eq!((answer.status, &answer.body["data"]["accepted"]), (202, &json!(1_000)));
    for number in 0..1_000 {
        assert_eq!(console.frame().await["payload"]["unique_id"], number.to_string());
    }
}

#[tokio::test]
async fn a_broken_line_among_others_is_rejected_alone() {
    let server = Server::start(&[]).await;
    let boss = token(Role::Admin, "boss");
    let mut console = Console::open_as(&server, Role::Admin, "boss", "events=call.*").await;
    let (one, two) = (hold("1"), hold("2"));
    // Blank lines count for nothing; a carriage return is part of the line's end.
    let body = format!("{one}\r\n\n{{\"type\": \"call.hold\", \"payl\n{two}\n[]\n");
    let answer = post(&server, &boss, &[NDJSON], &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let data = &answer.body["data"];
    assert_eq!(data["accepted"], 2);
    let rejected = data["rejected"].as_array().unwrap();
    let places: Vec<_> = rejected.iter().map(|one| (&one["index"], &one["code"])).collect();
    let malformed = json!("malformed");
    assert_eq!(places, [(&json!(1), &malformed), (&json!(3), &malformed)]);
    assert_eq!(console.frame().await["payload"]["unique_id"], "1");
    assert_eq!(console.frame().await["payload"]["unique_id"], "2");
}

/// A visitor of a new conversation.
async fn visitor(server: &Server) -> Console {
    Console::open(server, "/ws/public?tenant=default&events=notification").await
}

async fn say(visitor: &mut Console, body: &str, client_id: &str) -> Value {
    let said = json!({ "body": body, "client_id": client_id });
    let ack = visitor.ask("chat.message", said, "ack").await;
    assert_eq!(ack["client_id"], client_id);
    ack
}

#[tokio::test]
async fn a_message_has_16_kib_and_no_more() {
    let server = Server::start(&[]).await;
    // A tenant is there when somebody of it has come.
    drop(Console::open_as(&server, Role::Admin, "boss", "").await);
    let mut budi = visitor(&server).await;
    let ack = say(&mut budi, &"x".repeat(16 * 1024), "m-1").await;
    assert_eq!((&ack["success"], &ack["seq"]), (&json!(true), &json!(1)));
    let ack = say(&mut budi, &"x".repeat(16 * 1024 + 1), "m-2").await;
    assert_eq!((&ack["success"], &ack["code"]), (&json!(false), &json!("too_large")));
    let ack = say(&mut budi, " \u{0}\n", "m-3").await;
    assert_eq!((&ack["success"], &ack["code"]), (&json!(false), &json!("invalid")));
    assert_eq!(say(&mut budi, "short", "m-4").await["seq"], 2);
}

#[tokio::test]
async fn messages_and_typing_have_a_pace_and_who_keeps_on_is_closed() {
    let options = [("limits.messages_per_minute", "2"), ("limits.typing_per_minute", "1")];
    let server = Server::start(&options).await;
    drop(Console::open_as(&server, Role::Admin, "boss", "").await);
    let mut budi = visitor(&server).await;
    assert_eq!(say(&mut budi, "one", "m-1").await["success"], true);
    assert_eq!(say(&mut budi, "two", "m-2").await["success"], true);
    let ack = say(&mut budi, "three", "m-3").await;
    assert_eq!((&ack["success"], &ack["code"]), (&json!(false), &json!("rate_limited")));
    let is_seconds = |wait: &Value| wait.as_u64().is_some_and(|s| (1..=60).contains(&s));
    assert!(is_seconds(&ack["retry_after"]), "{ack}");

    budi.send("chat.typing", json!({ "is_typing": true })).await;
    let error = budi.ask("chat.typing", json!({ "is_typing": true }), "error").await;
    assert_eq!(error["code"], "rate_limited");
    assert!(is_seconds(&error["retry_after"]), "{error}");
    // Other frames have a pace of their own.
    assert_eq!(budi.ask("ping", Value::Null, "pong").await, json!({}));
    for n in 0..200 {
        let said = json!({ "body": "again", "client_id": n.to_string() });
        budi.send("chat.message", said).await;
    }
    assert_eq!(budi.client.end().await, Some(4029));
}

#[tokio::test]
async fn connections_are_limited_before_the_upgrade() {
    let limits = ["limits.connections_per_user", "limits.connections_per_address"];
    for limit in limits {
        let server = Server::start(&[(limit, "2")]).await;
        let path = format!("/ws?token={}", token(Role::Agent, "dewi"));
        let _first = server.open(&path).await;
        let _second = server.open(&path).await;
        let answer = refused(server.try_open(&path).await);
        let expected = (429, &json!("too_many_connections"));
        assert_eq!((answer.status, &answer.body["code"]), expected, "{limit}");
        assert!(answer.head.contains("\r\nretry-after: "), "{}", answer.head);
    }
}

#[tokio::test]
async fn compression_that_is_offered_is_declined_and_the_line_works() {
    let server = Server::start(&[]).await;
    let offers = [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits; server_no_context_takeover",
        "x-webkit-deflate-frame, permessage-deflate",
    ];
    for offer in offers {
        let path = format!("/ws?events=alert&token={}", token(Role::Agent, "dewi"));
        let headers = [("Sec-WebSocket-Extensions", offer)];
        let client = Client::open(server.addr, &path, &headers).await.unwrap();
        assert!(!client.head.contains("sec-websocket-extensions"), "{}", client.head);
        let mut dewi = Console::of(client).await;
        let alert = json!({ "title": "long", "body": "x".repeat(4_000) });
        let alert = json!({ "type": "alert", "payload": alert });
        must_post(&server, &token(Role::Admin, "boss"), &alert).await;
        assert_eq!(dewi.frame_of("alert").await["payload"]["body"], "x".repeat(4_000));
        assert_eq!(dewi.ask("ping", Value::Null, "pong").await, json!({}));
    }
}

/// Two routes of `/ws/` have three parts; the fixed one wins over `/ws/{session}/{user}/{type}`.
#[tokio::test]
async fn the_question_whether_a_user_is_online_is_no_session() {
    let server = Server::start(&[("auth.open_sessions", "true")]).await;
    let boss = token(Role::Admin, "boss");
    let _dewi = Console::open_as(&server, Role::Agent, "dewi", "").await;
    for (user, is_online) in [("dewi", true), ("online", false), ("users", false), ("agent", false)]
    {
        let path = format!("/ws/users/{user}/online?token={boss}");
        let answer = server.request("GET", &path, "").await;
        assert_eq!((answer.status, &answer.body["online"]), (200, &json!(is_online)), "{user}");
        // Nor does asking for a socket make it one.
        let answer = refused(server.try_open(&path).await);
        assert_eq!((answer.status, &answer.body["user_id"]), (200, &json!(user)), "{answer:?}");
    }
    let answer = server.request("GET", "/ws/users/dewi/online", "").await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let answer = server.request("GET", &format!("/ws/users/d%20w/online?token={boss}"), "").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    // What only looks like it is a session, or a malformed one.
    let _session = server.open(&format!("/ws/{}/online/agent", Uuid::new_v4())).await;
    for path in ["/ws/users/dewi/agent", "/ws/users/dewi/offline"] {
        assert_eq!(refused(server.try_open(path).await).body["message"], "Invalid session ID");
    }
}

/// 004: acceptance 361.
#[tokio::test]
async fn a_token_comes_to_the_hub_in_four_ways_and_a_cookie_only_from_here() {
    let allowed = "https://wallboard.example";
    let server = Server::start(&[("auth.cors_origin", allowed)]).await;
    let dewi = token(Role::Agent, "dewi");
    let open =
        async |path: &str, headers: &[(&str, &str)]| match Client::open(server.addr, path, headers)
            .await
        {
            Ok(client) => (101, client.head.clone()),
            Err(answer) => (answer.status, answer.head),
        };
    assert_eq!(open(&format!("/ws?token={dewi}"), &[]).await.0, 101);
    let bearer = format!("Bearer {dewi}");
    assert_eq!(open("/ws", &[("Authorization", &bearer)]).await.0, 101);
    let protocol = format!("bearer, {dewi}");
    let (status, head) = open("/ws", &[("Sec-WebSocket-Protocol", &protocol)]).await;
    assert_eq!(status, 101);
    assert!(head.contains("\r\nsec-websocket-protocol: bearer\r\n"), "{head}");
    assert!(!head.contains(&dewi.to_ascii_lowercase()), "the token is not repeated");

    let cookie = format!("switchboard_login={dewi}");
    let here = format!("http://{}", server.addr);
    for origin in [here.as_str(), allowed] {
        assert_eq!(open("/ws", &[("Cookie", &cookie), ("Origin", origin)]).await.0, 101);
    }
    assert_eq!(open("/ws", &[("Cookie", &cookie)]).await.0, 401, "a cookie needs an origin");
    let customers = format!("switchboard_session={dewi}");
    let headers = [("Cookie", customers.as_str()), ("Origin", here.as_str())];
    assert_eq!(open("/ws", &headers).await.0, 401, "this cookie is for customers");
    for foreign in ["https://evil.example", "null", "https://wallboard.example.evil.example"] {
        let headers = [("Authorization", bearer.as_str()), ("Origin", foreign)];
        assert_eq!(open("/ws", &headers).await.0, 403, "{foreign}");
        assert_eq!(open("/ws/public", &headers).await.0, 403, "{foreign}");
    }
    assert_eq!(open("/ws", &[]).await.0, 401);
    assert_eq!(open("/ws", &[("Authorization", "Basic eDp5")]).await.0, 401);
    let ended = Claims { exp: 1, ..claims(Role::Agent, "dewi") };
    assert_eq!(open(&format!("/ws?token={}", sign(&ended)), &[]).await.0, 401);
    assert_eq!(open("/ws?token=sbk_nothing", &[]).await.0, 401);
}

/// A plain GET is no handshake, and says so only to who might come in.
#[tokio::test]
async fn what_is_no_handshake_is_refused_in_order() {
    let server = Server::start(&[]).await;
    let status = async |path: &str| request(server.addr, "GET", path, &[], "").await.status;
    assert_eq!(status("/ws").await, 401);
    assert_eq!(status(&format!("/ws?token={}", token(Role::Bot, "robot"))).await, 403);
    assert_eq!(status(&format!("/ws?token={}", token(Role::Agent, "dewi"))).await, 400);
    let path = format!("/ws?events=dance&token={}", token(Role::Agent, "dewi"));
    let mut dewi = Console::open(&server, &path).await;
    assert_eq!(dewi.frame_of("error").await["payload"]["code"], "unknown_event");
    // A frame that is not text ends the line.
    dewi.client.send_binary(vec![1, 2, 3]).await;
    assert_eq!(dewi.client.end().await, Some(1003));
    assert!(matches!(dewi.client.next().await, Seen::Lost));
}
