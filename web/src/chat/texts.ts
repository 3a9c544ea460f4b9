/** The words of the test page. */
import type { EscalatedData } from "@switchboard/client/session";
import type { Texts } from "../ui/language.tsx";

type EscalationAction = EscalatedData["action"];

const en = {
  title: "Test page · Switchboard",
  heading: "Test page",
  lead: "A customer and an agent in one window. Chat, cut a line, restore it, and watch the frames.",
  conversation: "Conversation",
  copyLink: "link to this conversation",
  copyId: "id of this conversation",
  newConversation: "New conversation",
  noServer: "The server does not answer. Trying again.",
  customer: "Customer",
  agent: "Agent",
  customerLead: "What a visitor sees",
  agentLead: "What your team sees",

  startTitle: "Talk to us",
  startText: "Start a conversation as a customer. No account is needed.",
  name: "Your name",
  defaultName: "Demo customer",
  start: "Start conversation",
  starting: "Starting",
  agentIdleTitle: "Nobody is waiting",
  agentIdleText: "Start a conversation on the customer's side, then answer it here.",
  joinTitle: "A conversation is open",
  joinText: "Join it as an agent and write back.",
  join: "Join as agent",
  loginTitle: "Agent sign-in",
  loginText: "Agents need an account here.",
  demoLogin: "The demo has filled in one of its own.",
  email: "E-mail",
  password: "Password",
  login: "Sign in",
  failed: (reason: string) => `That did not work: ${reason}`,
  noAnswer: "the server does not answer",

  connecting: "Connecting",
  connected: "Connected",
  reconnecting: "Reconnecting",
  reconnectingIn: (seconds: number) => `Reconnecting in ${seconds} s`,
  disconnected: "Disconnected",
  notStarted: "Not connected",
  slow: (attempts: number) =>
    `${attempts} attempts without success. Still trying, about once a minute.`,
  tryNow: "Try now",
  cut: "Cut the line",
  restore: "Restore",
  frames: "Frames",
  cutNote: "The line is cut. What you write now is sent when it is restored.",
  ended: {
    1000: "The server has closed this connection.",
    4001: "The access to this conversation has ended.",
    4003: "This side may not join the conversation.",
    4004: "This conversation does not exist.",
    4010: "You were removed from the conversation.",
  } as Record<number, string>,
  endedOther: (code: number) => `The connection has ended (code ${code}).`,

  dialect: (side: string) => `Dialect of the ${side.toLowerCase()}`,
  dialects: { session: "Session", socketio: "Socket.IO", polling: "Socket.IO, polling" },

  people: "Who is connected",
  nobody: "Nobody is connected",
  unknown: "Known again once connected",
  since: (time: string) => `since ${time}`,
  types: { customer: "customer", agent: "agent", admin: "admin" } as Record<string, string>,
  you: "you",
  waiting: "Customer waiting for agent!",
  abandoned: "Customer has left the session",
  inQueue: (position: number) => `Number ${position} in the queue.`,
  wait: (seconds: number): string => `About ${en.span(seconds)} to wait.`,
  span: (seconds: number) =>
    seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`,
  agentSoon: "An agent will be with you shortly.",
  agentComes: (name: string) => `${name} will be with you shortly.`,
  closed: (opens: string | undefined) =>
    opens ? `We are closed. Open again: ${opens}.` : "We are closed at the moment.",

  log: (side: string) => `Messages, seen by the ${side.toLowerCase()}`,
  empty: "No messages yet. Say hello.",
  older: "Load older messages",
  jump: "Newest messages",
  typing: (name: string) => `${name} is typing`,
  input: (side: string) => `Message as ${side.toLowerCase()}`,
  placeholder: "Write a message",
  send: "Send",
  tooLong: "This message is longer than 16 KiB. Please shorten it.",
  outboxFull: "Too many messages are waiting to be sent. Restore the line first.",

  notices: {
    joined: (id: string) => `${id} has joined the session`,
    returned: (id: string) => `${id} is back`,
    left: (id: string, reason: string | undefined) =>
      `${id} has left the session${reason ? ` (${reason})` : ""}`,
    resync: "The server has sent the conversation anew",
    conversation_assigned: (id: string) => `${id} takes this conversation`,
    conversation_queued: "The conversation is waiting for an agent",
    conversation_transferred: {
      agent: "The conversation is handed to another agent",
      department: "The conversation is handed to another department",
    },
    conversation_outside_hours: "It waits outside opening hours",
    conversation_escalated: (wait: string, action: EscalationAction) =>
      `Nobody has come for ${wait}: ${
        {
          supervisors: "the supervisors are told",
          department: "another department is asked, too",
          bot: "the assistant tries to help",
          offline_message: "the customer is asked to leave a message",
        }[action]
      }`,
    conversation_closed: "The conversation is closed; a new message opens it again",
    conversation_reopened: "The conversation is open again",
    conversation_handoff: {
      toBot: "The assistant answers",
      toQueue: "A person is asked to take over",
      lost: "The agent is gone; somebody else is asked to take over",
    },
    conversation_rated: (score: number, comment: string | undefined) =>
      `The customer gives ${score} of 5${comment ? `: ${comment}` : ""}`,
    conversation_offered: (name: string, until: string | undefined) =>
      `${name} is asked to take it${until ? ` until ${until}` : ""}`,
    conversation_offer_ended: {
      accepted: "",
      declined: "The agent who was asked has declined",
      expired: "The agent who was asked has not answered in time",
      withdrawn: "The agent is no longer asked",
    },
  },
  reasons: {
    client_close: "",
    network_error: "connection lost",
    heartbeat_timeout: "no sign of life",
    slow_consumer: "too slow",
    server_shutdown: "server restart",
    node_lost: "server lost",
    kicked: "removed",
    policy: "not allowed",
  } as Record<string, string>,

  rawTitle: (side: string) => `Frames of the ${side.toLowerCase()}`,
  rawEmpty: "Nothing has gone over the wire yet.",
  rawIn: "received",
  rawOut: "sent",
  rawClear: "Clear",
  rawCount: (count: number) => `last ${count}`,
};

const id: typeof en = {
  title: "Halaman uji · Switchboard",
  heading: "Halaman uji",
  lead: "Pelanggan dan agen dalam satu jendela. Mengobrol, putuskan jalur, pulihkan, dan lihat frame-nya.",
  conversation: "Percakapan",
  copyLink: "tautan ke percakapan ini",
  copyId: "id percakapan ini",
  newConversation: "Percakapan baru",
  noServer: "Server tidak menjawab. Mencoba lagi.",
  customer: "Pelanggan",
  agent: "Agen",
  customerLead: "Yang dilihat pengunjung",
  agentLead: "Yang dilihat tim Anda",

  startTitle: "Bicara dengan kami",
  startText: "Mulai percakapan sebagai pelanggan. Tidak perlu akun.",
  name: "Nama Anda",
  defaultName: "Pelanggan demo",
  start: "Mulai percakapan",
  starting: "Memulai",
  agentIdleTitle: "Tidak ada yang menunggu",
  agentIdleText: "Mulai percakapan di sisi pelanggan, lalu jawab di sini.",
  joinTitle: "Ada percakapan terbuka",
  joinText: "Bergabunglah sebagai agen dan balas.",
  join: "Gabung sebagai agen",
  loginTitle: "Masuk sebagai agen",
  loginText: "Agen memerlukan akun di sini.",
  demoLogin: "Demo sudah mengisi akunnya sendiri.",
  email: "Surel",
  password: "Kata sandi",
  login: "Masuk",
  failed: (reason) => `Tidak berhasil: ${reason}`,
  noAnswer: "server tidak menjawab",

  connecting: "Menyambungkan",
  connected: "Tersambung",
  reconnecting: "Menyambung ulang",
  reconnectingIn: (seconds) => `Menyambung ulang dalam ${seconds} dtk`,
  disconnected: "Terputus",
  notStarted: "Belum tersambung",
  slow: (attempts) =>
    `${attempts} percobaan belum berhasil. Tetap mencoba, kira-kira setiap menit.`,
  tryNow: "Coba sekarang",
  cut: "Putuskan jalur",
  restore: "Pulihkan",
  frames: "Frame",
  cutNote: "Jalur diputus. Yang Anda tulis sekarang dikirim setelah dipulihkan.",
  ended: {
    1000: "Server telah menutup koneksi ini.",
    4001: "Akses ke percakapan ini telah berakhir.",
    4003: "Sisi ini tidak boleh bergabung ke percakapan.",
    4004: "Percakapan ini tidak ada.",
    4010: "Anda dikeluarkan dari percakapan.",
  },
  endedOther: (code) => `Koneksi telah berakhir (kode ${code}).`,

  dialect: (side) => `Dialek ${side.toLowerCase()}`,
  dialects: { session: "Sesi", socketio: "Socket.IO", polling: "Socket.IO, polling" },

  people: "Siapa yang tersambung",
  nobody: "Tidak ada yang tersambung",
  unknown: "Diketahui lagi setelah tersambung",
  since: (time) => `sejak ${time}`,
  types: { customer: "pelanggan", agent: "agen", admin: "admin" },
  you: "Anda",
  waiting: "Pelanggan menunggu agen!",
  abandoned: "Pelanggan telah meninggalkan sesi",
  inQueue: (position) => `Nomor ${position} dalam antrean.`,
  wait: (seconds) => `Sekitar ${id.span(seconds)} menunggu.`,
  span: (seconds) =>
    seconds < 90 ? `${Math.max(1, Math.round(seconds))} dtk` : `${Math.round(seconds / 60)} mnt`,
  agentSoon: "Agen akan segera melayani Anda.",
  agentComes: (name) => `${name} akan segera melayani Anda.`,
  closed: (opens) =>
    opens ? `Kami sedang tutup. Buka kembali: ${opens}.` : "Kami sedang tutup.",

  log: (side) => `Pesan, dilihat oleh ${side.toLowerCase()}`,
  empty: "Belum ada pesan. Silakan menyapa.",
  older: "Muat pesan lama",
  jump: "Pesan terbaru",
  typing: (name) => `${name} sedang mengetik`,
  input: (side) => `Pesan sebagai ${side.toLowerCase()}`,
  placeholder: "Tulis pesan",
  send: "Kirim",
  tooLong: "Pesan ini lebih dari 16 KiB. Mohon dipersingkat.",
  outboxFull: "Terlalu banyak pesan menunggu dikirim. Pulihkan jalur dahulu.",

  notices: {
    joined: (user) => `${user} telah bergabung ke sesi`,
    returned: (user) => `${user} kembali`,
    left: (user, reason) => `${user} telah meninggalkan sesi${reason ? ` (${reason})` : ""}`,
    resync: "Server mengirim ulang percakapan ini",
    conversation_assigned: (user) => `${user} menangani percakapan ini`,
    conversation_queued: "Percakapan menunggu agen",
    conversation_transferred: {
      agent: "Percakapan dialihkan ke agen lain",
      department: "Percakapan dialihkan ke departemen lain",
    },
    conversation_outside_hours: "Percakapan menunggu di luar jam buka",
    conversation_escalated: (wait, action) =>
      `Belum ada yang menjawab selama ${wait}: ${
        {
          supervisors: "para penyelia diberi tahu",
          department: "departemen lain juga diminta",
          bot: "asisten mencoba membantu",
          offline_message: "pelanggan diminta meninggalkan pesan",
        }[action]
      }`,
    conversation_closed: "Percakapan ditutup; pesan baru membukanya kembali",
    conversation_reopened: "Percakapan dibuka kembali",
    conversation_handoff: {
      toBot: "Asisten menjawab",
      toQueue: "Petugas diminta mengambil alih",
      lost: "Agen terputus; petugas lain diminta mengambil alih",
    },
    conversation_rated: (score, comment) =>
      `Pelanggan memberi nilai ${score} dari 5${comment ? `: ${comment}` : ""}`,
    conversation_offered: (name, until) =>
      `${name} diminta menangani percakapan ini${until ? ` sampai ${until}` : ""}`,
    conversation_offer_ended: {
      accepted: "",
      declined: "Agen yang diminta menolak",
      expired: "Agen yang diminta tidak menjawab tepat waktu",
      withdrawn: "Agen tidak lagi diminta",
    },
  },
  reasons: {
    client_close: "",
    network_error: "koneksi hilang",
    heartbeat_timeout: "tidak ada kabar",
    slow_consumer: "terlalu lambat",
    server_shutdown: "server dimulai ulang",
    node_lost: "server hilang",
    kicked: "dikeluarkan",
    policy: "tidak diizinkan",
  },

  rawTitle: (side) => `Frame ${side.toLowerCase()}`,
  rawEmpty: "Belum ada yang lewat.",
  rawIn: "diterima",
  rawOut: "dikirim",
  rawClear: "Bersihkan",
  rawCount: (count) => `${count} terakhir`,
};

export const TEXTS: Texts<typeof en> = { en, id };
export type ChatTexts = typeof en;
