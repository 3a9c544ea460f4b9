//! What the fields of administration may hold: names, addresses, short words, numbers. Pure.

use crate::limits::{EMAIL_BYTES_MAX, NAME_CHARS_MAX};
use crate::model::{Error, Role};

/// Longest skill or language, in characters.
const WORD_CHARS_MAX: usize = 32;

/// Most skills or languages of an agent.
const WORDS_MAX: usize = 50;

/// Longest extension of a telephone, in characters.
const EXTENSION_CHARS_MAX: usize = 32;

/// Shortest password of a local user, in characters (NIST SP 800-63B, 5.1.1.2).
const PASSWORD_CHARS_MIN: usize = 8;

/// Most conversations an agent may have at once: more than anybody answers.
const CHATS_MAX: i64 = 100;

/// Whether this may be an e-mail address. Whether mail arrives there only sending one tells; this
/// finds slips of the hand.
pub fn is_email(text: &str) -> bool {
    text.len() <= EMAIL_BYTES_MAX
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.contains('@')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
                && !domain.is_empty()
        })
}

/// An address without the space around it; none if nothing else is there.
pub(super) fn checked_email(email: Option<String>) -> Result<Option<String>, Error> {
    let email = email.map(|e| e.trim().to_owned()).filter(|e| !e.is_empty());
    match email {
        Some(email) if !is_email(&email) => invalid("email", "is no e-mail address"),
        email => Ok(email),
    }
}

/// A name without the space around it.
pub(super) fn checked_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    if name.is_empty() {
        return invalid("name", "is empty");
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return invalid("name", format!("has more than {NAME_CHARS_MAX} characters"));
    }
    if name.chars().any(char::is_control) {
        return invalid("name", "has control characters");
    }
    Ok(name.to_owned())
}

/// A telephone's extension without the space around it; none if nothing else is there.
pub(super) fn checked_extension(extension: Option<String>) -> Result<Option<String>, Error> {
    let extension = extension.map(|e| e.trim().to_owned()).filter(|e| !e.is_empty());
    let is_dialled = |text: &str| {
        text.len() <= EXTENSION_CHARS_MAX
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+*#-_.".contains(&b))
    };
    match extension {
        Some(text) if !is_dialled(&text) => {
            invalid("extension", "has up to 32 characters of A-Z a-z 0-9 + * # - _ .")
        }
        extension => Ok(extension),
    }
}

pub(super) fn check_password(password: &str) -> Result<(), Error> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return invalid("password", format!("has fewer than {PASSWORD_CHARS_MIN} characters"));
    }
    Ok(())
}

pub(super) fn checked_role(role: &str) -> Result<Role, Error> {
    match Role::parse(role) {
        Some(role @ (Role::Agent | Role::Admin)) => Ok(role),
        _ => invalid("role", "must be agent or admin"),
    }
}

pub(super) fn checked_max_chats(count: i64) -> Result<u32, Error> {
    let checked = u32::try_from(count).ok().filter(|_| (1..=CHATS_MAX).contains(&count));
    match checked {
        Some(count) => Ok(count),
        None => invalid("max_chats", format!("must be from 1 to {CHATS_MAX}")),
    }
}

/// Skills or languages in lower case, each once, in the order given.
pub(in crate::app) fn checked_words(
    field: &'static str,
    words: &[String],
) -> Result<Vec<String>, Error> {
    if words.len() > WORDS_MAX {
        return invalid(field, format!("has more than {WORDS_MAX}"));
    }
    let mut checked = Vec::with_capacity(words.len());
    for (place, word) in words.iter().enumerate() {
        let word = word.trim().to_lowercase();
        if let Err(reason) = check_word(&word) {
            return Err(Error::InvalidAt { path: format!("{field}[{place}]"), reason });
        }
        if !checked.contains(&word) {
            checked.push(word);
        }
    }
    Ok(checked)
}

fn check_word(word: &str) -> Result<(), String> {
    if word.is_empty() {
        return Err("is empty".into());
    }
    if word.chars().count() > WORD_CHARS_MAX {
        return Err(format!("has more than {WORD_CHARS_MAX} characters"));
    }
    match word.chars().any(|c| c.is_whitespace() || c.is_control()) {
        true => Err("has space or control characters in it".into()),
        false => Ok(()),
    }
}

pub(super) fn invalid<T>(field: &'static str, reason: impl Into<String>) -> Result<T, Error> {
    Err(Error::Invalid { field, reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Result<Vec<String>, Error> {
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        checked_words("skills", &words)
    }

    #[test]
    fn words_are_in_lower_case_and_each_there_once() {
        let checked = words(&[" Billing", "C++", "billing", "en-GB"]).unwrap();
        assert_eq!(checked, ["billing", "c++", "en-gb"]);
    }

    #[test]
    fn a_word_that_cannot_be_one_is_named_by_its_place() {
        for bad in ["", "  ", "two words", "tab\there", &"x".repeat(WORD_CHARS_MAX + 1)] {
            let Err(Error::InvalidAt { path, .. }) = words(&["fine", bad]) else {
                panic!("{bad:?} was taken")
            };
            assert_eq!(path, "skills[1]", "{bad:?}");
        }
        assert!(words(&[&"ä".repeat(WORD_CHARS_MAX)]).is_ok());
        assert!(words(&["x"; WORDS_MAX]).is_ok());
        assert!(words(&["x"; WORDS_MAX + 1]).is_err());
    }

    #[test]
    fn an_agent_may_have_from_one_to_a_hundred_conversations() {
        for bad in [i64::MIN, -1, 0, 101, i64::MAX] {
            assert!(checked_max_chats(bad).is_err(), "{bad}");
        }
        assert_eq!((checked_max_chats(1), checked_max_chats(100)), (Ok(1), Ok(100)));
    }

    #[test]
    fn a_password_is_counted_in_characters() {
        assert!(check_password("ääääääää").is_ok());
        assert!(check_password("ääääääa").is_err());
    }
}
