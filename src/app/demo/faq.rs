//! The FAQ of `--demo`, of a shop that does not exist, in English and Indonesian.

use uuid::Uuid;

use crate::log::Record;
use crate::model::{FaqEntry, Moment};

/// Language, question, other wordings, answer.
type Text = (&'static str, &'static str, &'static [&'static str], &'static str);

const TEXTS: &[Text] = &[
    (
        "en",
        "Hello",
        &["hi", "hey", "hello there", "good morning", "good afternoon", "good evening"],
        "Hello! Ask me about orders, delivery, returns or your account. To talk to a person, just \
         say so.",
    ),
    (
        "en",
        "Thank you",
        &["thanks", "thank you very much", "thanks a lot", "great thanks"],
        "You are welcome! Is there anything else I can help with?",
    ),
    (
        "en",
        "When are you open?",
        &[
            "opening hours",
            "what are your business hours",
            "what time do you open",
            "what time do \
          you close",
            "are you open on Saturday",
            "are you open on Sunday",
        ],
        "We are here Monday to Friday from 9:00 to 18:00 and on Saturday from 9:00 to 13:00.",
    ),
    (
        "en",
        "Where is my order?",
        &[
            "track my order",
            "track my parcel",
            "order status",
            "where is my parcel",
            "where is my package",
            "tracking \
          number",
        ],
        "You find the status of your order under My orders. As soon as it is shipped, the tracking \
         number is there, too.",
    ),
    (
        "en",
        "How long does delivery take?",
        &["delivery time", "shipping time", "when will my order arrive", "how fast is shipping"],
        "Delivery takes 2 to 4 working days on Java and 4 to 8 elsewhere.",
    ),
    (
        "en",
        "How much is delivery?",
        &["delivery cost", "shipping cost", "shipping fee", "is shipping free", "free delivery"],
        "Delivery costs Rp 15,000. It is free for orders of Rp 300,000 or more.",
    ),
    (
        "en",
        "How do I return something?",
        &["return policy", "send it back", "return an item", "return my order", "exchange an item"],
        "You can return anything unused within 14 days. Choose Return under My orders; we send you \
         a label.",
    ),
    (
        "en",
        "How do I get a refund?",
        &[
            "refund",
            "money back",
            "refund policy",
            "when will I get my money back",
            "how long does \
          a refund take",
        ],
        "We refund within 5 working days of your return reaching us, the way you paid.",
    ),
    (
        "en",
        "How do I cancel my order?",
        &["cancel order", "cancel my purchase", "stop my order"],
        "Until it is shipped you can cancel an order yourself under My orders.",
    ),
    (
        "en",
        "How do I reset my password?",
        &[
            "forgot password",
            "forgot my password",
            "change my password",
            "cannot log in",
            "cannot \
          sign in",
            "password does not work",
        ],
        "Choose Forgot password on the login page. We send you a link that works for one hour.",
    ),
    (
        "en",
        "How can I pay?",
        &[
            "payment methods",
            "pay by credit card",
            "do you accept bank transfer",
            "which payment \
          methods do you accept",
            "pay with QRIS",
        ],
        "You can pay by bank transfer, credit card, QRIS or cash on delivery.",
    ),
    (
        "en",
        "How do I change my address?",
        &["change delivery address", "wrong address", "update my address"],
        "Until an order is shipped you can change its address under My orders.",
    ),
    (
        "en",
        "My item is broken",
        &[
            "damaged item",
            "item arrived damaged",
            "product is defective",
            "wrong item",
            "item does \
          not work",
            "broken product",
        ],
        "We are sorry. Please send a photo to us under My orders, Report a problem; we replace the \
         item at no cost.",
    ),
    (
        "id",
        "Halo",
        &[
            "hai",
            "hallo",
            "selamat pagi",
            "selamat siang",
            "selamat sore",
            "selamat malam",
            "assalamualaikum",
            "permisi",
        ],
        "Halo! Silakan tanyakan soal pesanan, pengiriman, pengembalian atau akun Anda. Kalau ingin \
         bicara dengan petugas, tulis saja.",
    ),
    (
        "id",
        "Terima kasih",
        &["makasih", "terimakasih", "trims", "terima kasih banyak", "makasih banyak"],
        "Sama-sama! Ada lagi yang bisa saya bantu?",
    ),
    (
        "id",
        "Jam berapa buka?",
        &[
            "jam buka",
            "jam operasional",
            "jam kerja",
            "kapan buka",
            "buka hari Sabtu",
            "buka hari \
          Minggu",
            "tutup jam berapa",
        ],
        "Kami melayani Senin sampai Jumat pukul 09.00-18.00 dan Sabtu pukul 09.00-13.00.",
    ),
    (
        "id",
        "Di mana pesanan saya?",
        &[
            "lacak pesanan",
            "status pesanan",
            "paket saya di mana",
            "cek resi",
            "nomor resi",
            "pesanan belum sampai",
            "paket belum sampai",
            "cek pesanan",
        ],
        "Status pesanan ada di menu Pesanan saya. Setelah dikirim, nomor resinya juga ada di sana.",
    ),
    (
        "id",
        "Berapa lama pengiriman?",
        &[
            "lama pengiriman",
            "estimasi pengiriman",
            "kapan sampai",
            "berapa hari sampai",
            "kapan \
          pesanan dikirim",
        ],
        "Pengiriman memakan waktu 2-4 hari kerja di Jawa dan 4-8 hari kerja di luar Jawa.",
    ),
    (
        "id",
        "Berapa ongkos kirim?",
        &["ongkir", "ongkir berapa", "biaya kirim", "biaya pengiriman", "gratis ongkir"],
        "Ongkos kirim Rp 15.000, dan gratis untuk pesanan mulai Rp 300.000.",
    ),
    (
        "id",
        "Bagaimana cara mengembalikan barang?",
        &["retur barang", "cara retur", "tukar barang", "kembalikan barang", "pengembalian barang"],
        "Barang yang belum dipakai bisa dikembalikan dalam 14 hari. Pilih Retur di menu Pesanan \
         saya; kami kirimkan labelnya.",
    ),
    (
        "id",
        "Bagaimana cara minta refund?",
        &[
            "refund",
            "uang kembali",
            "pengembalian dana",
            "kapan uang saya kembali",
            "refund berapa \
          lama",
        ],
        "Dana kami kembalikan dalam 5 hari kerja setelah barang kami terima, lewat cara bayar yang \
         sama.",
    ),
    (
        "id",
        "Bagaimana cara membatalkan pesanan?",
        &["batal pesanan", "batalkan pesanan", "cancel pesanan", "pembatalan pesanan"],
        "Selama belum dikirim, pesanan bisa Anda batalkan sendiri di menu Pesanan saya.",
    ),
    (
        "id",
        "Bagaimana cara mengganti kata sandi?",
        &[
            "lupa password",
            "lupa kata sandi",
            "ganti password",
            "reset password",
            "tidak bisa \
          login",
            "tidak bisa masuk",
            "gagal login",
        ],
        "Pilih Lupa kata sandi di halaman masuk. Kami kirimkan tautan yang berlaku satu jam.",
    ),
    (
        "id",
        "Bagaimana cara bayar?",
        &[
            "metode pembayaran",
            "cara pembayaran",
            "bayar pakai kartu kredit",
            "transfer bank",
            "bayar pakai QRIS",
            "bisa COD",
        ],
        "Anda bisa membayar lewat transfer bank, kartu kredit, QRIS atau bayar di tempat (COD).",
    ),
    (
        "id",
        "Bagaimana cara mengganti alamat?",
        &["ganti alamat", "ubah alamat", "salah alamat", "alamat pengiriman salah"],
        "Selama pesanan belum dikirim, alamatnya bisa diubah di menu Pesanan saya.",
    ),
    (
        "id",
        "Barang saya rusak",
        &[
            "barang rusak",
            "barang cacat",
            "produk rusak",
            "barang tidak sesuai",
            "salah kirim",
            "barang salah",
        ],
        "Mohon maaf. Kirimkan fotonya lewat menu Pesanan saya, Laporkan masalah; barang kami ganti \
         tanpa biaya.",
    ),
];

const FIRST_ID: u128 = 0x880e_8400_e29b_41d4_a716_4466_5544_0000;

/// The entries, to be kept. Their ids are the same at every start.
pub(super) fn records() -> Vec<Record> {
    let entries = (FIRST_ID..).zip(TEXTS).map(|(id, (language, question, wordings, answer))| {
        let wordings = wordings.iter().map(|wording| (*wording).to_owned()).collect();
        Record::Faq(FaqEntry {
            id: Uuid::from_u128(id),
            language: (*language).to_owned(),
            question: (*question).to_owned(),
            wordings,
            answer: (*answer).to_owned(),
            is_enabled: true,
            updated_at: Moment::now(),
        })
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::app::FaqOf;
    use crate::bot::{Answer, Faq, Provider, Question};
    use crate::log::{self, Change, Location};
    use crate::model::{ConversationId, TenantId};

    async fn answer(faq: &Faq, text: &str) -> Answer {
        let (tenant, conversation) = (TenantId::default_tenant(), ConversationId::random());
        let question = Question { tenant, conversation, text: text.into(), history: vec![] };
        faq.answer(&question).await.unwrap()
    }

    /// What customers ask, and the question whose answer they should get.
    const ASKED: &[(&str, &str)] = &[
        ("hello", "Hello"),
        ("thanks!", "Thank you"),
        ("What are your opening hours?", "When are you open?"),
        ("when do you open on saturday", "When are you open?"),
        ("where's my order", "Where is my order?"),
        ("I want to track my parcel", "Where is my order?"),
        ("how long does shipping take?", "How long does delivery take?"),
        ("how much does delivery cost", "How much is delivery?"),
        ("Can I return an item?", "How do I return something?"),
        ("I want my money back", "How do I get a refund?"),
        ("please cancel my order", "How do I cancel my order?"),
        ("I forgot my password", "How do I reset my password?"),
        ("can I pay with a credit card", "How can I pay?"),
        ("I need to change my delivery address", "How do I change my address?"),
        ("my item arrived damaged", "My item is broken"),
        ("halo kak", "Halo"),
        ("makasih ya", "Terima kasih"),
        ("jam berapa bukanya?", "Jam berapa buka?"),
        ("pesanan saya di mana ya", "Di mana pesanan saya?"),
        ("berapa lama pengirimannya", "Berapa lama pengiriman?"),
        ("ongkirnya berapa?", "Berapa ongkos kirim?"),
        ("saya mau retur barang", "Bagaimana cara mengembalikan barang?"),
        ("saya mau refund dong", "Bagaimana cara minta refund?"),
        ("tolong batalkan pesanan saya", "Bagaimana cara membatalkan pesanan?"),
        ("saya lupa password", "Bagaimana cara mengganti kata sandi?"),
        ("bisa bayar pakai QRIS?", "Bagaimana cara bayar?"),
        ("mau ubah alamat", "Bagaimana cara mengganti alamat?"),
        ("barangnya rusak", "Barang saya rusak"),
    ];

    /// What it must not pretend to know.
    const UNKNOWN: &[&str] = &[
        "do you sell elephants?",
        "how do I open an account for my company",
        "what is the meaning of life",
        "my order was stolen by a dog and I am angry",
        "asdf",
        "apakah ada lowongan kerja",
        "saya mau kerja sama bisnis",
    ];

    #[tokio::test]
    async fn customers_find_their_answer_whatever_the_store() {
        let dir = tempfile::tempdir().unwrap();
        for location in [Location::Memory, Location::Sqlite(dir.path().join("log.db"))] {
            let (log, mut tail) = log::open(&location, Arc::new(|_, _| {}), None).await.unwrap();
            tokio::spawn(async move { while tail.recv().await.is_some() {} });
            let change = Change::new(vec![], records());
            log.commit(&TenantId::default_tenant(), change).await.unwrap();
            let faq =
                Faq::new(Box::new(FaqOf(log)), crate::config::Config::default().bot.confidence);
            let mut wrong = Vec::new();
            for (text, question) in ASKED {
                let (_, _, _, expected) = TEXTS.iter().find(|(_, q, ..)| q == question).unwrap();
                let given = answer(&faq, text).await;
                if given != Answer::Text((*expected).into()) {
                    wrong.push((*text, given));
                }
            }
            for text in UNKNOWN {
                match answer(&faq, text).await {
                    Answer::Unsure => {}
                    given => wrong.push((*text, given)),
                }
            }
            assert!(wrong.is_empty(), "{location:?}: {wrong:#?}");
        }
    }

    #[test]
    fn both_languages_have_the_same_entries() {
        let count = |tag| TEXTS.iter().filter(|(language, ..)| *language == tag).count();
        assert_eq!(count("en"), count("id"));
        assert!(count("en") >= 10);
    }
}
