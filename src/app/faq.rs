//! The FAQ, as admins keep it. How the bot answers from it is `crate::bot`'s.

use uuid::Uuid;

use super::App;
use super::audit::{audit_entry, check_admin};
use crate::limits::FAQ_ENTRIES_MAX;
use crate::log::{Change, Record};
use crate::model::{Error, FaqEntry, Identity, Moment};

/// Longest question or other wording, in characters: nobody asks in more.
const QUESTION_CHARS_MAX: usize = 500;

/// Most other wordings of a question.
const WORDINGS_MAX: usize = 30;

/// What a new entry is to be.
#[derive(Clone, Debug)]
pub struct NewFaq {
    /// Its language, a BCP 47 tag of a language and perhaps a region.
    pub language: String,
    /// The question.
    pub question: String,
    /// Other ways to put it.
    pub wordings: Vec<String>,
    /// The answer.
    pub answer: String,
    /// Whether the bot may answer with it.
    pub is_enabled: bool,
}

/// What is to be different in an entry; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct FaqChange {
    /// Its language.
    pub language: Option<String>,
    /// The question.
    pub question: Option<String>,
    /// Other ways to put it, all of them.
    pub wordings: Option<Vec<String>>,
    /// The answer.
    pub answer: Option<String>,
    /// Whether the bot may answer with it.
    pub is_enabled: Option<bool>,
}

impl App {
    /// A page of an admin's FAQ, oldest first.
    ///
    /// # Errors
    /// 403 for anybody but an admin.
    pub async fn faq(
        &self,
        who: &Identity,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, Error> {
        check_admin(who)?;
        self.log.faq_entries(&who.tenant, after, limit).await.map_err(|e| self.fault(e))
    }

    /// An entry of an admin's FAQ.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404.
    pub async fn faq_entry(&self, who: &Identity, id: Uuid) -> Result<FaqEntry, Error> {
        check_admin(who)?;
        let found = self.log.faq_entry(&who.tenant, id).await.map_err(|e| self.fault(e))?;
        found.ok_or(Error::NotFound("FAQ entry"))
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 409 when the FAQ is full, 422 by field.
    pub async fn add_faq(&self, who: &Identity, new: NewFaq) -> Result<FaqEntry, Error> {
        check_admin(who)?;
        let NewFaq { language, question, wordings, answer, is_enabled } = new;
        let (id, updated_at) = (Uuid::now_v7(), Moment::now());
        let entry = FaqEntry { id, language, question, wordings, answer, is_enabled, updated_at };
        let entry = self.checked(entry)?;
        let count = self.log.faq_count(&who.tenant).await.map_err(|e| self.fault(e))?;
        if count >= FAQ_ENTRIES_MAX {
            let message = format!("the FAQ has {FAQ_ENTRIES_MAX} entries already");
            return Err(Error::Conflict { message, holder: None });
        }
        self.keep_faq(who, "faq.created", id, Record::Faq(entry.clone())).await?;
        Ok(entry)
    }

    /// Changes an entry.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404, 422 by field.
    pub async fn change_faq(
        &self,
        who: &Identity,
        id: Uuid,
        change: FaqChange,
    ) -> Result<FaqEntry, Error> {
        let known = self.faq_entry(who, id).await?;
        let entry = self.checked(FaqEntry {
            id,
            language: change.language.unwrap_or(known.language),
            question: change.question.unwrap_or(known.question),
            wordings: change.wordings.unwrap_or(known.wordings),
            answer: change.answer.unwrap_or(known.answer),
            is_enabled: change.is_enabled.unwrap_or(known.is_enabled),
            updated_at: Moment::now(),
        })?;
        self.keep_faq(who, "faq.changed", id, Record::Faq(entry.clone())).await?;
        Ok(entry)
    }

    /// Takes an entry out.
    ///
    /// # Errors
    /// 403 for anybody but an admin, 404.
    pub async fn remove_faq(&self, who: &Identity, id: Uuid) -> Result<(), Error> {
        self.faq_entry(who, id).await?;
        self.keep_faq(who, "faq.deleted", id, Record::FaqRemoved(id)).await
    }

    async fn keep_faq(
        &self,
        who: &Identity,
        action: &str,
        id: Uuid,
        record: Record,
    ) -> Result<(), Error> {
        let events = vec![audit_entry(who, action, Some(id.to_string()))];
        let change = Change::new(events, vec![record]);
        self.log.commit(&who.tenant, change).await.map_err(|e| self.fault(e))?;
        Ok(())
    }

    /// The entry with its texts trimmed, if it can be one.
    fn checked(&self, entry: FaqEntry) -> Result<FaqEntry, Error> {
        let answer = entry.answer.trim().to_owned();
        let bytes_max = self.config.bot.answer_bytes.min(self.config.limits.message_bytes);
        if answer.len() > bytes_max {
            return invalid("answer", format!("has more than {bytes_max} bytes"));
        }
        if answer.is_empty() {
            return invalid("answer", "is empty");
        }
        let wordings = entry.wordings.iter().map(|wording| checked_question("wordings", wording));
        let wordings = wordings.collect::<Result<Vec<_>, _>>()?;
        if wordings.len() > WORDINGS_MAX {
            return invalid("wordings", format!("has more than {WORDINGS_MAX}"));
        }
        check_language(&entry.language)?;
        let question = checked_question("question", &entry.question)?;
        Ok(FaqEntry { question, wordings, answer, ..entry })
    }
}

fn invalid<T>(field: &'static str, reason: impl Into<String>) -> Result<T, Error> {
    Err(Error::Invalid { field, reason: reason.into() })
}

fn checked_question(field: &'static str, text: &str) -> Result<String, Error> {
    let text = text.trim();
    if !text.contains(char::is_alphanumeric) {
        return invalid(field, "has no word");
    }
    if text.chars().count() > QUESTION_CHARS_MAX {
        return invalid(field, format!("has more than {QUESTION_CHARS_MAX} characters"));
    }
    Ok(text.to_owned())
}

/// `en`, `id`, `fil`, `en-GB`.
fn check_language(tag: &str) -> Result<(), Error> {
    let (language, region) = tag.split_once('-').unwrap_or((tag, "XX"));
    let is_tag = matches!(language.len(), 2 | 3)
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && region.len() == 2
        && region.bytes().all(|b| b.is_ascii_uppercase());
    if is_tag { Ok(()) } else { invalid("language", "must be a tag such as en, id or en-GB") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag() {
        for good in ["en", "id", "fil", "en-GB"] {
            assert_eq!(check_language(good), Ok(()), "{good}");
        }
        for bad in ["", "e", "EN", "english", "en-gb", "en-", "en_GB", "en-GB-x"] {
            assert!(check_language(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_question_has_a_word_and_an_end() {
        assert_eq!(checked_question("question", " Why? \n").unwrap(), "Why?");
        assert!(checked_question("question", " ?! ").is_err());
        assert!(checked_question("question", &"ä".repeat(QUESTION_CHARS_MAX)).is_ok());
        assert!(checked_question("question", &"ä".repeat(QUESTION_CHARS_MAX + 1)).is_err());
    }
}
