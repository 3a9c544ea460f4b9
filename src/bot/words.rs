//! Words of English and Indonesian as the FAQ compares them: without what says nothing, and
//! without endings. Pure.
//!
//! Endings are only ever cut off, never replaced, so that a stem is the beginning of its word and
//! a full-text index finds it as a prefix.

/// A language the bot has words of its own in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Indonesian.
    Indonesian,
}

impl Language {
    /// Its tag in BCP 47.
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Indonesian => "id",
        }
    }

    /// The language of a tag, regions left aside.
    pub fn of_tag(tag: &str) -> Option<Language> {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        [Language::English, Language::Indonesian].into_iter().find(|l| l.tag() == language)
    }
}

/// A word to compare.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    /// The beginning that its forms have in common.
    pub(super) stem: String,
    /// How much it says.
    pub(super) weight: f64,
}

/// What words that only ask (when, where, how) weigh: they tell one question about a thing from
/// another, and alone they say nothing.
const ASKING_WEIGHT: f64 = 0.5;

const ASKING_ENGLISH: &[&str] = &["when", "where", "how", "who", "why", "much", "many", "long"];

const ASKING_INDONESIAN: &[&str] = &[
    "kapan",
    "dimana",
    "mana",
    "bagaimana",
    "gimana",
    "berapa",
    "siapa",
    "kenapa",
    "mengapa",
    "lama",
];

const EMPTY_ENGLISH: &[&str] = &[
    "a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can",
    "could", "did", "do", "does", "for", "from", "get", "got", "had", "has", "have", "i", "if",
    "im", "in", "is", "it", "its", "just", "know", "like", "ll", "m", "may", "me", "my", "need",
    "of", "on", "or", "our", "please", "re", "s", "so", "some", "t", "tell", "that", "the",
    "their", "them", "there", "these", "they", "this", "to", "us", "ve", "want", "was", "we",
    "were", "what", "which", "will", "with", "would", "you", "your",
];

const EMPTY_INDONESIAN: &[&str] = &[
    "ada", "adalah", "agar", "aku", "anda", "apa", "apakah", "atau", "bisa", "bisakah", "boleh",
    "buat", "dan", "dari", "dengan", "di", "dong", "ini", "itu", "jika", "juga", "kak", "kalau",
    "kami", "kamu", "ke", "ku", "lagi", "mau", "mohon", "nya", "oleh", "pada", "saja", "saya",
    "sih", "sudah", "tentang", "tolong", "untuk", "ya", "yang",
];

fn lower_words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// The words of a text that say something, each stem once.
pub(super) fn words_of(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for word in lower_words(text) {
        let is_in = |lists: [&[&str]; 2]| lists.iter().any(|list| list.contains(&word.as_str()));
        if is_in([EMPTY_ENGLISH, EMPTY_INDONESIAN]) {
            continue;
        }
        let is_asking = is_in([ASKING_ENGLISH, ASKING_INDONESIAN]);
        let weight = if is_asking { ASKING_WEIGHT } else { 1.0 };
        let stem = if is_asking { word } else { stem(&word).to_owned() };
        if words.iter().all(|known| known.stem != stem) {
            words.push(Word { stem, weight });
        }
    }
    words
}

/// The language of a text by its small words; `None` when they do not tell.
pub fn language_of(text: &str) -> Option<Language> {
    let words = lower_words(text);
    let count = |known: &[&str]| words.iter().filter(|w| known.contains(&w.as_str())).count();
    let english = count(EMPTY_ENGLISH) + count(ASKING_ENGLISH);
    let indonesian = count(EMPTY_INDONESIAN) + count(ASKING_INDONESIAN);
    match english.cmp(&indonesian) {
        std::cmp::Ordering::Greater => Some(Language::English),
        std::cmp::Ordering::Less => Some(Language::Indonesian),
        std::cmp::Ordering::Equal => None,
    }
}

/// Shortest beginning that an ending leaves behind, in bytes.
const STEM_BYTES_MIN: usize = 3;

/// Cuts the endings off: first those of Indonesian that stand alone in meaning, then those of
/// English. Crude, and the same for both sides of a comparison, which is what counts.
fn stem(word: &str) -> &str {
    let word = without(word, &["nya", "kah", "lah"]);
    let may_be_plural = !word.ends_with("ss") && !word.ends_with("us");
    let word = if may_be_plural { without(word, &["ies", "es", "s"]) } else { word };
    let word = without(word, &["ing", "ed"]);
    undoubled(without(word, &["e", "y", "i"]))
}

/// The word without the first of these endings that it has.
fn without<'a>(word: &'a str, endings: &[&str]) -> &'a str {
    let mut beginnings = endings.iter().filter_map(|ending| word.strip_suffix(ending));
    beginnings.find(|rest| rest.len() >= STEM_BYTES_MIN).unwrap_or(word)
}

/// `shipp`, which an ending left behind, is `ship`.
fn undoubled(word: &str) -> &str {
    match word.as_bytes() {
        [.., a, b] if a == b && b.is_ascii_alphabetic() && word.len() > STEM_BYTES_MIN => {
            &word[..word.len() - 1]
        }
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for forms in [
            &["delivery", "deliveries", "delivered"][..],
            &["refund", "refunds", "refunded", "refunding"],
            &["ship", "shipping", "shipped", "ships"],
            &["change", "changes", "changed", "changing"],
            &["cancel", "cancelled", "canceled", "cancelling"],
            &["open", "opening", "opens", "opened"],
            &["hour", "hours"],
            &["address", "addresses"],
            &["harga", "harganya"],
            &["buka", "bukanya", "bukakah"],
        ] {
            let stems: Vec<_> = forms.iter().map(|form| stem(form)).collect();
            assert!(stems.windows(2).all(|w| w[0] == w[1]), "{forms:?}: {stems:?}");
        }
    }

    #[test]
    fn words_that_say_nothing_are_left_out_and_those_that_ask_weigh_less() {
        let words = words_of("When do you open? OPEN, please!");
        assert_eq!(
            words,
            [
                Word { stem: "when".into(), weight: ASKING_WEIGHT },
                Word { stem: "open".into(), weight: 1.0 }
            ]
        );
        assert_eq!(words_of("what is it about"), []);
    }

    #[test]
    fn small_words_tell_the_language() {
        assert_eq!(language_of("Where is my order?"), Some(Language::English));
        assert_eq!(language_of("Pesanan saya di mana?"), Some(Language::Indonesian));
        assert_eq!(language_of("jam berapa buka"), Some(Language::Indonesian));
        assert_eq!(language_of("refund"), None);
        assert_eq!(language_of(""), None);
    }

    proptest! {
        #[test]
        fn a_stem_is_the_beginning_of_its_word(text in "\\PC{0,40}") {
            for word in lower_words(&text) {
                prop_assert!(word.starts_with(stem(&word)) && !stem(&word).is_empty());
            }
        }
    }
}
