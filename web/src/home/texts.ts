/** The words of the start page. */
import type { Texts } from "../ui/language.tsx";

const en = {
  title: "Switchboard",
  headline: "Every conversation, connected.",
  intro:
    "Customers, agents and programs talk in real time through one server. Who is here is always " +
    "known, and a message that was confirmed is on disk.",
  openTest: "Open the test page",
  openDocs: "API reference",
  demo: "Demo",
  statusHealthy: "All parts running",
  statusDegraded: "Running, with limits",
  statusUnknown: "Checking",
  statusUnreachable: "Not reachable",
  now: "Right now",
  nowLead: "Refreshed every few seconds from",
  connections: "Open connections",
  uptime: "Running for",
  version: "Version",
  sockets: "Sockets",
  store: "Store",
  redis: "Redis",
  kafka: "Kafka",
  unknownState: "unknown",
  fine: "running",
  off: "off",
  runs: "What runs here",
  runsLead: "Each dialect reaches the same conversations; users of one talk to users of another.",
  dialects: {
    session: {
      title: "Session sockets",
      text: "One customer and one agent per path, who is connected, receipts and typing.",
    },
    socketio: {
      title: "Socket.IO",
      text: "Unmodified Socket.IO clients, with rooms and connection recovery.",
    },
    hub: {
      title: "Event hub",
      text: "Call, queue, agent and chat events by subscription, for consoles and services.",
    },
  } as Record<string, { title: string; text: string }>,
  otherDialect: "A socket dialect of this server.",
  heartbeat: (seconds: number) => `Heartbeat every ${seconds} s`,
  openSessions: "Sessions are open: no token needed",
  closedSessions: "Sessions need a token",
  noAbout: "This server did not say what it runs.",
  first: "A first chat in three steps",
  firstLead: "In the terminal, or with two clicks on the",
  testPage: "test page",
  stepStart: "Start a conversation",
  stepStartText: "A customer needs no account. The answer holds the ids and the customer's token.",
  stepConnect: "Connect and say hello",
  stepConnectText:
    "Put the ids and the token of step 1 in their places. Every line you type is one frame; this " +
    "is a greeting:",
  stepAnswer: "Answer as an agent",
  stepAnswerOpen: "Open the same conversation in the browser and write back.",
  stepAnswerClosed: "Sign in for a token, then connect to the same conversation as an agent.",
  code: (step: string) => `Code: ${step}`,
  more: "Everything else",
  links: {
    test: { title: "Test page", text: "A customer and an agent side by side, with raw frames." },
    docs: { title: "API reference", text: "Every endpoint and event, with examples to copy and try." },
    openapi: { title: "OpenAPI 3.1", text: "The endpoints, described for machines." },
    asyncapi: { title: "AsyncAPI 3", text: "The hub and its events, described for machines." },
    metrics: { title: "Metrics", text: "For Prometheus and everything that reads it." },
    health: { title: "Health", text: "One JSON answer for load balancers and people." },
  },
};

const id: typeof en = {
  title: "Switchboard",
  headline: "Setiap percakapan, tersambung.",
  intro:
    "Pelanggan, agen, dan program berbicara secara real-time lewat satu server. Siapa yang hadir " +
    "selalu diketahui, dan pesan yang sudah dikonfirmasi tersimpan di disk.",
  openTest: "Buka halaman uji",
  openDocs: "Referensi API",
  demo: "Demo",
  statusHealthy: "Semua bagian berjalan",
  statusDegraded: "Berjalan terbatas",
  statusUnknown: "Memeriksa",
  statusUnreachable: "Tidak terjangkau",
  now: "Saat ini",
  nowLead: "Diperbarui setiap beberapa detik dari",
  connections: "Koneksi terbuka",
  uptime: "Berjalan selama",
  version: "Versi",
  sockets: "Soket",
  store: "Penyimpanan",
  redis: "Redis",
  kafka: "Kafka",
  unknownState: "tidak diketahui",
  fine: "berjalan",
  off: "mati",
  runs: "Yang berjalan di sini",
  runsLead:
    "Setiap dialek menjangkau percakapan yang sama; pengguna dialek yang berbeda tetap saling " +
    "terhubung.",
  dialects: {
    session: {
      title: "Soket sesi",
      text: "Satu pelanggan dan satu agen per jalur, status koneksi, tanda terima, dan ketikan.",
    },
    socketio: {
      title: "Socket.IO",
      text: "Klien Socket.IO tanpa perubahan, dengan ruang dan pemulihan koneksi.",
    },
    hub: {
      title: "Hub peristiwa",
      text: "Peristiwa panggilan, antrean, agen, dan obrolan untuk konsol dan layanan.",
    },
  },
  otherDialect: "Salah satu dialek soket server ini.",
  heartbeat: (seconds) => `Detak setiap ${seconds} dtk`,
  openSessions: "Sesi terbuka: tanpa token",
  closedSessions: "Sesi memerlukan token",
  noAbout: "Server ini tidak menyebutkan apa yang dijalankannya.",
  first: "Obrolan pertama dalam tiga langkah",
  firstLead: "Lewat terminal, atau dengan dua klik di",
  testPage: "halaman uji",
  stepStart: "Mulai percakapan",
  stepStartText: "Pelanggan tidak perlu akun. Jawabannya berisi id dan token pelanggan.",
  stepConnect: "Sambungkan dan sapa",
  stepConnectText:
    "Isikan id dan token dari langkah 1. Setiap baris yang diketik adalah satu frame; ini sebuah " +
    "sapaan:",
  stepAnswer: "Jawab sebagai agen",
  stepAnswerOpen: "Buka percakapan yang sama di peramban dan balas.",
  stepAnswerClosed: "Masuk untuk mendapat token, lalu sambungkan sebagai agen.",
  code: (step) => `Kode: ${step}`,
  more: "Selengkapnya",
  links: {
    test: { title: "Halaman uji", text: "Pelanggan dan agen berdampingan, dengan frame mentah." },
    docs: { title: "Referensi API", text: "Setiap endpoint, dengan contoh siap salin dan coba." },
    openapi: { title: "OpenAPI 3.1", text: "Deskripsi endpoint untuk mesin." },
    asyncapi: { title: "AsyncAPI 3", text: "Deskripsi hub dan peristiwanya untuk mesin." },
    metrics: { title: "Metrik", text: "Untuk Prometheus dan semua pembacanya." },
    health: { title: "Kesehatan", text: "Satu jawaban JSON untuk load balancer dan manusia." },
  },
};

export const TEXTS: Texts<typeof en> = { en, id };
