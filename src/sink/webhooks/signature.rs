//! The signature of a request: HMAC-SHA256 over `{id}.{timestamp}.{body}`, as Standard Webhooks has
//! it ("Signature scheme").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How a signing secret begins where people see it.
pub const SECRET_PREFIX: &str = "whsec_";

/// A secret that is not `whsec_` and base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing secret cannot be read")]
pub struct BadSecret;

/// The value of `webhook-signature`: `v1,` and the base64 of the signature by each secret, in their
/// order, with a space between. `timestamp` is that of the attempt in seconds of Unix time.
///
/// # Errors
/// [`BadSecret`] if one of them cannot be read.
pub fn sign<'a>(
    secrets: impl IntoIterator<Item = &'a str>,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> Result<String, BadSecret> {
    let mut signatures = Vec::new();
    for secret in secrets {
        let key = secret.strip_prefix(SECRET_PREFIX).and_then(|text| STANDARD.decode(text).ok());
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&key.ok_or(BadSecret)?).map_err(|_| BadSecret)?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        signatures.push(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    }
    Ok(signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries (`test_sign` of the one for Rust).
    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

    #[test]
    fn the_published_example_is_signed_as_published() {
        assert_eq!(sign([SECRET], ID, 1_649_367_553, BODY).unwrap(), SIGNATURE);
        let other = sign([SECRET], ID, 1_649_367_554, BODY).unwrap();
        assert_ne!(other, SIGNATURE, "the time is signed too");
    }

    #[test]
    fn the_example_of_the_verification_guides_is_signed_as_published() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = br#"{"test": 2432232314}"#;
        let signed = sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_secret_signs_the_newest_first() {
        let newer = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let both = sign([newer, SECRET], ID, 1_649_367_553, BODY).unwrap();
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(sign([newer], ID, 1_649_367_553, BODY).unwrap(), first);
        assert_eq!(second, SIGNATURE);
    }

    #[test]
    fn a_secret_of_another_form_signs_nothing() {
        for bad in ["", "whsec_!", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"] {
            assert_eq!(sign([bad], ID, 1, BODY), Err(BadSecret), "{bad:?}");
        }
    }
}
