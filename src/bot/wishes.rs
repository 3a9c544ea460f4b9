//! Whether a customer asks for a person: a list of phrases, found as whole words, in any case and
//! across any punctuation. Better one handoff too many than a customer who cannot get past the bot.

/// The phrases by which a person is asked for.
#[derive(Clone, Debug, Default)]
pub struct Wishes(Vec<String>);

impl Wishes {
    /// Reads the phrases; those without a word are left out.
    pub fn new(phrases: &[String]) -> Wishes {
        let phrases = phrases.iter().map(|phrase| spaced(phrase));
        Wishes(phrases.filter(|phrase| !phrase.trim().is_empty()).collect())
    }

    /// Whether a text has one of them.
    pub fn asks_for_a_person(&self, text: &str) -> bool {
        let text = spaced(text);
        self.0.iter().any(|phrase| text.contains(phrase))
    }
}

/// The words in lower case, a space around each.
fn spaced(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(String::from(" "), |text, word| text + word + " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_as_whole_words_in_any_case() {
        let phrases = ["talk to a person", "Petugas", "", " ?! "].map(str::to_owned);
        let wishes = Wishes::new(&phrases);
        for asks in [
            "talk to a person",
            "I want to TALK, to a person!",
            "mau bicara dengan petugas dong",
            "petugas?",
            "talk\nto a\tperson",
        ] {
            assert!(wishes.asks_for_a_person(asks), "{asks:?}");
        }
        for does_not in ["", "talk to a personal shopper", "petugasnya", "a person", "talk to"] {
            assert!(!wishes.asks_for_a_person(does_not), "{does_not:?}");
        }
        assert!(!Wishes::default().asks_for_a_person("talk to a person"));
    }
}
