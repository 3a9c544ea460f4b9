/** The words of the widget. */
import type { Texts } from "../ui/language.tsx";

const en = {
  title: "Chat with us",
  unreadTitle: (count: number) => `(${count}) Chat with us`,
  brand: "Customer care",
  language: "Bahasa Indonesia",
  hide: "Hide the chat",

  greeting: "Hello! How can we help?",
  greetingText:
    "Ask anything. The assistant answers at once, and a person takes over when you like.",
  suggestions: ["Where is my order?", "What are your opening hours?", "How do I get a refund?"],

  assistant: "Assistant",
  botAnswers: "The assistant answers at once",
  personSoon: "A person will be with you shortly",
  inQueue: (position: number) => `Number ${position} in the queue`,
  wait: (seconds: number) => {
    if (seconds === 0) return "your turn in a moment";
    return seconds < 90 ? "about a minute" : `about ${Math.round(seconds / 60)} min`;
  },
  closed: (opens: string | undefined) =>
    opens ? `Closed. Open again: ${opens}` : "We are closed at the moment",
  agentHere: (name: string) => `${name} is answering`,
  aPerson: "An agent",

  noConnection: "No connection",
  offline: "No connection. What you write is sent as soon as it is back.",
  slow: "Still no connection. We keep trying about once a minute.",
  tryNow: "Try now",
  ended: "This conversation cannot be continued here.",
  startNew: "Start a new conversation",
  failed: (reason: string) => `That did not work: ${reason}`,
  noAnswer: "the server does not answer",

  log: "Messages",
  older: "Earlier messages",
  newest: (count: number) => (count === 1 ? "1 new message" : `${count} new messages`),
  toEnd: "Newest messages",
  typing: (name: string) => `${name} is typing`,
  you: "You",
  today: "Today",
  yesterday: "Yesterday",

  notices: {
    handoff: "We are looking for a person to help you",
    assigned: (name: string) => `${name} has joined the chat`,
    transferred: "You are being handed to a colleague",
    lost: "The agent was cut off; you are first in line",
    escalated: "More colleagues are asked to help you",
    closed: "This conversation is closed. Write to open it again.",
    reopened: "The conversation is open again",
  },

  input: "Your message",
  placeholder: "Write a message",
  send: "Send",
  tooLong: "This message is too long. Please shorten it.",
  outboxFull: "Too many messages are waiting to be sent.",
  person: "Talk to a person",
  personWords: "I would like to talk to a person.",
};

const id: typeof en = {
  title: "Mengobrol dengan kami",
  unreadTitle: (count) => `(${count}) Mengobrol dengan kami`,
  brand: "Layanan pelanggan",
  language: "English",
  hide: "Sembunyikan obrolan",

  greeting: "Halo! Ada yang bisa kami bantu?",
  greetingText:
    "Tanyakan apa saja. Asisten menjawab seketika, dan petugas mengambil alih kapan pun Anda mau.",
  suggestions: [
    "Di mana pesanan saya?",
    "Jam berapa Anda buka?",
    "Bagaimana cara mengembalikan barang?",
  ],

  assistant: "Asisten",
  botAnswers: "Asisten menjawab seketika",
  personSoon: "Petugas akan segera melayani Anda",
  inQueue: (position) => `Nomor ${position} dalam antrean`,
  wait: (seconds) => {
    if (seconds === 0) return "sebentar lagi giliran Anda";
    return seconds < 90 ? "sekitar semenit" : `sekitar ${Math.round(seconds / 60)} mnt`;
  },
  closed: (opens) => (opens ? `Tutup. Buka kembali: ${opens}` : "Kami sedang tutup"),
  agentHere: (name) => `${name} sedang melayani`,
  aPerson: "Petugas",

  noConnection: "Tidak ada koneksi",
  offline: "Tidak ada koneksi. Pesan Anda dikirim begitu tersambung lagi.",
  slow: "Masih belum ada koneksi. Kami mencoba kira-kira setiap menit.",
  tryNow: "Coba sekarang",
  ended: "Percakapan ini tidak dapat dilanjutkan di sini.",
  startNew: "Mulai percakapan baru",
  failed: (reason) => `Tidak berhasil: ${reason}`,
  noAnswer: "server tidak menjawab",

  log: "Pesan",
  older: "Pesan sebelumnya",
  newest: (count) => `${count} pesan baru`,
  toEnd: "Pesan terbaru",
  typing: (name) => `${name} sedang mengetik`,
  you: "Anda",
  today: "Hari ini",
  yesterday: "Kemarin",

  notices: {
    handoff: "Kami mencarikan petugas untuk Anda",
    assigned: (name) => `${name} bergabung`,
    transferred: "Anda dialihkan ke rekan kami",
    lost: "Petugas terputus; Anda di urutan pertama",
    escalated: "Rekan lain juga kami minta membantu Anda",
    closed: "Percakapan ini ditutup. Tulis pesan untuk membukanya lagi.",
    reopened: "Percakapan dibuka kembali",
  },

  input: "Pesan Anda",
  placeholder: "Tulis pesan",
  send: "Kirim",
  tooLong: "Pesan ini terlalu panjang. Mohon dipersingkat.",
  outboxFull: "Terlalu banyak pesan menunggu dikirim.",
  person: "Bicara dengan petugas",
  personWords: "Saya ingin bicara dengan petugas.",
};

export const TEXTS: Texts<typeof en> = { en, id };
export type WidgetTexts = typeof en;
