/** The words that stand below a message on every page that lists messages. */
import type { Texts } from "./language.tsx";

const en = {
  marks: {
    pending: "Waiting to be sent",
    sent: "Sent",
    delivered: "Delivered",
    read: "Read",
    failed: "Not sent",
  },
  retry: "Send again",
  discard: "Discard",
};

const id: typeof en = {
  marks: {
    pending: "Menunggu dikirim",
    sent: "Terkirim",
    delivered: "Sampai",
    read: "Dibaca",
    failed: "Tidak terkirim",
  },
  retry: "Kirim ulang",
  discard: "Buang",
};

export const TEXTS: Texts<typeof en> = { en, id };
export type SaidTexts = typeof en;
