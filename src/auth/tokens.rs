//! Signs and verifies tokens (contract 4).
//!
//! The header's algorithm decides which family of keys may answer: HS256 the shared secret and
//! nothing else; RS256, ES256 and EdDSA a public key of exactly that type. So a token signed with
//! a public key's text as its secret meets the real secret and fails. `aud` and `iss` are not
//! looked at: the keys are what tells our issuers from others.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jwks::Jwks;
use super::keys::PublicKey;
use super::{BadKey, Claims, SECRET_BYTES_MIN, Secret, Settings, default_tenant, install_crypto};
use crate::model::Role;

/// How far our clock and an issuer's may differ, in seconds (contract 4).
pub const LEEWAY_S: i64 = 30;

/// Longest token, in bytes. The usual limit for a whole HTTP header line; beyond it a token is
/// refused before any work is done on it.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Why a token is refused. Safe to show to whoever sent it: no part of the token is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing there.
    #[error("no token")]
    Missing,
    /// Over [`TOKEN_BYTES_MAX`].
    #[error("the token is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// Not of the form of a token.
    #[error("this is no JSON Web Token: {0}")]
    Malformed(&'static str),
    /// An algorithm we do not accept, `none` included.
    #[error("the token's header names none of the algorithms HS256, RS256, ES256 and EdDSA")]
    UnknownAlgorithm,
    /// Signed by somebody else, or changed.
    #[error("the token's signature does not fit")]
    BadSignature,
    /// It would be valid for ever.
    #[error("the token has no exp claim")]
    NoExpiry,
    /// Its `exp` is past, leeway included.
    #[error("the token has expired")]
    Expired,
    /// Its `nbf` is to come, leeway included.
    #[error("the token is not valid yet (nbf)")]
    NotYetValid,
    /// A claim that cannot be read.
    #[error("the token's {0} claim is missing or of the wrong type")]
    BadClaim(&'static str),
    /// No role, or none that we know.
    #[error("the token's role claim is none of customer, agent, admin, bot and service")]
    UnknownRole,
    /// No key of that algorithm and `kid`.
    #[error("no known key fits the token's algorithm and kid")]
    UnknownKey,
    /// Several keys could be meant.
    #[error("the token names no kid, and there are several keys for its algorithm")]
    AmbiguousKey,
    /// The key set cannot be read now; worth a retry.
    #[error("the key for this token cannot be fetched at the moment")]
    KeysUnavailable,
}

/// Why a token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// It would be refused when it comes back.
    #[error("the claims make a token longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// A fault of the library.
    #[error("the token could not be signed")]
    Fault(#[from] jsonwebtoken::errors::Error),
}

/// Signs and verifies tokens; clones share the keys.
#[derive(Clone)]
pub struct Tokens(Arc<Keys>);

struct Keys {
    signing: EncodingKey,
    verifying: DecodingKey,
    public: Option<PublicKey>,
    jwks: Option<Jwks>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Reads the keys. Nothing is fetched before the first token that needs it.
    ///
    /// # Errors
    /// [`BadKey`] saying what is wrong with the secret, the PEM or the address.
    pub fn new(settings: Settings) -> Result<Tokens, BadKey> {
        install_crypto();
        check_secret(&settings.secret)?;
        let secret = settings.secret.as_bytes();
        Ok(Tokens(Arc::new(Keys {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            public: settings.public_key_pem.as_deref().map(PublicKey::from_pem).transpose()?,
            jwks: Jwks::new(&settings)?,
        })))
    }

    /// Verifies a token at `now_unix`, in seconds. May wait for the key set, at most for its
    /// deadline.
    ///
    /// # Errors
    /// [`TokenError`] saying why it is refused.
    pub async fn verify(&self, token: &str, now_unix: i64) -> Result<Claims, TokenError> {
        let header = read_header(token)?;
        let claims = match header.alg {
            Algorithm::HS256 => check_signature(token, header.alg, &self.0.verifying)?,
            _ => self.verify_public(token, &header).await?,
        };
        let exp = check_times(&claims, now_unix)?;
        read_claims(&claims, exp)
    }

    async fn verify_public(
        &self,
        token: &str,
        header: &Header,
    ) -> Result<Map<String, Value>, TokenError> {
        // The key at hand goes first: its tokens must not depend on a distant endpoint.
        if let Some(own) = self.0.public.as_ref().filter(|k| k.algorithm == header.alg) {
            let checked = check_signature(token, header.alg, &own.key);
            if self.0.jwks.is_none() || checked != Err(TokenError::BadSignature) {
                return checked;
            }
        }
        let jwks = self.0.jwks.as_ref().ok_or(TokenError::UnknownKey)?;
        let key = jwks.find(header.alg, header.kid.as_deref()).await?;
        check_signature(token, header.alg, &key)
    }

    /// Signs claims with the secret (HS256).
    ///
    /// # Errors
    /// [`SignError::TooLong`] for claims that [`Tokens::verify`] would not take back.
    pub fn sign(&self, claims: &Claims) -> Result<String, SignError> {
        let header = Header::new(Algorithm::HS256);
        let token = jsonwebtoken::encode(&header, claims, &self.0.signing)?;
        if token.len() > TOKEN_BYTES_MAX { Err(SignError::TooLong) } else { Ok(token) }
    }
}

fn check_secret(secret: &Secret) -> Result<(), BadKey> {
    let bytes = secret.as_bytes();
    if bytes.is_empty() {
        return Err(BadKey::EmptySecret);
    }
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        return Err(BadKey::PemAsSecret);
    }
    if bytes.len() < SECRET_BYTES_MIN {
        tracing::warn!(
            bytes = bytes.len(),
            "the token secret is shorter than {SECRET_BYTES_MIN} bytes and may be guessed"
        );
    }
    Ok(())
}

fn read_header(token: &str) -> Result<Header, TokenError> {
    if token.is_empty() {
        return Err(TokenError::Missing);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    if token.split('.').count() != 3 {
        return Err(TokenError::Malformed("it has not three parts"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|e| match e.kind() {
        // The library's type lists the algorithms it knows; `none` is not among them.
        ErrorKind::Json(json) if json.is_data() => TokenError::UnknownAlgorithm,
        _ => TokenError::Malformed("its header cannot be read"),
    })?;
    check_header(&header)?;
    Ok(header)
}

fn check_header(header: &Header) -> Result<(), TokenError> {
    use Algorithm::{ES256, EdDSA, HS256, RS256};
    if !matches!(header.alg, HS256 | RS256 | ES256 | EdDSA) {
        return Err(TokenError::UnknownAlgorithm);
    }
    // RFC 7515, 4.1.11: an extension that must be understood and is not ends the matter.
    if header.crit.is_some() {
        return Err(TokenError::Malformed("its header has extensions marked critical"));
    }
    Ok(())
}

fn check_signature(
    token: &str,
    algorithm: Algorithm,
    key: &DecodingKey,
) -> Result<Map<String, Value>, TokenError> {
    let decoded = jsonwebtoken::decode(token, key, &signature_only(algorithm));
    decoded.map(|data| data.claims).map_err(|e| match e.kind() {
        ErrorKind::Json(_) => TokenError::Malformed("its claims are no JSON object"),
        ErrorKind::Base64(_) => TokenError::Malformed("it is not base64url"),
        _ => TokenError::BadSignature,
    })
}

/// The library would read the clock and refuse every `aud`; times are checked below instead.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn check_times(claims: &Map<String, Value>, now_unix: i64) -> Result<i64, TokenError> {
    let exp = seconds(claims, "exp")?.ok_or(TokenError::NoExpiry)?;
    if now_unix >= exp.saturating_add(LEEWAY_S) {
        return Err(TokenError::Expired);
    }
    match seconds(claims, "nbf")? {
        Some(nbf) if now_unix.saturating_add(LEEWAY_S) < nbf => Err(TokenError::NotYetValid),
        _ => Ok(exp),
    }
}

fn read_claims(claims: &Map<String, Value>, exp: i64) -> Result<Claims, TokenError> {
    let role = claims.get("role").and_then(Value::as_str).and_then(Role::parse);
    let sub = text(claims, "sub")?.filter(|sub| !sub.is_empty());
    Ok(Claims {
        role: role.ok_or(TokenError::UnknownRole)?,
        sub: sub.ok_or(TokenError::BadClaim("sub"))?,
        tenant: text(claims, "tenant")?.unwrap_or_else(default_tenant),
        name: text(claims, "name")?,
        email: text(claims, "email")?,
        departments: texts(claims, "departments")?,
        conversations: texts(claims, "conversations")?,
        exp,
        iat: seconds(claims, "iat")?,
    })
}

/// RFC 7519 allows fractions; the second that has begun counts.
fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_i64()
            .or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))
            .map(Some)
            .ok_or(TokenError::BadClaim(name)),
    }
}

fn text(claims: &Map<String, Value>, name: &'static str) -> Result<Option<String>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TokenError::BadClaim(name)),
    }
}

fn texts(claims: &Map<String, Value>, name: &'static str) -> Result<Vec<String>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(vec![]),
        Some(list) => Vec::deserialize(list).map_err(|_| TokenError::BadClaim(name)),
    }
}

#[cfg(test)]
mod tests;
