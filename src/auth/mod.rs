//! From a token to its claims, from a password to a yes or no. Pure cryptography: nothing here
//! knows what a role may do, who exists, or how a request looks; `app` decides that.
//!
//! [`Tokens`] signs and verifies JSON Web Tokens, [`Passwords`] hashes passwords, and the small
//! functions make and compare secrets. To accept a further algorithm: its arm in
//! `keys::PublicKey` (or in `Tokens::verify` for a shared secret), its name in
//! [`TokenError::UnknownAlgorithm`], and its rows in the tests of `tokens`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Role, TenantId};

mod jwks;
mod keys;
mod password;
mod secrets;
#[cfg(test)]
mod testing;
mod tokens;

pub use jwks::{JWKS_BYTES_MAX, JWKS_RETRY_MIN};
pub use keys::BadKey;
pub use password::{HASHES_AT_ONCE_MAX, PASSWORD_BYTES_MAX, PasswordError, Passwords};
pub use secrets::{
    API_KEY_PREFIX, SECRET_BYTES_MIN, constant_time_eq, digest, is_api_key, load_or_create_secret,
    new_api_key, new_session_key, new_signing_secret,
};
pub use tokens::{LEEWAY_S, SignError, TOKEN_BYTES_MAX, TokenError, Tokens};

/// Names aws-lc-rs as the process' cryptography, for TLS and for tokens.
///
/// Both libraries choose by themselves only while exactly one backend is compiled in, and panic
/// otherwise; a dependency that brings a second one must not decide that. Calling it again
/// changes nothing.
pub fn install_crypto() {
    // An error says that a provider is installed already, which is all we want.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}

/// What a token says about its bearer (contract 4). Ids are as the token has them, unchecked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user's id.
    pub sub: String,
    /// The tenant's id; `default` if the token names none.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// The role.
    pub role: Role,
    /// A name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Ids of an agent's departments, the first being the one shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub departments: Vec<String>,
    /// Ids of a customer's conversations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversations: Vec<String>,
    /// When the token ends, in seconds of Unix time.
    pub exp: i64,
    /// When it was made, in seconds of Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
}

fn default_tenant() -> String {
    TenantId::default_tenant().to_string()
}

/// Where the keys come from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Signs our own tokens and verifies HS256 ones.
    pub secret: Secret,
    /// One public key as PEM (`PUBLIC KEY` or `RSA PUBLIC KEY`): RSA, P-256 or Ed25519.
    pub public_key_pem: Option<Vec<u8>>,
    /// Address of a JSON Web Key Set, `http` or `https`.
    pub jwks_url: Option<String>,
    /// Age at which the set is read again; below [`JWKS_RETRY_MIN`] it means that.
    pub jwks_refresh: Duration,
    /// Deadline for reading the set, connecting included.
    pub jwks_timeout: Duration,
}

/// Bytes that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes, for those who compute with them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Secret {
        Secret(bytes)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::from("open sesame")), "***");
    }

    #[test]
    fn claims_name_the_default_tenant_when_they_name_none() {
        let claims: Claims =
            serde_json::from_str(r#"{"sub": "u1", "role": "agent", "exp": 9}"#).unwrap();
        assert_eq!((claims.tenant.as_str(), claims.role), ("default", Role::Agent));
        assert_eq!(
            serde_json::to_string(&claims).unwrap(),
            r#"{"sub":"u1","tenant":"default","role":"agent","exp":9}"#
        );
    }

    #[test]
    fn the_cryptography_can_be_installed_twice() {
        install_crypto();
        install_crypto();
    }
}
