//! What a customer who waits is told in words, in the language it asked for.

use crate::bot::Language;

/// Nobody serves at this hour.
pub(super) fn outside_hours(language: Option<Language>) -> &'static str {
    match language {
        Some(Language::Indonesian) => {
            "Kami sedang tutup. Silakan tinggalkan pesan di sini; rekan kami akan menjawab begitu \
             kami buka kembali."
        }
        Some(Language::English) | None => {
            "We are closed at the moment. Please leave a message here; a colleague will answer as \
             soon as we are open again."
        }
    }
}

/// Nobody has come for a long time.
pub(super) fn offline(language: Option<Language>) -> &'static str {
    match language {
        Some(Language::Indonesian) => {
            "Maaf, semua rekan kami sedang sibuk. Silakan tinggalkan pesan di sini; kami akan \
             menjawab secepatnya."
        }
        Some(Language::English) | None => {
            "Sorry, everybody is busy at the moment. Please leave a message here; we will answer \
             as soon as we can."
        }
    }
}

/// Nobody has come for a long time, and the bot may help.
pub(super) fn to_bot(language: Option<Language>) -> &'static str {
    match language {
        Some(Language::Indonesian) => {
            "Maaf, semua rekan kami sedang sibuk. Sementara itu, saya dapat mencoba membantu: apa \
             pertanyaan Anda?"
        }
        Some(Language::English) | None => {
            "Sorry, everybody is busy at the moment. I can try to help in the meantime: what is \
             your question?"
        }
    }
}
