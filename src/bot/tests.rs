//! The providers and the patience with them, against an HTTP server on a real socket that is slow,
//! broken, refusing, or sends its answer in odd pieces.

mod double;

use serde_json::{Value, json};
use tokio::time::advance;

use super::*;
use double::{Act, Double, body, chunked, refusal, whole};

const SECOND: Duration = Duration::from_secs(1);

fn question(text: &str) -> Question {
    let turn = |speaker, text: &str| Turn { speaker, text: text.into() };
    Question {
        tenant: TenantId::default_tenant(),
        conversation: ConversationId::random(),
        text: text.into(),
        history: vec![turn(Speaker::Customer, "Hi"), turn(Speaker::Assistant, "Hello!")],
    }
}

fn coze(double: &Double) -> Box<dyn Provider> {
    let (base_url, bot_id) = (double.url.clone(), "7340".into());
    Box::new(Coze::new(CozeSettings { base_url, api_key: "k-1".into(), bot_id }).unwrap())
}

fn openai(double: &Double) -> Box<dyn Provider> {
    let settings = OpenAiSettings {
        // An address with a slash at its end is the same address.
        base_url: format!("{}/v1/", double.url),
        api_key: String::new(),
        model: "small".into(),
        instructions: "Be brief.".into(),
    };
    Box::new(OpenAi::new(settings).unwrap())
}

fn patience() -> Patience {
    Patience { timeout: 10 * SECOND, attempts: 3, failures_max: 5, rest: 30 * SECOND }
}

fn text(text: &str) -> Result<Answer, Failure> {
    Ok(Answer::Text(text.into()))
}

fn status(status: u16) -> Failure {
    Failure::Status { status, retry_after: None }
}

/// An event of a stream as Coze writes it.
fn event(name: &str, data: &Value) -> String {
    format!("event:{name}\ndata:{data}\n\n")
}

fn coze_message(event_name: &str, kind: &str, content: &str) -> String {
    let data = json!({
        "id": "1", "role": "assistant", "type": kind, "content": content, "content_type": "text",
        "chat_id": "2", "conversation_id": "3", "bot_id": "7340",
    });
    event(&format!("conversation.message.{event_name}"), &data)
}

fn coze_completed() -> String {
    let data = json!({"id": "2", "status": "completed", "last_error": {"code": 0, "msg": ""}});
    event("conversation.chat.completed", &data) + "event:done\ndata:\"[DONE]\"\n\n"
}

fn coze_stream() -> String {
    event("conversation.chat.created", &json!({"id": "2", "status": "created"}))
        + &coze_message("delta", "answer", "Buka ")
        + &coze_message("delta", "answer", "pukul 9 — sampai jumpa 👋🏽")
        + &coze_message("completed", "answer", "Buka pukul 9 — sampai jumpa 👋🏽")
        + &coze_message("completed", "verbose", "{\"msg_type\":\"generate_answer_finish\"}")
        + &coze_message("completed", "follow_up", "Anything else?")
        + &coze_completed()
}

fn openai_piece(content: Option<&str>, finish_reason: Option<&str>) -> String {
    let delta = content.map_or(json!({}), |content| json!({"content": content}));
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish_reason});
    format!("data: {}\n\n", json!({"id": "c", "choices": [choice]}))
}

fn openai_stream() -> String {
    let usage = format!("data: {}\n\n", json!({"id": "c", "choices": [], "usage": {}}));
    openai_piece(Some(""), None)
        + &openai_piece(Some("Nous sommes ouverts à "), None)
        + &openai_piece(Some("neuf heures 🕘"), None)
        + &openai_piece(None, Some("stop"))
        + &usage
        + "data: [DONE]\n\n"
}

#[tokio::test]
async fn an_answer_in_pieces_of_any_size_is_one_answer() {
    let double = Double::start().await;
    let (coze, openai) = (coze(&double), openai(&double));
    for size in [1, 2, 3, 7, 100_000] {
        double.will(chunked("text/event-stream", &coze_stream(), size));
        let answer = coze.answer(&question("Jam berapa buka?")).await;
        assert_eq!(answer, text("Buka pukul 9 — sampai jumpa 👋🏽"), "{size}");
        double.will(chunked("text/event-stream; charset=utf-8", &openai_stream(), size));
        let answer = openai.answer(&question("Ouvert?")).await;
        assert_eq!(answer, text("Nous sommes ouverts à neuf heures 🕘"), "{size}");
    }
}

#[tokio::test]
async fn coze_is_told_the_conversation_and_nothing_else() {
    let double = Double::start().await;
    double.will(chunked("text/event-stream", &coze_stream(), 64));
    let question = question("Jam berapa buka?");
    coze(&double).answer(&question).await.unwrap();
    let asked = double.asked(0);
    assert!(asked.head.starts_with("post /v3/chat http/1.1"), "{}", asked.head);
    assert!(asked.head.contains("authorization: bearer k-1"), "{}", asked.head);
    let said = |role: &str, kind: &str, content: &str| json!({"role": role, "type": kind, "content": content, "content_type": "text"});
    let expected = json!({
        "bot_id": "7340", "user_id": question.conversation.to_string(), "stream": true,
        "auto_save_history": false,
        "additional_messages": [
            said("user", "question", "Hi"), said("assistant", "answer", "Hello!"),
            said("user", "question", "Jam berapa buka?"),
        ],
    });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn an_endpoint_is_told_its_instructions_and_the_conversation() {
    let double = Double::start().await;
    double.will(chunked("text/event-stream", &openai_stream(), 64));
    openai(&double).answer(&question("Ouvert?")).await.unwrap();
    let asked = double.asked(0);
    assert!(asked.head.starts_with("post /v1/chat/completions http/1.1"), "{}", asked.head);
    assert!(!asked.head.contains("authorization"), "no key is none");
    let said = |role: &str, content: &str| json!({"role": role, "content": content});
    let messages = [
        said("system", "Be brief."),
        said("user", "Hi"),
        said("assistant", "Hello!"),
        said("user", "Ouvert?"),
    ];
    assert_eq!(asked.body, json!({"model": "small", "stream": true, "messages": messages}));
}

#[tokio::test]
async fn coze_may_say_several_things_or_nothing() {
    let double = Double::start().await;
    let coze = coze(&double);
    let two = coze_message("completed", "answer", "One.")
        + &coze_message("delta", "answer", "Tw")
        + &coze_message("completed", "answer", "Two.")
        + &coze_completed();
    let unfinished = coze_message("delta", "answer", "Only pieces.") + &coze_completed();
    let nothing = coze_message("completed", "answer", "  ") + &coze_completed();
    for (stream, expected) in [
        (two, text("One.\n\nTwo.")),
        (unfinished, text("Only pieces.")),
        (nothing, Ok(Answer::Unsure)),
    ] {
        double.will(whole(200, "text/event-stream", &stream));
        assert_eq!(coze.answer(&question("?")).await, expected);
    }
}

#[tokio::test]
async fn coze_refuses_and_fails_with_codes_of_its_own() {
    let double = Double::start().await;
    let coze = coze(&double);
    let failed = json!({"id": "2", "status": "failed", "last_error": {"code": 718, "msg": "x"}});
    let stream = |name: &str, data: &Value| {
        whole(
            200,
            "text/event-stream",
            &(coze_message("delta", "answer", "x") + &event(name, data)),
        )
    };
    for (answer, code) in [
        (whole(200, "application/json", r#"{"code":4100,"msg":"no"}"#), 4100),
        (stream("error", &json!({"code": 5000, "msg": "x"})), 5000),
        (stream("conversation.chat.failed", &failed), 718),
        (stream("conversation.chat.failed", &json!({"last_error": null})), 0),
    ] {
        double.will(answer);
        assert_eq!(coze.answer(&question("?")).await, Err(Failure::Refused(code)));
    }
    double.will(stream("conversation.chat.requires_action", &json!({})));
    let wants_a_tool = coze.answer(&question("?")).await;
    assert!(matches!(wants_a_tool, Err(Failure::Unreadable(_))), "{wants_a_tool:?}");
    double.will(stream("done", &json!("[DONE]")));
    assert_eq!(coze.answer(&question("?")).await, Err(Failure::BrokenOff));
}

#[tokio::test]
async fn an_endpoint_may_answer_as_a_whole() {
    let double = Double::start().await;
    let openai = openai(&double);
    let completion = |content: Value, reason: &str| {
        let message = json!({"role": "assistant", "content": content});
        let choice = json!({"index": 0, "message": message, "finish_reason": reason});
        whole(200, "application/json", &json!({"choices": [choice]}).to_string())
    };
    for (answer, expected) in [
        (completion(json!("Yes."), "stop"), text("Yes.")),
        (completion(json!("Cut at its length"), "length"), text("Cut at its length")),
        (completion(json!(null), "stop"), Ok(Answer::Unsure)),
        (completion(json!("Something"), "content_filter"), Ok(Answer::Unsure)),
        (whole(200, "application/json", "{}"), Err(Failure::BrokenOff)),
        // Not every endpoint says why the model stopped.
        (
            whole(200, "application/json", r#"{"choices":[{"message":{"content":"Yes."}}]}"#),
            text("Yes."),
        ),
    ] {
        double.will(answer);
        assert_eq!(openai.answer(&question("?")).await, expected);
    }
    double.will(whole(200, "text/html", "<html>Sign in</html>"));
    let page = openai.answer(&question("?")).await;
    assert!(matches!(page, Err(Failure::Unreadable(_))), "{page:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    let double = Double::start().await;
    let (coze, openai) = (coze(&double), openai(&double));
    for stream in [
        openai_piece(Some("The beginning of"), None),
        openai_piece(Some("The beginning of"), None) + "data: {\"choices\": [{\"del",
    ] {
        let mut acts = chunked("text/event-stream", &stream, 9);
        *acts.last_mut().unwrap() = Act::Cut;
        double.will(acts);
        assert_eq!(openai.answer(&question("?")).await, Err(Failure::BrokenOff));
        // Ended politely, but before its own end.
        double.will(chunked("text/event-stream", &stream, 9));
        assert_eq!(openai.answer(&question("?")).await, Err(Failure::BrokenOff));
    }
    let begun = coze_message("delta", "answer", "The beginning of");
    let mut acts = chunked("text/event-stream", &begun, 9);
    *acts.last_mut().unwrap() = Act::Cut;
    double.will(acts);
    assert_eq!(coze.answer(&question("?")).await, Err(Failure::BrokenOff));
    double.will(vec![Act::Cut]);
    assert_eq!(coze.answer(&question("?")).await, Err(Failure::BrokenOff), "no answer at all");
}

#[tokio::test]
async fn what_is_not_its_format_is_refused() {
    let double = Double::start().await;
    for (provider, stream) in [
        (coze(&double), "event:conversation.message.delta\ndata:{\"type\":7}\n\n".to_owned()),
        (coze(&double), "event:conversation.chat.failed\ndata:oops\n\n".to_owned()),
        (openai(&double), "data: {\"choices\": \"none\"}\n\n".to_owned()),
        (openai(&double), "data: not json\n\n".to_owned()),
    ] {
        double.will(whole(200, "text/event-stream", &stream));
        let answer = provider.answer(&question("?")).await;
        assert!(matches!(answer, Err(Failure::Unreadable(_))), "{stream}: {answer:?}");
    }
    double.will(vec![Act::Say(body(200, "text/event-stream", b"data: \xff\xfe\n\n"))]);
    let answer = openai(&double).answer(&question("?")).await;
    assert!(matches!(answer, Err(Failure::Unreadable(_))), "{answer:?}");
}

#[tokio::test]
async fn an_endless_answer_is_not_kept() {
    use crate::limits::BOT_REPLY_BYTES_MAX;
    let double = Double::start().await;
    let filler = openai_piece(Some(&"x".repeat(64 * 1024)), None);
    let acts = chunked("text/event-stream", &filler.repeat(20), 64 * 1024);
    double.will(acts);
    let answer = openai(&double).answer(&question("?")).await;
    assert_eq!(answer, Err(Failure::TooLarge(BOT_REPLY_BYTES_MAX)));
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_key() {
    let double = Double::start().await;
    double.will(refusal(302, &[("Location", "/elsewhere")]));
    assert_eq!(coze(&double).answer(&question("?")).await, Err(status(302)));
    assert_eq!(double.hits(), 1);
}

/// Asks with time that stands still but for small steps, which leave real sockets time to work;
/// returns how long it took by that clock.
async fn ask(bot: &Bot) -> (Result<Answer, Failure>, Duration) {
    const STEP: Duration = Duration::from_millis(20);
    let start = Instant::now();
    let question = question("?");
    let mut asking = std::pin::pin!(bot.answer(&question));
    loop {
        let pause = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(2)));
        tokio::select! {
            biased;
            answer = &mut asking => return (answer, start.elapsed()),
            _ = pause => advance(STEP).await,
        }
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_given_up_in_time() {
    let double = Double::start().await;
    let _stopped = double::stop_time();
    let bot = Bot::new(coze(&double), patience());
    for acts in [
        // Neither a head nor anything else; then a beginning and no end.
        vec![Act::Hang],
        {
            let mut acts = chunked("text/event-stream", &coze_stream(), 100);
            acts.truncate(3);
            acts.push(Act::Hang);
            acts
        },
    ] {
        double.will(acts);
        let (answer, took) = ask(&bot).await;
        assert_eq!(answer, Err(Failure::TooSlow(10 * SECOND)));
        assert!((10 * SECOND..11 * SECOND).contains(&took), "{took:?}");
    }
    assert_eq!(double.hits(), 2, "slow is not tried again");
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    let double = Double::start().await;
    let _stopped = double::stop_time();
    let bot = Bot::new(openai(&double), patience());
    double.will(refusal(500, &[]));
    double.will(refusal(503, &[]));
    double.will(chunked("text/event-stream", &openai_stream(), 50));
    let (answer, took) = ask(&bot).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert!(took >= Duration::from_millis(600), "pauses of at least 200 and 400 ms: {took:?}");
    for lasting in [400, 401, 403, 404, 422] {
        let before = double.hits();
        double.will(refusal(lasting, &[]));
        assert_eq!(ask(&bot).await.0, Err(status(lasting)));
        assert_eq!(double.hits(), before + 1, "{lasting} is not tried again");
        double.will(chunked("text/event-stream", &openai_stream(), 50));
        assert!(ask(&bot).await.0.is_ok(), "one refusal opens no breaker");
    }
}

#[tokio::test]
async fn the_wait_a_provider_asks_for_is_kept() {
    let double = Double::start().await;
    let _stopped = double::stop_time();
    let bot = Bot::new(openai(&double), patience());
    double.will(refusal(429, &[("Retry-After", "4")]));
    double.will(chunked("text/event-stream", &openai_stream(), 50));
    let (answer, took) = ask(&bot).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert!((4 * SECOND..5 * SECOND).contains(&took), "{took:?}");
    // Longer than anybody waits here: given up at once.
    double.will(refusal(429, &[("Retry-After", "60")]));
    let (answer, took) = ask(&bot).await;
    let retry_after = Some(60 * SECOND);
    assert_eq!(answer, Err(Failure::Status { status: 429, retry_after }));
    assert!(took < SECOND, "{took:?}");
}

#[tokio::test]
async fn a_provider_nobody_can_reach_is_tried_again_and_named() {
    let double = Double::start().await;
    let _stopped = double::stop_time();
    let bot = Bot::new(openai(&double), patience());
    double.stop_listening().await;
    let (answer, took) = ask(&bot).await;
    assert!(matches!(answer, Err(Failure::Unreachable(_))), "{answer:?}");
    assert!(took >= Duration::from_millis(600), "{took:?}");
}

#[tokio::test]
async fn the_breaker_opens_lets_one_through_and_recovers() {
    let double = Double::start().await;
    let _stopped = double::stop_time();
    let bot = Bot::new(openai(&double), Patience { attempts: 1, ..patience() });
    for _ in 0..5 {
        double.will(refusal(503, &[]));
        assert_eq!(ask(&bot).await.0, Err(status(503)));
    }
    assert_eq!(bot.breaker(), BreakerState::Open);
    let (answer, took) = ask(&bot).await;
    assert_eq!(answer, Err(Failure::Resting));
    assert!(took < SECOND && double.hits() == 5, "nobody waits, nobody is asked");
    // Its rest over, one is let through, and fails; the next rest begins.
    advance(30 * SECOND).await;
    double.will(refusal(503, &[]));
    assert_eq!(ask(&bot).await.0, Err(status(503)));
    assert_eq!(ask(&bot).await.0, Err(Failure::Resting));
    // The next one decides otherwise. While it is under way nobody else is let through.
    advance(30 * SECOND).await;
    let gate = double.will_wait(chunked("text/event-stream", &openai_stream(), 50));
    let probing = tokio::spawn({
        let bot = bot.clone();
        async move { bot.answer(&question("?")).await }
    });
    double.until_hits(7).await;
    assert_eq!(bot.breaker(), BreakerState::HalfOpen);
    assert_eq!(ask(&bot).await.0, Err(Failure::Resting));
    gate.open();
    assert!(probing.await.unwrap().is_ok());
    assert_eq!(bot.breaker(), BreakerState::Closed);
    double.will(chunked("text/event-stream", &openai_stream(), 50));
    assert!(ask(&bot).await.0.is_ok());
}

#[tokio::test]
async fn questions_a_provider_refuses_take_it_from_nobody() {
    let double = Double::start().await;
    let patience = Patience { attempts: 1, failures_max: 2, ..patience() };
    let asked_of = |provider, acts: fn() -> Vec<Act>| {
        let bot = Bot::new(provider, patience);
        let double = &double;
        async move {
            for _ in 0..3 {
                if bot.breaker() == BreakerState::Closed {
                    double.will(acts());
                }
                assert!(bot.answer(&question("?")).await.is_err());
            }
            bot.breaker()
        }
    };
    for refused in [
        || refusal(400, &[]),
        || refusal(413, &[]),
        || refusal(422, &[]),
        || whole(200, "text/html", "<html>Blocked</html>"),
    ] {
        assert_eq!(asked_of(openai(&double), refused).await, BreakerState::Closed);
    }
    let sensitive = || whole(200, "application/json", r#"{"code":4015,"msg":"no"}"#);
    assert_eq!(asked_of(coze(&double), sensitive).await, BreakerState::Closed);
    for failed in [
        || refusal(401, &[]),
        || refusal(403, &[]),
        || refusal(429, &[]),
        || refusal(502, &[]),
        || vec![Act::Cut],
    ] {
        assert_eq!(asked_of(openai(&double), failed).await, BreakerState::Open);
    }
}

#[tokio::test]
async fn an_address_or_a_key_that_cannot_be_used_is_refused_at_the_start() {
    let settings = |base_url: &str, api_key: &str| CozeSettings {
        base_url: base_url.into(),
        api_key: api_key.into(),
        bot_id: "1".into(),
    };
    let refused = |base_url, key| Coze::new(settings(base_url, key)).err().unwrap().to_string();
    assert!(refused("not an address", "k").contains("address"));
    let key = refused("http://localhost", "line\nbreak");
    assert!(key.contains("key") && !key.contains("line"), "{key}");
}
