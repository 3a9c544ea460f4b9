//! Messages over REST, in the words of document 003.

use serde_json::json;

use super::*;

async fn say(server: &Server, token: &str, conversation: &str, content: &str) -> Reply {
    let body = json!({"conversationId": conversation, "content": content});
    server.ask(post("/api/messages").bearer(token).json(&body)).await
}

#[tokio::test]
async fn a_sent_message_is_read_again_in_the_shape_of_003() {
    let server = Server::start().await;
    let (id, customer) = server.begin(json!({"name": "Budi"})).await;
    let body = json!({"conversationId": id, "content": "Hello", "clientId": "m-1"});
    let sent = server.ask(post("/api/messages").bearer(&customer).json(&body)).await;
    assert_eq!((sent.status.as_u16(), &sent.body["success"]), (201, &json!(true)));
    let again = server.ask(post("/api/messages").bearer(&customer).json(&body)).await;
    assert_eq!(again.body["data"], sent.body["data"], "a repeat is the first one");

    let read = server.ask(get("/api/messages").bearer(&customer)).await;
    let data = &sent.body["data"];
    let user = read.body["messages"][0]["sender"]["userId"].clone();
    assert_eq!(
        read.body,
        json!({
            "messages": [{
                "conversationId": id, "content": "Hello",
                "sender": {
                    "userId": user, "userName": "Budi", "role": "customer",
                    "userType": "customer",
                },
                "timestamp": data["timestamp"], "messageId": data["messageId"], "seq": 1,
                "clientId": "m-1",
            }],
            "has_more": false,
        })
    );
    assert!(user.as_str().unwrap().starts_with("customer_"));
}

#[tokio::test]
async fn an_agent_is_an_admin_in_003s_words_and_an_agent_in_ours() {
    let server = Server::start().await;
    let (id, customer) = server.begin(json!({})).await;
    let agent = server.token(Role::Agent, "sari");
    assert_eq!(say(&server, &agent, &id, "Good morning").await.status, 201);
    let read = server.ask(get("/api/messages").bearer(&customer)).await;
    let sender = &read.body["messages"][0]["sender"];
    assert_eq!((&sender["role"], &sender["userType"]), (&json!("admin"), &json!("agent")));
}

#[tokio::test]
async fn messages_come_in_ascending_pages() {
    let server = Server::start().await;
    let (id, customer) = server.begin(json!({})).await;
    for n in 1..=5 {
        assert_eq!(say(&server, &customer, &id, &format!("n{n}")).await.body["data"]["seq"], n);
    }
    for (range, expected, has_more) in [
        ("", vec![1, 2, 3, 4, 5], false),
        ("limit=2", vec![4, 5], true),
        ("limit=2&before=4", vec![2, 3], true),
        ("before=3", vec![1, 2], false),
        ("limit=2&after=1", vec![2, 3], true),
        ("after=3", vec![4, 5], false),
        ("after=5", vec![], false),
        ("limit=0", vec![5], true),
    ] {
        let path = format!("/api/messages?conversationId={id}&{range}");
        let reply = server.ask(get(&path).bearer(&customer)).await;
        let messages = reply.body["messages"].as_array().unwrap();
        let seqs: Vec<_> = messages.iter().map(|m| m["seq"].as_u64().unwrap()).collect();
        assert_eq!((seqs, &reply.body["has_more"]), (expected, &json!(has_more)), "{range}");
    }
}

#[tokio::test]
async fn a_conversation_is_found_by_the_name_it_was_given() {
    let server = Server::start().await;
    let (id, customer) = server.begin(json!({"external_id": "conv-123"})).await;
    assert_eq!(say(&server, &customer, "conv-123", "Hello").await.status, 201);
    for name in ["conv-123", &id] {
        let path = format!("/api/messages?conversationId={name}");
        let reply = server.ask(get(&path).bearer(&customer)).await;
        assert_eq!(reply.body["messages"][0]["conversationId"], name);
    }
    // Whoever names its conversation by another one's id does not step into its place.
    let (other, intruder) = server.begin(json!({"external_id": id})).await;
    say(&server, &intruder, &id, "mine").await.is_refused(403, "forbidden");
    // A name that looks like an id and is nobody's works as a name.
    let (_, own) = server.begin(json!({"external_id": UNKNOWN})).await;
    assert_eq!(say(&server, &own, UNKNOWN, "Hello").await.status, 201);
    say(&server, &customer, &other, "x").await.is_refused(403, "forbidden");
    say(&server, &customer, "conv-9", "x").await.is_refused(404, "not_found");
}

#[tokio::test]
async fn a_message_that_says_nothing_is_refused_by_field() {
    let server = Server::start().await;
    let (id, customer) = server.begin(json!({})).await;
    let reply = say(&server, &customer, &id, " \u{7}\n").await;
    reply.is_refused(422, "invalid");
    assert_eq!(reply.body["fields"], json!({"content": "is empty"}));
    let body = json!({"conversationId": id, "content": "x", "clientId": ""});
    let reply = server.ask(post("/api/messages").bearer(&customer).json(&body)).await;
    assert!(reply.body["fields"]["clientId"].is_string(), "{}", reply.text);
    say(&server, &customer, &id, &"x".repeat(16 * 1024 + 1)).await.is_refused(413, "too_large");
    say(&server, &customer, "a b", "x").await.is_refused(400, "malformed");
}
