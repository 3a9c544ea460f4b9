//! The bot between a customer, an agent and a provider that takes its time: who is in charge, what
//! is told of it, and what is left when something fails.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use switchboard::log::Reading;
use switchboard::model::{ConversationId, Event, InCharge, Moment, Role, TenantId};
use tempfile::TempDir;
use uuid::Uuid;

use crate::clock;
use crate::provider::Provider;
use crate::server::{Server, token};
use crate::talk::{Talk, answered, options, roles};

#[tokio::test]
async fn an_answer_that_comes_after_the_agent_is_not_told() {
    let provider = Provider::start().await;
    let server = Server::start(&options(&provider)).await;
    let mut talk = Talk::begin(&server).await;
    provider.close_gate();
    provider.will_say("Too late.");
    let asking = talk.ask(&server, "Hello?");
    provider.is_asked().await;
    let typing = talk.customer.frame_of("typing_indicator").await;
    assert_eq!((&typing["user_type"], &typing["is_typing"]), (&json!("bot"), &json!(true)));
    let agent = token(Role::Agent, "dewi");
    let path = format!("/api/sessions/{}/assign?token={agent}", talk.id);
    assert_eq!(server.request("POST", &path, "{}").await.status, 200);
    provider.open_gate();
    let reply = answered(asking).await;
    assert_eq!((&reply["answer"], &reply["handoff"]), (&json!(null), &json!(true)));
    // It stops typing, too.
    let typing = talk.customer.frame_of("typing_indicator").await;
    assert_eq!(typing["is_typing"], false);
    assert_eq!(roles(&talk.said(&server).await), ["customer"]);
    let metrics = server.running.app.metrics.encode();
    assert!(metrics.contains("switchboard_bot_superseded_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn the_bot_types_for_as_long_as_it_thinks() {
    let _stopped = clock::stop();
    let provider = Provider::start().await;
    let server = Server::start(&options(&provider)).await;
    let mut talk = Talk::begin(&server).await;
    provider.close_gate();
    provider.will_say("After long thought: 42.");
    let asking = talk.ask(&server, "What is the answer?");
    provider.is_asked().await;
    clock::advance(Duration::from_secs(9)).await;
    provider.open_gate();
    assert_eq!(answered(asking).await["answer"], "After long thought: 42.");
    let mut seen = Vec::new();
    loop {
        let frame = talk.customer.frame().await;
        match frame["type"].as_str().unwrap() {
            "typing_indicator" => seen.push(frame["data"]["is_typing"].as_bool().unwrap()),
            "message" if frame["data"]["user_type"] == "bot" => break,
            _ => {}
        }
    }
    let (last, before) = seen.split_last().unwrap();
    assert!(!last && before.iter().all(|is_typing| *is_typing), "{seen:?}");
    assert!(before.len() >= 4, "told anew before the three seconds end: {seen:?}");
}

#[tokio::test]
async fn a_provider_that_fails_leaves_the_question_and_queues_the_conversation() {
    let provider = Provider::start().await;
    let mut options = options(&provider);
    options.extend([("bot.attempts", "1"), ("bot.breaker_failures", "2")]);
    let server = Server::start(&options).await;
    for _ in 0..2 {
        let mut talk = Talk::begin(&server).await;
        provider.will_refuse(500);
        let reply = answered(talk.ask(&server, "Halo, apakah buka?")).await;
        assert_eq!(reply["handoff"], true);
        let told = reply["answer"].as_str().unwrap();
        assert!(told.starts_with("Saya sedang tidak dapat menjawab"), "in its language: {told}");
        talk.customer.frame_of("conversation_queued").await;
        assert_eq!(talk.status(&server).await, "waiting");
        assert_eq!(roles(&talk.said(&server).await), ["customer", "bot"]);
    }
    // By now the provider is left alone; the customer does not wait for it.
    let talk = Talk::begin(&server).await;
    let reply = answered(talk.ask(&server, "Hello?")).await;
    assert_eq!((&reply["handoff"], provider.hits()), (&json!(true), 2));
    let metrics = server.running.app.metrics.encode();
    for line in [
        "switchboard_bot_answers_total{provider=\"openai\",outcome=\"failed\"} 3\n",
        "switchboard_bot_breaker_state 2\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_asks_nobody() {
    let provider = Provider::start().await;
    let server = Server::start(&options(&provider)).await;
    let talk = Talk::begin(&server).await;
    provider.close_gate();
    provider.will_say("Once.");
    let first = talk.ask_as(&server, "Hello?", json!("q-1"));
    provider.is_asked().await;
    // Sent again while the bot is still thinking, and once more after it has answered.
    let second = talk.ask_as(&server, "Hello?", json!("q-1"));
    clock::settle().await;
    provider.open_gate();
    let first = answered(first).await;
    assert_eq!(answered(second).await, first);
    assert_eq!(answered(talk.ask_as(&server, "Hello?", json!("q-1"))).await, first);
    assert_eq!((&first["answer"], provider.hits()), (&json!("Once."), 1));
    // Also when somebody else is in charge by then.
    let agent = token(Role::Agent, "dewi");
    let path = format!("/api/sessions/{}/assign?token={agent}", talk.id);
    assert_eq!(server.request("POST", &path, "{}").await.status, 200);
    assert_eq!(answered(talk.ask_as(&server, "Hello?", json!("q-1"))).await, first);
    assert_eq!(roles(&talk.said(&server).await), ["customer", "bot"]);
}

#[tokio::test]
async fn while_it_is_in_charge_the_bot_answers_whatever_the_customer_says() {
    let provider = Provider::start().await;
    let mut options = options(&provider);
    options.extend([("bot.history_messages", "3"), ("bot.instructions", "Say {marker}.")]);
    let server = Server::start(&options).await;
    let mut talk = Talk::begin(&server).await;
    provider.will_say("One.");
    answered(talk.ask(&server, "First")).await;
    provider.will_say("Two.\u{0}");
    talk.customer.say("Second", "m-2").await;
    provider.is_asked().await;
    loop {
        let message = talk.customer.frame_of("message").await;
        if message["content"] == "Two." {
            break;
        }
    }
    provider.will_say("I will get somebody. [handoff]");
    let reply = answered(talk.ask(&server, "Third")).await;
    let told = "I will get somebody.\n\nI am passing you on to a colleague, who will answer here \
                as soon as possible.";
    assert_eq!((&reply["answer"], &reply["handoff"]), (&json!(told), &json!(true)));
    let said = |role: &str, content: &str| json!({"role": role, "content": content});
    let expected = json!([
        said("system", "Say [handoff]."),
        said("assistant", "One."),
        said("user", "Second"),
        said("assistant", "Two."),
        said("user", "Third"),
    ]);
    assert_eq!(provider.latest(), expected, "the latest three messages and the question");
    talk.customer.frame_of("conversation_queued").await;
    let hits = provider.hits();
    talk.customer.say("Fourth", "m-4").await;
    talk.customer.frame_of("ack").await;
    clock::settle().await;
    assert_eq!(provider.hits(), hits, "a person is to answer now");
}

#[tokio::test]
async fn whoever_is_quicker_one_alone_is_in_charge() {
    let server = Server::on_disk(
        Arc::new(TempDir::new().unwrap()),
        &[("bot.provider", "faq"), ("bot.confidence", "0")],
    );
    let server = server.await;
    let faq = json!({"language": "en", "question": "hello", "answer": "Hello!"}).to_string();
    let path = format!("/api/faq?token={}", token(Role::Admin, "boss"));
    assert_eq!(server.request("POST", &path, &faq).await.status, 201);
    let (mut answers, mut claims) = (0, 0);
    for round in 0..30 {
        let talk = Talk::begin(&server).await;
        let asking = [talk.ask(&server, "hello"), talk.ask(&server, "hello hello")];
        let claim = format!("/api/sessions/{}/assign?token={}", talk.id, token(Role::Agent, "a"));
        // A little later each time, so that the claim falls at any step of an answer; at last when
        // the bot has it for certain, however slow the machine is.
        clock::real_pause(Duration::from_micros(300 * round)).await;
        while round == 29 && talk.status(&server).await != "bot" {
            clock::real_pause(Duration::from_millis(1)).await;
        }
        assert_eq!(server.request("POST", &claim, "{}").await.status, 200);
        for asking in asking {
            let reply = answered(asking).await;
            assert_eq!(reply["handoff"], reply["answer"].is_null(), "{reply}");
            answers += usize::from(reply["answer"].is_string());
        }
        claims += usize::from(check_charge(&server, &talk).await);
    }
    assert!(claims > 0, "of {answers} answers none was before a claim");
}

/// Whether each event follows from who was in charge before it, and whether an agent took the
/// conversation from the bot.
async fn check_charge(server: &Server, talk: &Talk) -> bool {
    let id = ConversationId::parse(&talk.id).unwrap();
    let (tenant, reading) = (TenantId::default_tenant(), Reading::Conversation(id));
    let page = server.running.app.log.read(&tenant, reading, 0, 100).await.unwrap();
    let (mut in_charge, mut is_taken) = (InCharge::Queue, false);
    for envelope in &page.events {
        match &envelope.event {
            Event::Handoff(handoff) => {
                assert_eq!(handoff.from, in_charge, "{handoff:?}");
                in_charge = handoff.to;
                is_taken |= handoff.to == InCharge::Agent;
            }
            Event::Assigned(_) => {
                assert_ne!(in_charge, InCharge::Bot, "taken from the bot without a word");
                in_charge = InCharge::Agent;
            }
            Event::Message(message) if message.sender_type == Role::Bot => {
                assert_eq!(in_charge, InCharge::Bot, "it spoke out of turn");
            }
            _ => {}
        }
    }
    assert_eq!(in_charge, InCharge::Agent);
    is_taken
}

#[tokio::test]
async fn who_asks_and_leaves_finds_the_answer_later() {
    let provider = Provider::start().await;
    let server = Server::start(&options(&provider)).await;
    let mut talk = Talk::begin(&server).await;
    provider.close_gate();
    provider.will_say("Here it is.");
    let asking = talk.ask(&server, "Hello?");
    provider.is_asked().await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    provider.open_gate();
    loop {
        let message = talk.customer.frame_of("message").await;
        if message["user_type"] == "bot" {
            assert_eq!(message["content"], "Here it is.");
            break;
        }
    }
}

#[tokio::test]
async fn what_a_stopped_server_left_with_the_bot_goes_to_the_queue() {
    let (provider, data) = (Provider::start().await, Arc::new(TempDir::new().unwrap()));
    let server = Server::on_disk(data.clone(), &options(&provider)).await;
    let answered_before = Talk::begin(&server).await;
    provider.will_say("An answer.");
    answered(answered_before.ask(&server, "Asked and answered?")).await;
    provider.is_asked().await;
    let unanswered = Talk::begin(&server).await;
    provider.close_gate();
    provider.will_say("Never told.");
    let asking = unanswered.ask(&server, "Hello?");
    provider.is_asked().await;
    let Server { running, .. } = server;
    running.drain().await;
    assert_eq!(asking.await.unwrap().status, 503);

    let server = Server::on_disk(data.clone(), &options(&provider)).await;
    assert_eq!(unanswered.status(&server).await, "waiting");
    let said = unanswered.said(&server).await;
    assert_eq!(roles(&said), ["customer", "bot"]);
    assert!(said[1].1.starts_with("I cannot answer at the moment."), "{said:?}");
    assert_eq!(answered_before.status(&server).await, "bot", "nothing is open there");
    let Server { running, .. } = server;
    running.drain().await;

    // Without a bot nobody would ever answer there.
    let server = Server::on_disk(data, &[]).await;
    assert_eq!(answered_before.status(&server).await, "waiting");
    let path =
        format!("/api/session/{}/events?token={}", answered_before.id, answered_before.token);
    let events = server.request("GET", &path, "").await;
    assert!(events.body.to_string().contains("bot_off"), "{events:?}");
}

// Its own messages a second apart, as people write.
#[tokio::test]
async fn lines_said_while_the_bot_thinks_are_one_question() {
    let _stopped = clock::stop();
    let provider = Provider::start().await;
    let server = Server::start(&options(&provider)).await;
    let mut talk = Talk::begin(&server).await;
    provider.close_gate();
    provider.will_say("First.");
    provider.will_say("All of them.");
    let first = talk.ask(&server, "one");
    provider.is_asked().await;
    for (line, id) in [("two", "m-2"), ("three", "m-3"), ("four", "m-4"), ("five", "m-5")] {
        talk.customer.say(line, id).await;
        talk.customer.frame_of("ack").await;
        clock::advance(Duration::from_secs(2)).await;
    }
    let asking = talk.ask_as(&server, "six", json!("m-6"));
    clock::settle().await;
    provider.open_gate();
    assert_eq!(answered(first).await["answer"], "First.");
    let reply = answered(asking).await;
    assert_eq!((&reply["answer"], &reply["handoff"]), (&json!("All of them."), &json!(false)));
    let said = |role: &str, content: &str| json!({"role": role, "content": content});
    let question = said("user", "two\nthree\nfour\nfive\nsix");
    let expected = json!([said("user", "one"), said("assistant", "First."), question]);
    assert_eq!((provider.latest(), provider.hits()), (expected, 2));
    // Each of them is known to be answered.
    for id in ["m-2", "m-4", "m-6"] {
        assert_eq!(answered(talk.ask_as(&server, "again", json!(id))).await, reply);
    }
    assert_eq!((provider.hits(), talk.status(&server).await), (2, json!("bot")));
}

// Each line alone took its ten seconds, and the fifth waited too long for its turn.
#[tokio::test]
async fn a_slow_model_and_short_lines_end_in_answers() {
    let _stopped = clock::stop();
    let provider = Provider::start().await;
    let mut options = options(&provider);
    options.push(("bot.timeout", "15s"));
    let server = Server::start(&options).await;
    let mut talk = Talk::begin(&server).await;
    provider.close_gate();
    for answer in ["One.", "Two.", "Three.", "Four.", "Five."] {
        provider.will_say(answer);
    }
    let mut asking = vec![talk.ask(&server, "one")];
    provider.is_asked().await;
    for line in ["two", "three", "four", "five"] {
        asking.push(talk.ask(&server, line));
        clock::settle().await;
    }
    for _ in 0..5 {
        clock::advance(Duration::from_secs(10)).await;
        provider.let_one_out();
        clock::settle().await;
    }
    for asking in asking {
        let reply = answered(asking).await;
        assert_eq!(reply["handoff"], false, "{reply}");
    }
    assert_eq!(talk.status(&server).await, "bot");
    talk.customer.frame_of("message").await;
}

#[tokio::test]
async fn what_was_said_while_the_bot_answered_is_not_forgotten_by_a_stop() {
    let (provider, data) = (Provider::start().await, Arc::new(TempDir::new().unwrap()));
    let server = Server::on_disk(data.clone(), &options(&provider)).await;
    let mut talk = Talk::begin(&server).await;
    provider.close_gate();
    provider.will_say("First.");
    provider.will_say("Never told.");
    let first = talk.ask(&server, "one");
    provider.is_asked().await;
    talk.customer.say("two", "m-2").await;
    talk.customer.frame_of("ack").await;
    provider.let_one_out();
    answered(first).await;
    provider.is_asked().await;
    let Server { running, .. } = server;
    running.drain().await;

    let server = Server::on_disk(data, &options(&provider)).await;
    assert_eq!(talk.status(&server).await, "waiting");
    assert_eq!(roles(&talk.said(&server).await), ["customer", "customer", "bot", "bot"]);
}

#[tokio::test]
async fn what_is_given_up_at_once_is_kept_at_once() {
    const TALKS: u64 = 30;
    let (provider, data) = (Provider::start().await, Arc::new(TempDir::new().unwrap()));
    let server = Server::on_disk(data.clone(), &options(&provider)).await;
    provider.close_gate();
    let mut talks = Vec::new();
    for _ in 0..TALKS {
        let talk = Talk::begin(&server).await;
        talk.ask(&server, "Hello?");
        provider.is_asked().await;
        talks.push(talk);
    }
    let commits = || server.running.app.metrics.commits_total.get();
    // While somebody else has the file no commit ends, and whoever waited for one would be alone
    // in it.
    let db = rusqlite::Connection::open(data.path().join("switchboard.db")).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (app, before) = (server.running.app.clone(), commits());
    let giving = tokio::spawn(async move { app.settle_bot(Moment(i64::MAX)).await.unwrap() });
    clock::real_pause(Duration::from_millis(500)).await;
    db.execute_batch("ROLLBACK").unwrap();
    assert_eq!(clock::within("the end", giving).await.unwrap(), TALKS as usize);
    let commits = commits() - before;
    assert!(commits < TALKS / 2, "{commits} commits");
    let mut places = Vec::new();
    for talk in &mut talks {
        let queued = talk.customer.frame_of("conversation_queued").await;
        places.push(queued["position"].as_u64().unwrap());
    }
    places.sort_unstable();
    assert_eq!(places, (1..=TALKS).collect::<Vec<_>>(), "each behind the one before it");
}

// What is said under the bot's own id would count as its answer.
#[tokio::test]
async fn nobody_else_goes_by_the_bots_id() {
    let server = Server::start(&[("auth.open_sessions", "true")]).await;
    let id = Uuid::new_v4();
    for path in [format!("/ws/{id}/bot/customer"), format!("/ws/{id}/bot/agent")] {
        let refused = server.try_open(&path).await.map(drop).unwrap_err();
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!("invalid_id")));
        assert!(refused.body["error"].as_str().unwrap().contains("bot's own"), "{refused:?}");
    }
    for role in [Role::Customer, Role::Agent, Role::Bot] {
        let token = token(role, "bot");
        let refused = server.request("GET", &format!("/api/messages?token={token}"), "").await;
        assert_eq!(refused.status, 401, "{refused:?}");
        assert!(refused.body["error"].as_str().unwrap().contains("bot's own"), "{refused:?}");
    }
    server.open(&format!("/ws/{id}/customer_bot/customer")).await;
}

#[tokio::test]
async fn without_a_bot_the_question_is_kept_and_waits_for_a_person() {
    let server = Server::start(&[]).await;
    let talk = Talk::begin(&server).await;
    let reply = answered(talk.ask(&server, "Hello?")).await;
    assert_eq!(reply["handoff"], true);
    let told = reply["answer"].as_str().unwrap();
    assert!(told.contains("no automatic answer"), "{told}");
    assert_eq!(roles(&talk.said(&server).await), ["customer"]);
    assert_eq!(talk.status(&server).await, "waiting");
}
