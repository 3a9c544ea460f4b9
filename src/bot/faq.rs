//! The built-in bot: answers from the tenant's FAQ, in whatever language the best entry has.
//!
//! The store finds entries that share words with the question; how well one fits is decided here,
//! the same for every store, so that one threshold means one thing.

use async_trait::async_trait;

use super::words::{Word, language_of, words_of};
use super::{Answer, Failure, Provider, Question};
use crate::limits::{FAQ_CANDIDATES, FAQ_QUESTION_WORDS_MAX};
use crate::model::{FaqEntry, TenantId};

/// Where the entries are.
#[async_trait]
pub trait Knowledge: Send + Sync + 'static {
    /// Enabled entries with a word that begins with one of these, the best first as far as the
    /// store can tell.
    ///
    /// # Errors
    /// Why the store does not answer.
    async fn search(
        &self,
        tenant: &TenantId,
        words: Vec<String>,
        limit: usize,
    ) -> Result<Vec<FaqEntry>, String>;
}

/// The bot that answers from the FAQ.
pub struct Faq {
    knowledge: Box<dyn Knowledge>,
    confidence_min: f64,
}

impl Faq {
    /// A bot that says nothing it is not sure of, in percent.
    pub fn new(knowledge: Box<dyn Knowledge>, confidence_min_percent: u32) -> Faq {
        Faq { knowledge, confidence_min: f64::from(confidence_min_percent) / 100.0 }
    }
}

#[async_trait]
impl Provider for Faq {
    fn name(&self) -> &'static str {
        "faq"
    }

    async fn answer(&self, question: &Question) -> Result<Answer, Failure> {
        let mut asked = words_of(&question.text);
        asked.truncate(FAQ_QUESTION_WORDS_MAX);
        let stems = asked.iter().map(|word| word.stem.clone()).collect();
        let found = self.knowledge.search(&question.tenant, stems, FAQ_CANDIDATES).await;
        let found = found.map_err(Failure::NoKnowledge)?;
        let language = language_of(&question.text).map(|language| language.tag());
        let best = best(&found, &asked, language).filter(|(_, fit)| *fit >= self.confidence_min);
        Ok(best.map_or(Answer::Unsure, |(entry, _)| Answer::Text(entry.answer.clone())))
    }
}

/// The entry that fits best, and how well: 1 when it asks the same. Of two equal ones the one in
/// the customer's language, then the one the store put first.
fn best<'a>(
    entries: &'a [FaqEntry],
    asked: &[Word],
    language: Option<&str>,
) -> Option<(&'a FaqEntry, f64)> {
    let mut best: Option<(&FaqEntry, (f64, bool))> = None;
    for entry in entries {
        let fit = (fit(entry, asked), Some(entry.language.as_str()) == language);
        if best.is_none_or(|(_, known)| fit > known) {
            best = Some((entry, fit));
        }
    }
    best.map(|(entry, (fit, _))| (entry, fit))
}

/// How well the best wording of an entry fits.
fn fit(entry: &FaqEntry, asked: &[Word]) -> f64 {
    let wordings = [&entry.question].into_iter().chain(&entry.wordings);
    wordings.map(|wording| overlap(asked, &words_of(wording))).fold(0.0, f64::max)
}

/// What two texts have in common, as a share of what both say: the harmonic mean of how much of
/// each is in the other, by weight.
fn overlap(a: &[Word], b: &[Word]) -> f64 {
    let weight = |words: &[Word]| words.iter().map(|word| word.weight).sum::<f64>();
    let common = a.iter().filter(|word| b.iter().any(|other| other.stem == word.stem));
    let (common, all) = (common.map(|word| word.weight).sum::<f64>(), weight(a) + weight(b));
    if all == 0.0 { 0.0 } else { 2.0 * common / all }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{ConversationId, Moment};

    struct All(Vec<FaqEntry>);

    #[async_trait]
    impl Knowledge for All {
        async fn search(
            &self,
            _: &TenantId,
            words: Vec<String>,
            limit: usize,
        ) -> Result<Vec<FaqEntry>, String> {
            assert!(words.len() <= FAQ_QUESTION_WORDS_MAX);
            Ok(self.0.iter().take(limit).cloned().collect())
        }
    }

    fn entry(language: &str, question: &str, wordings: &[&str], answer: &str) -> FaqEntry {
        FaqEntry {
            id: Uuid::new_v4(),
            language: language.into(),
            question: question.into(),
            wordings: wordings.iter().map(|w| (*w).to_owned()).collect(),
            answer: answer.into(),
            is_enabled: true,
            updated_at: Moment(0),
        }
    }

    async fn ask(entries: Vec<FaqEntry>, text: &str) -> Answer {
        let question = Question {
            tenant: TenantId::default_tenant(),
            conversation: ConversationId::random(),
            text: text.into(),
            history: vec![],
        };
        Faq::new(Box::new(All(entries)), 60).answer(&question).await.unwrap()
    }

    #[tokio::test]
    async fn the_best_fit_is_told_and_a_poor_one_is_not() {
        let entries = || {
            let hours = entry("en", "When are you open?", &["opening hours"], "From 9.");
            let refund = entry("en", "How do I get a refund?", &["money back"], "In 14 days.");
            vec![hours, refund]
        };
        let text = |t: &str| Answer::Text(t.into());
        assert_eq!(ask(entries(), "when do you open on Saturday?").await, text("From 9."));
        assert_eq!(ask(entries(), "I want my money back!").await, text("In 14 days."));
        assert_eq!(ask(entries(), "how do I open an account").await, Answer::Unsure);
        assert_eq!(ask(entries(), "where is my parcel").await, Answer::Unsure);
        assert_eq!(ask(entries(), "???").await, Answer::Unsure);
        assert_eq!(ask(vec![], "refund").await, Answer::Unsure);
        let long = "open ".repeat(2) + &(0..2_000).map(|n| format!("w{n} ")).collect::<String>();
        assert_eq!(ask(entries(), &long).await, Answer::Unsure);
    }

    #[tokio::test]
    async fn of_two_that_fit_equally_the_customers_language_decides() {
        let both = || vec![entry("en", "Refund", &[], "EN"), entry("id", "Refund", &[], "ID")];
        assert_eq!(ask(both(), "tolong refund saya").await, Answer::Text("ID".into()));
        assert_eq!(ask(both(), "refund please").await, Answer::Text("EN".into()));
        assert_eq!(ask(both(), "refund").await, Answer::Text("EN".into()));
        let better = vec![entry("en", "Refund", &[], "EN"), entry("id", "Refund dana", &[], "ID")];
        assert_eq!(ask(better, "tolong refund saya").await, Answer::Text("EN".into()));
    }
}
