/**
 * The chat widget: a page of its own that is made to stand in a frame of somebody else's page. Its
 * address says which language, tenant and conversation; see `saved.ts`.
 */
import "../ui/base.css";
import "../ui/said.css";
import "./widget.css";
import { render } from "preact";
import { LanguageProvider } from "../ui/language.tsx";
import { readWish } from "./saved.ts";
import { isFramed } from "./surroundings.ts";
import { Widget } from "./widget.tsx";

const root = document.getElementById("app");
if (!root) throw new Error("the document has no #app");
const wish = readWish(location.search);
document.documentElement.classList.toggle("framed", isFramed);
render(
  <LanguageProvider initial={wish.language}>
    <Widget wish={wish} />
  </LanguageProvider>,
  root,
);
