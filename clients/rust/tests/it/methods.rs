//! What each of document 004's methods says on the wire.

use serde_json::{Value, json};
use switchboard_client::{Delivery, Error, Event, EventBroadcaster, QueueStats, SenderType};

use crate::origin::{Origin, accepted};

/// Hands over one event of each name, in the order of `wanted`.
async fn tell_all(b: &EventBroadcaster) -> Result<Vec<Delivery>, Error> {
    let stats = QueueStats {
        queue_name: "another".into(),
        calls_waiting: 5,
        available_agents: 3,
        logged_in_agents: 10,
        ..QueueStats::default()
    };
    let ticket = json!({"ticket_id": 1234});
    Ok(vec![
        b.agent_state_change("u1", "sari", "break", "Lunch break").await?,
        b.agent_login("u1", "sari", "1001").await?,
        b.agent_logout("u1", "sari").await?,
        b.call_incoming("1.2", "+62812", "1500", "support").await?,
        b.call_answered("1.2", "a1", "Sari").await?,
        b.call_ended("1.2", 185).await?,
        b.call_transferred("1.2", "1002").await?,
        b.call_hold("1.2", "a1", "Sari").await?,
        b.call_unhold("1.2", "a1", "Sari").await?,
        b.queue_joined("support", "1.2", "+62812", 3).await?,
        b.queue_left("support", "1.2", "connected").await?,
        b.update_queue_stats("support", stats).await?,
        b.queue_member_added("support", "u1", "sari", "PJSIP/1001").await?,
        b.queue_member_removed("support", "u1", "sari").await?,
        b.queue_member_paused("support", "u1", "sari").await?,
        b.queue_member_unpaused("support", "u1", "sari").await?,
        b.chat_session_started("s1", "Budi", "budi@example.com").await?,
        b.chat_message_sent("s1", "m1", "u1", SenderType::Agent, "Sari", "Hello").await?,
        b.chat_session_ended("s1").await?,
        b.chat_transferred("s1", "a1", "a2").await?,
        b.chat_typing_indicator("s1", SenderType::Agent, "Sari", true).await?,
        b.send_notification("u1", "ticket_assigned", "New ticket", "It is yours", ticket).await?,
        b.send_alert("Maintenance", "In 30 minutes").await?,
    ])
}

/// The payloads of `tell_all`, in the order of the catalogue's names.
fn wanted() -> Vec<Value> {
    let held = json!({"unique_id": "1.2", "agent_id": "a1", "agent_name": "Sari"});
    let member = json!({"queue_name": "support", "user_id": "u1", "username": "sari"});
    let mut added = member.clone();
    added["interface"] = json!("PJSIP/1001");
    vec![
        json!({"user_id": "u1", "username": "sari", "state": "break", "reason": "Lunch break"}),
        json!({"user_id": "u1", "username": "sari", "extension": "1001"}),
        json!({"user_id": "u1", "username": "sari"}),
        json!({"unique_id": "1.2", "caller_id": "+62812", "destination": "1500", "queue_name": "support"}),
        held.clone(),
        json!({"unique_id": "1.2", "duration": 185}),
        json!({"unique_id": "1.2", "new_destination": "1002"}),
        held.clone(),
        held,
        json!({"queue_name": "support", "unique_id": "1.2", "caller_id": "+62812", "position": 3}),
        json!({"queue_name": "support", "unique_id": "1.2", "reason": "connected"}),
        json!({"queue_name": "support", "calls_waiting": 5, "available_agents": 3, "logged_in_agents": 10}),
        added,
        member.clone(),
        member.clone(),
        member,
        json!({"session_id": "s1", "visitor_name": "Budi", "visitor_email": "budi@example.com"}),
        json!({"session_id": "s1", "message_id": "m1", "sender_id": "u1", "sender_type": "agent",
            "sender_name": "Sari", "body": "Hello"}),
        json!({"session_id": "s1"}),
        json!({"session_id": "s1", "from_agent_id": "a1", "to_agent_id": "a2"}),
        json!({"session_id": "s1", "sender_type": "agent", "sender_name": "Sari", "is_typing": true}),
        json!({"user_id": "u1", "kind": "ticket_assigned", "title": "New ticket", "body": "It is yours",
            "data": {"ticket_id": 1234}}),
        json!({"title": "Maintenance", "body": "In 30 minutes"}),
    ]
}

// 004: acceptance 281, 286 to 302
#[tokio::test(start_paused = true)]
async fn every_event_of_document_004_has_a_method() {
    let origin = Origin::serve([accepted()]).await;
    let broadcaster = origin.broadcaster();
    for delivery in tell_all(&broadcaster).await.unwrap() {
        delivery.await.unwrap();
    }
    let sent = origin.asked()[0].events();
    let kinds: Vec<&str> = sent.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, Event::KINDS);
    for (event, payload) in sent.iter().zip(wanted()) {
        assert_eq!(event["payload"], payload, "{}", event["type"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_empty_is_left_out() {
    let origin = Origin::serve([accepted()]).await;
    let broadcaster = origin.broadcaster();
    drop(broadcaster.call_incoming("1.2", "+62812", "1500", "").await.unwrap());
    drop(broadcaster.queue_joined("support", "1.2", "", 0).await.unwrap());
    drop(broadcaster.send_notification("u1", "k", "", "", ()).await.unwrap());
    broadcaster.flush().await.unwrap();
    let sent: Vec<Value> =
        origin.asked()[0].events().iter().map(|event| event["payload"].clone()).collect();
    let call = json!({"unique_id": "1.2", "caller_id": "+62812", "destination": "1500"});
    let joined = json!({"queue_name": "support", "unique_id": "1.2"});
    assert_eq!(sent, [call, joined, json!({"user_id": "u1", "kind": "k"})]);
}
