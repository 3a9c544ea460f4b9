//! The token matrix: every algorithm, every way in which a token can be wrong.

use serde_json::json;

use super::super::testing::{NOW, SECRET, Signer, base64url, claims, ec, ed, hmac, rsa, settings};
use super::*;

fn with_secret() -> Tokens {
    Tokens::new(settings()).unwrap()
}

fn with_pem(signer: &Signer) -> Tokens {
    let pem = signer.public_pem().into_bytes();
    Tokens::new(Settings { public_key_pem: Some(pem), ..settings() }).unwrap()
}

fn hs256(claims: &Value) -> String {
    hmac(Algorithm::HS256, SECRET.as_bytes(), claims)
}

async fn verify_claims(claims: Value) -> Result<Claims, TokenError> {
    with_secret().verify(&hs256(&claims), NOW).await
}

/// The token with one claim set, or taken away by `null`.
fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn unsigned(header: &str) -> String {
    format!("{}.{}.", base64url(header), base64url(&claims().to_string()))
}

#[tokio::test]
async fn what_we_sign_we_believe() {
    let claims = Claims {
        sub: "u1".into(),
        tenant: "acme".into(),
        role: Role::Customer,
        name: Some("Ana".into()),
        email: Some("ana@example.org".into()),
        departments: vec!["d1".into(), "d2".into()],
        conversations: vec!["c1".into()],
        exp: NOW + 60,
        iat: Some(NOW),
    };
    let tokens = with_secret();
    let token = tokens.sign(&claims).unwrap();
    assert_eq!(tokens.clone().verify(&token, NOW).await, Ok(claims));
}

#[tokio::test]
async fn each_public_key_algorithm_is_believed_with_its_own_key() {
    for signer in [rsa(), ec(), ed()] {
        let tokens = with_pem(signer);
        let told = tokens.verify(&signer.sign(&claims(), None), NOW).await.unwrap();
        assert_eq!((told.sub.as_str(), told.tenant.as_str()), ("u1", "default"));
        let told = tokens.verify(&signer.sign(&claims(), Some("any kid")), NOW).await;
        assert!(told.is_ok(), "{told:?}");
        let own = tokens.verify(&hs256(&claims()), NOW).await;
        assert!(own.is_ok(), "our own tokens go on beside it: {own:?}");
    }
}

#[tokio::test]
async fn a_public_key_of_another_type_is_not_asked() {
    for (configured, signer) in [(rsa(), ec()), (ec(), ed()), (ed(), rsa())] {
        let token = signer.sign(&claims(), None);
        let refused = with_pem(configured).verify(&token, NOW).await;
        assert_eq!(refused, Err(TokenError::UnknownKey));
        assert_eq!(with_secret().verify(&token, NOW).await, Err(TokenError::UnknownKey));
    }
}

#[tokio::test]
async fn a_key_of_the_right_type_but_another_owner_does_not_fit() {
    for configured in [rsa(), ec(), ed()] {
        let token = Signer::new(configured.algorithm).sign(&claims(), None);
        let refused = with_pem(configured).verify(&token, NOW).await;
        assert_eq!(refused, Err(TokenError::BadSignature));
    }
}

#[tokio::test]
async fn a_published_key_used_as_a_shared_secret_is_refused() {
    for signer in [rsa(), ec(), ed()] {
        let tokens = with_pem(signer);
        let pem = signer.public_pem();
        for secret in [pem.as_str(), pem.trim_end(), &pem.replace('\n', "\r\n")] {
            let forged = hmac(Algorithm::HS256, secret.as_bytes(), &claims());
            assert_eq!(tokens.verify(&forged, NOW).await, Err(TokenError::BadSignature));
        }
    }
}

#[tokio::test]
async fn a_token_cannot_turn_the_shared_secret_into_a_public_key() {
    let token = hs256(&claims());
    let (_, rest) = token.split_once('.').unwrap();
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let header = base64url(&format!(r#"{{"alg":"{algorithm}"}}"#));
        let refused = with_secret().verify(&format!("{header}.{rest}"), NOW).await;
        assert_eq!(refused, Err(TokenError::UnknownKey));
    }
}

#[tokio::test]
async fn an_unsigned_token_is_refused_however_it_spells_none() {
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256 "] {
        let token = unsigned(&format!(r#"{{"alg":"{alg}"}}"#));
        let refused = with_secret().verify(&token, NOW).await;
        assert_eq!(refused, Err(TokenError::UnknownAlgorithm), "{alg:?}");
    }
    let refused = with_secret().verify(&unsigned(r#"{"typ":"JWT"}"#), NOW).await;
    assert_eq!(refused, Err(TokenError::UnknownAlgorithm));
    let refused = with_secret().verify(&unsigned(r#"{"alg":"HS256"}"#), NOW).await;
    assert_eq!(refused, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn a_good_signature_by_an_algorithm_not_on_the_list_is_refused() {
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = hmac(algorithm, SECRET.as_bytes(), &claims());
        assert_eq!(with_secret().verify(&token, NOW).await, Err(TokenError::UnknownAlgorithm));
    }
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let token = rsa().sign_with(&Header::new(algorithm), &claims());
        assert_eq!(with_pem(rsa()).verify(&token, NOW).await, Err(TokenError::UnknownAlgorithm));
    }
}

#[tokio::test]
async fn another_secret_does_not_fit() {
    let token = hmac(Algorithm::HS256, b"another secret of more than 32 bytes!", &claims());
    assert_eq!(with_secret().verify(&token, NOW).await, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn a_signature_belongs_to_one_token_only() {
    let (one, two) = (hs256(&claims()), hs256(&claims_with("role", json!("admin"))));
    let (_, signature) = one.rsplit_once('.').unwrap();
    let (signed, _) = two.rsplit_once('.').unwrap();
    let refused = with_secret().verify(&format!("{signed}.{signature}"), NOW).await;
    assert_eq!(refused, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn a_token_ends_at_its_exp_plus_the_leeway() {
    let (tokens, token) = (with_secret(), hs256(&claims_with("exp", json!(NOW))));
    for good in [0, NOW - 1, NOW, NOW + LEEWAY_S - 1] {
        assert!(tokens.verify(&token, good).await.is_ok(), "{good}");
    }
    for late in [NOW + LEEWAY_S, NOW + 3600, i64::MAX] {
        assert_eq!(tokens.verify(&token, late).await, Err(TokenError::Expired), "{late}");
    }
}

#[tokio::test]
async fn a_token_begins_at_its_nbf_less_the_leeway() {
    let (tokens, token) = (with_secret(), hs256(&claims_with("nbf", json!(NOW))));
    assert_eq!(tokens.verify(&token, NOW - LEEWAY_S - 1).await, Err(TokenError::NotYetValid));
    assert_eq!(tokens.verify(&token, i64::MIN).await, Err(TokenError::NotYetValid));
    assert!(tokens.verify(&token, NOW - LEEWAY_S).await.is_ok());
}

#[tokio::test]
async fn a_token_without_an_end_is_refused() {
    assert_eq!(verify_claims(claims_with("exp", json!(null))).await, Err(TokenError::NoExpiry));
    let bare = json!({"sub": "u1", "role": "agent"});
    assert_eq!(verify_claims(bare).await, Err(TokenError::NoExpiry));
}

#[tokio::test]
async fn times_may_have_fractions_and_any_size() {
    let told = verify_claims(claims_with("exp", json!(NOW as f64 + 60.9))).await.unwrap();
    assert_eq!(told.exp, NOW + 60);
    for endless in [json!(i64::MAX), json!(u64::MAX), json!(1e300)] {
        assert_eq!(verify_claims(claims_with("exp", endless)).await.unwrap().exp, i64::MAX);
    }
    let refused = verify_claims(claims_with("exp", json!(-1e300))).await;
    assert_eq!(refused, Err(TokenError::Expired));
}

#[tokio::test]
async fn an_unknown_role_is_refused() {
    for role in [json!("root"), json!("Admin"), json!(""), json!(["admin"]), json!(null)] {
        let refused = verify_claims(claims_with("role", role.clone())).await;
        assert_eq!(refused, Err(TokenError::UnknownRole), "{role}");
    }
}

#[tokio::test]
async fn a_claim_of_the_wrong_type_is_named() {
    let wrong = [
        ("sub", json!(7)),
        ("sub", json!(null)),
        ("sub", json!("")),
        ("exp", json!("tomorrow")),
        ("nbf", json!({})),
        ("iat", json!("now")),
        ("tenant", json!(["acme"])),
        ("name", json!(1)),
        ("email", json!(true)),
        ("departments", json!("d1")),
        ("conversations", json!([1])),
    ];
    for (name, value) in wrong {
        let refused = verify_claims(claims_with(name, value)).await;
        assert_eq!(refused, Err(TokenError::BadClaim(name)));
    }
}

#[tokio::test]
async fn claims_that_are_not_ours_do_no_harm() {
    let mut claims = claims();
    claims["aud"] = json!("somebody");
    claims["iss"] = json!("https://issuer.example");
    claims["name"] = json!(null);
    assert_eq!(verify_claims(claims).await.unwrap().name, None);
}

#[tokio::test]
async fn a_header_that_demands_an_unknown_extension_is_refused() {
    let header = Header { crit: Some(vec!["b64".into()]), ..Header::new(Algorithm::EdDSA) };
    let token = ed().sign_with(&header, &claims());
    let refused = with_pem(ed()).verify(&token, NOW).await;
    assert!(matches!(refused, Err(TokenError::Malformed(_))), "{refused:?}");
}

#[tokio::test]
async fn a_token_over_the_limit_is_refused_even_if_it_is_good() {
    let long = "x".repeat(TOKEN_BYTES_MAX);
    let refused = verify_claims(claims_with("name", json!(long))).await;
    assert_eq!(refused, Err(TokenError::TooLong));
    let told = verify_claims(claims_with("name", json!("x".repeat(5000)))).await;
    assert!(told.is_ok(), "{told:?}");
}

#[tokio::test]
async fn claims_too_long_to_come_back_are_not_signed() {
    let mut told = verify_claims(claims()).await.unwrap();
    told.conversations = vec!["c".repeat(36); 200];
    assert!(matches!(with_secret().sign(&told), Err(SignError::TooLong)));
}

#[tokio::test]
async fn what_is_no_token_is_refused_without_being_repeated() {
    let good = hs256(&claims());
    let list = hs256(&json!(["not", "claims"]));
    let padded = format!("{good}=");
    let longer = format!("{good}.x");
    let bad = ["..", "a.b.c", "abc", "sbk_1", "\u{1f512}.é.ü", &padded, &longer, &list, " "];
    for text in bad {
        let refused = with_secret().verify(text, NOW).await.unwrap_err();
        assert!(matches!(refused, TokenError::Malformed(_)), "{text}: {refused:?}");
        assert!(text.len() < 4 || !refused.to_string().contains(text));
    }
    assert_eq!(with_secret().verify("", NOW).await, Err(TokenError::Missing));
}

#[test]
fn a_secret_that_protects_nothing_is_refused_at_the_start() {
    let refusal = |secret: &str| {
        Tokens::new(Settings { secret: Secret::from(secret), ..settings() }).unwrap_err()
    };
    assert!(matches!(refusal(""), BadKey::EmptySecret));
    assert!(matches!(refusal(&rsa().public_pem()), BadKey::PemAsSecret));
}

#[test]
fn a_pem_or_address_that_cannot_be_used_is_refused_at_the_start() {
    let pem = Some(b"not a pem".to_vec());
    let refused = Tokens::new(Settings { public_key_pem: pem, ..settings() }).unwrap_err();
    assert!(matches!(refused, BadKey::UnreadablePem));
    for url in ["file:///etc/passwd", "issuer.example/keys", "", "https://"] {
        let refused = Tokens::new(Settings { jwks_url: Some(url.into()), ..settings() });
        assert!(matches!(refused, Err(BadKey::BadUrl(_))), "{url}: {refused:?}");
    }
}
