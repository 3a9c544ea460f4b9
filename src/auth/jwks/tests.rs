//! A key set on a real socket, which can be slow, broken, hostile and rotated.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use futures_util::FutureExt;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::super::testing::{NOW, Signer, claims, ec, ed, hmac, rsa, settings};
use super::super::{Claims, Tokens};
use super::*;

#[derive(Clone)]
enum Answer {
    Keys(Value),
    Text(String),
    Status(u16),
    Redirect(&'static str),
    Never,
}

/// An issuer's endpoint.
struct Issuer {
    answer: Mutex<Answer>,
    hits: AtomicUsize,
    /// Holds answers back while it has no permits.
    gate: Semaphore,
}

impl Issuer {
    async fn start(keys: &[(&str, &Signer)]) -> (Arc<Issuer>, Tokens) {
        let (issuer, settings) = Issuer::listen(keys).await;
        (issuer, Tokens::new(settings).unwrap())
    }

    async fn listen(keys: &[(&str, &Signer)]) -> (Arc<Issuer>, Settings) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let gate = Semaphore::new(Semaphore::MAX_PERMITS);
        let answer = Mutex::new(Answer::Never);
        let issuer = Arc::new(Issuer { answer, hits: 0.into(), gate });
        issuer.publish(keys);
        let app = Router::new()
            .route("/keys", get(serve))
            .route("/elsewhere", get(async || r#"{"keys":[]}"#))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (issuer, Settings { jwks_url: Some(url), ..settings() })
    }

    fn publish(&self, keys: &[(&str, &Signer)]) {
        let keys: Vec<_> = keys.iter().map(|(kid, signer)| signer.jwk(kid)).collect();
        self.set(Answer::Keys(json!({ "keys": keys })));
    }

    fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    /// Lets no answer out until [`Self::open_gate`].
    fn close_gate(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn open_gate(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    async fn until_hits(&self, hits: usize) {
        while self.hits() < hits {
            tokio::task::yield_now().await;
        }
    }
}

async fn serve(Shared(issuer): Shared<Arc<Issuer>>) -> Response {
    issuer.hits.fetch_add(1, Ordering::SeqCst);
    let _pass = issuer.gate.acquire().await.unwrap();
    let answer = issuer.answer.lock().unwrap().clone();
    match answer {
        Answer::Keys(keys) => axum::Json(keys).into_response(),
        Answer::Text(text) => text.into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Redirect(target) => Redirect::temporary(target).into_response(),
        Answer::Never => std::future::pending().await,
    }
}

/// Moves the clock without letting it run: sockets and paused time do not go together.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

async fn verify(tokens: &Tokens, signer: &Signer, kid: &str) -> Result<Claims, TokenError> {
    tokens.verify(&signer.sign(&claims(), Some(kid)), NOW).await
}

fn refresh() -> Duration {
    settings().jwks_refresh
}

#[tokio::test]
async fn one_fetch_serves_every_algorithm_until_the_set_is_old() {
    let (issuer, tokens) = Issuer::start(&[("r", rsa()), ("e", ec()), ("d", ed())]).await;
    for (signer, kid) in [(rsa(), "r"), (ec(), "e"), (ed(), "d"), (rsa(), "r")] {
        let told = verify(&tokens, signer, kid).await;
        assert!(told.is_ok(), "{kid}: {told:?}");
    }
    assert_eq!(issuer.hits(), 1);
    pass(refresh() - Duration::from_secs(1)).await;
    verify(&tokens, ec(), "e").await.unwrap();
    assert_eq!(issuer.hits(), 1);
    pass(Duration::from_secs(1)).await;
    verify(&tokens, ec(), "e").await.unwrap();
    assert_eq!(issuer.hits(), 2);
}

#[tokio::test]
async fn our_own_tokens_never_ask_the_issuer() {
    let (issuer, tokens) = Issuer::start(&[("r", rsa())]).await;
    let own = hmac(Algorithm::HS256, settings().secret.as_bytes(), &claims());
    assert!(tokens.verify(&own, NOW).await.is_ok());
    let forged = hmac(Algorithm::HS256, rsa().public_pem().as_bytes(), &claims());
    assert_eq!(tokens.verify(&forged, NOW).await, Err(TokenError::BadSignature));
    assert_eq!(issuer.hits(), 0);
}

#[tokio::test]
async fn a_key_answers_only_for_its_own_kid_and_algorithm() {
    let (_issuer, tokens) = Issuer::start(&[("r", rsa()), ("e", ec())]).await;
    assert_eq!(verify(&tokens, rsa(), "e").await, Err(TokenError::UnknownKey));
    assert_eq!(verify(&tokens, ed(), "e").await, Err(TokenError::UnknownKey));
    assert_eq!(verify(&tokens, rsa(), "R").await, Err(TokenError::UnknownKey));
    let stranger = Signer::new(Algorithm::ES256);
    assert_eq!(verify(&tokens, &stranger, "e").await, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn a_token_without_a_kid_needs_the_only_key_of_its_algorithm() {
    let another = Signer::new(Algorithm::ES256);
    let keys = [("r", rsa()), ("e1", ec()), ("e2", &another)];
    let (_issuer, tokens) = Issuer::start(&keys).await;
    assert!(tokens.verify(&rsa().sign(&claims(), None), NOW).await.is_ok());
    let refused = tokens.verify(&ec().sign(&claims(), None), NOW).await;
    assert_eq!(refused, Err(TokenError::AmbiguousKey));
    let refused = tokens.verify(&ed().sign(&claims(), None), NOW).await;
    assert_eq!(refused, Err(TokenError::UnknownKey));
}

#[tokio::test]
async fn a_rotated_key_is_known_at_once_and_the_old_one_is_gone() {
    let (issuer, tokens) = Issuer::start(&[("old", ec())]).await;
    verify(&tokens, ec(), "old").await.unwrap();
    let next = Signer::new(Algorithm::ES256);
    issuer.publish(&[("new", &next)]);
    pass(JWKS_RETRY_MIN).await;
    assert!(verify(&tokens, &next, "new").await.is_ok());
    assert_eq!(verify(&tokens, ec(), "old").await, Err(TokenError::UnknownKey));
    assert_eq!(issuer.hits(), 2);
}

#[tokio::test]
async fn a_key_taken_from_the_set_ends_with_the_next_refresh() {
    let (issuer, tokens) = Issuer::start(&[("k", ec())]).await;
    verify(&tokens, ec(), "k").await.unwrap();
    issuer.publish(&[]);
    assert!(verify(&tokens, ec(), "k").await.is_ok());
    pass(refresh()).await;
    assert_eq!(verify(&tokens, ec(), "k").await, Err(TokenError::UnknownKey));
}

#[tokio::test]
async fn invented_kids_do_not_flood_the_issuer() {
    let (issuer, tokens) = Issuer::start(&[("k", ec())]).await;
    for n in 0..50 {
        let refused = verify(&tokens, ec(), &format!("invented-{n}")).await;
        assert_eq!(refused, Err(TokenError::UnknownKey));
    }
    assert_eq!(issuer.hits(), 1);
    pass(JWKS_RETRY_MIN).await;
    let _ = verify(&tokens, ec(), "invented").await;
    let _ = verify(&tokens, ec(), "invented").await;
    assert_eq!(issuer.hits(), 2);
}

#[tokio::test]
async fn many_who_need_the_set_at_once_share_one_fetch() {
    let (issuer, tokens) = Issuer::start(&[("k", ec())]).await;
    issuer.close_gate();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let tokens = tokens.clone();
            tokio::spawn(async move { verify(&tokens, ec(), "k").await })
        })
        .collect();
    issuer.until_hits(1).await;
    issuer.open_gate();
    for one in waiting {
        assert!(one.await.unwrap().is_ok());
    }
    assert_eq!(issuer.hits(), 1);
}

#[tokio::test]
async fn whoever_leaves_does_not_end_the_fetch_for_the_others() {
    let (issuer, tokens) = Issuer::start(&[("k", ec())]).await;
    issuer.close_gate();
    let impatient = tokio::spawn({
        let tokens = tokens.clone();
        async move { verify(&tokens, ec(), "k").await }
    });
    issuer.until_hits(1).await;
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    issuer.open_gate();
    assert!(verify(&tokens, ec(), "k").await.is_ok());
    assert_eq!(issuer.hits(), 1);
}

#[tokio::test]
async fn old_keys_serve_on_while_the_endpoint_is_down() {
    let (issuer, tokens) = Issuer::start(&[("k", ec())]).await;
    verify(&tokens, ec(), "k").await.unwrap();
    issuer.set(Answer::Status(503));
    pass(refresh()).await;
    for _ in 0..5 {
        assert!(verify(&tokens, ec(), "k").await.is_ok());
    }
    assert_eq!(issuer.hits(), 2, "a failed fetch is not repeated at once");
    let refused = verify(&tokens, ec(), "new").await;
    assert_eq!(refused, Err(TokenError::KeysUnavailable), "it may be in the unread set");
}

#[tokio::test]
async fn whoever_holds_an_old_key_does_not_wait_for_an_endpoint_that_failed_before() {
    let (issuer, tokens) = Issuer::start(&[("k", ec())]).await;
    verify(&tokens, ec(), "k").await.unwrap();
    issuer.set(Answer::Status(503));
    pass(refresh()).await;
    verify(&tokens, ec(), "k").await.unwrap();
    issuer.close_gate();
    pass(JWKS_RETRY_MIN).await;
    let told = verify(&tokens, ec(), "k").now_or_never();
    assert!(matches!(told, Some(Ok(_))), "the gate is still closed: {told:?}");
    issuer.until_hits(3).await;
}

#[tokio::test]
async fn an_endpoint_that_comes_back_is_heard_again() {
    let (issuer, tokens) = Issuer::start(&[]).await;
    issuer.set(Answer::Status(500));
    assert_eq!(verify(&tokens, ec(), "k").await, Err(TokenError::KeysUnavailable));
    issuer.publish(&[("k", ec())]);
    assert_eq!(verify(&tokens, ec(), "k").await, Err(TokenError::KeysUnavailable));
    pass(JWKS_RETRY_MIN).await;
    assert!(verify(&tokens, ec(), "k").await.is_ok());
}

#[tokio::test]
async fn answers_that_are_no_key_set_leave_the_old_keys_alone() {
    let huge = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(JWKS_BYTES_MAX));
    let answers = [
        Answer::Text("<html>".into()),
        Answer::Text("[]".into()),
        Answer::Text(r#"{"keys":{}}"#.into()),
        Answer::Text(huge),
        Answer::Redirect("/elsewhere"),
        Answer::Status(404),
    ];
    let (issuer, tokens) = Issuer::start(&[("k", ec())]).await;
    verify(&tokens, ec(), "k").await.unwrap();
    for (n, answer) in answers.into_iter().enumerate() {
        issuer.set(answer);
        pass(refresh()).await;
        assert_eq!(verify(&tokens, ec(), "x").await, Err(TokenError::KeysUnavailable), "{n}");
        assert_eq!(issuer.hits(), n + 2);
        assert!(verify(&tokens, ec(), "k").await.is_ok(), "{n}");
    }
}

#[tokio::test]
async fn a_silent_endpoint_is_given_up_at_the_deadline() {
    let (issuer, tokens) = Issuer::start(&[]).await;
    issuer.set(Answer::Never);
    let token = ec().sign(&claims(), Some("k"));
    // Nothing will come over the socket, so here the clock may run ahead of it.
    tokio::time::pause();
    let start = Instant::now();
    assert_eq!(tokens.verify(&token, NOW).await, Err(TokenError::KeysUnavailable));
    assert_eq!(start.elapsed().as_secs(), settings().jwks_timeout.as_secs());
}

#[tokio::test]
async fn a_closed_port_is_a_failure_like_any_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    drop(listener);
    let tokens = Tokens::new(Settings { jwks_url: Some(url), ..settings() }).unwrap();
    assert_eq!(verify(&tokens, ec(), "k").await, Err(TokenError::KeysUnavailable));
}

#[tokio::test]
async fn the_key_at_hand_serves_without_the_endpoint_and_the_endpoint_beside_it() {
    let distant = Signer::new(Algorithm::ES256);
    let (issuer, settings) = Issuer::listen(&[("far", &distant)]).await;
    let public_key_pem = Some(ec().public_pem().into_bytes());
    let tokens = Tokens::new(Settings { public_key_pem, ..settings }).unwrap();
    assert!(verify(&tokens, ec(), "near").await.is_ok());
    assert_eq!(issuer.hits(), 0);
    assert!(verify(&tokens, &distant, "far").await.is_ok());
}

#[test]
fn keys_nobody_understands_are_passed_over() {
    let known = serde_json::to_value(ec().jwk("k")).unwrap();
    let set = json!({"keys": [
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "a"},
        {"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "b"},
        {"kty": "oct", "k": "AA", "kid": "c"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
        {"kid": 5}, "text", null, known,
    ]});
    let keys = parse_set(set.to_string().as_bytes()).unwrap();
    let kids: Vec<_> = keys.iter().map(|k| k.kid.as_deref()).collect();
    assert_eq!(kids, [Some("k")]);
}

#[test]
fn a_failure_is_news_only_when_it_changes() {
    let mut state = State::default();
    assert_eq!(state.settle(Ok(vec![])), None);
    let down = || Failure::Status(503);
    assert_eq!(state.settle(Err(down())), Some(Some(down())));
    assert_eq!(state.settle(Err(down())), None);
    assert_eq!(state.settle(Err(Failure::NotAKeySet)), Some(Some(Failure::NotAKeySet)));
    assert_eq!(state.settle(Ok(vec![])), Some(None));
    assert_eq!(state.settle(Ok(vec![])), None);
}
