//! Tokens as Switchboard and the reference server take them: HS256, signed by whoever has the
//! secret that both were started with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

/// How long a token holds: longer than any scenario.
const VALID: Duration = Duration::from_secs(60 * 60);

/// What tokens are signed with, made anew for each run.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()))
    }

    /// For the servers' environment.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A token of a user of the default tenant; a customer's names its conversations.
    pub(crate) fn sign(&self, user: &str, role: &str, conversations: &[String]) -> Result<String> {
        self.sign_claims(json!({"sub": user, "role": role, "conversations": conversations}))
    }

    /// A token of one of a tenant's staff; the tenant is made by its first use.
    pub(crate) fn sign_staff(&self, tenant: &str, user: &str, role: &str) -> Result<String> {
        self.sign_claims(json!({"tenant": tenant, "sub": user, "role": role}))
    }

    fn sign_claims(&self, mut claims: Value) -> Result<String> {
        let until = SystemTime::now().duration_since(UNIX_EPOCH)? + VALID;
        claims["exp"] = until.as_secs().into();
        let head = json!({"alg": "HS256", "typ": "JWT"});
        let signed = format!("{}.{}", encoded(head.to_string()), encoded(claims.to_string()));
        let mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).context("use the secret")?;
        let signature = mac.chain_update(&signed).finalize().into_bytes();
        Ok(format!("{signed}.{}", encoded(signature)))
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_three_parts_and_its_claims() {
        let token = Secret::random().sign("ana", "agent", &["c-1".to_owned()]).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(parts.len(), 3);
        assert_eq!(claims["sub"], "ana");
        assert_eq!(claims["conversations"][0], "c-1");
        // 32 bytes of SHA-256.
        assert_eq!(parts[2].len(), 43);
    }

    #[test]
    fn a_token_of_the_staff_names_its_tenant_and_ends() {
        let token = Secret::random().sign_staff("acme", "ana", "admin").unwrap();
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!((&claims["tenant"], &claims["role"]), (&json!("acme"), &json!("admin")));
        assert!(claims["exp"].is_u64());
    }
}
