// What was found and how long each stage took; for the eye and, shorter, for screen readers.

import { $, cut, element } from "./dom.js";

// what a screen reader is told of a text, which may be pages long
const HEARD = 120;
// as much of it as a tab and a list of bookmarks can show
const TITLE = 60;

const asked = (query) => (query.text ? `for “${cut(query.text, HEARD)}”` : query.file ? "for your picture" : `like ${query.id}`);

/** Show how an answer came about; `found` says how many hits of how many are on the page. */
export function showTimings(answer, found) {
  const { total, ...stages } = answer.took_ms;
  const parts = Object.entries(stages).map(([stage, ms]) => element("span", { class: "stage" }, `${stage} ${ms.toFixed(1)}`));
  $("timings").replaceChildren(
    element("strong", {}, found),
    element("span", { class: "total", title: "time in the service, milliseconds by stage" }, `${total.toFixed(1)} ms`),
    ...parts,
    ...(answer.cached ? [element("span", { class: "badge", title: "this page of hits came from the cache" }, "cached")] : []),
  );
}

export const clearTimings = () => $("timings").replaceChildren();

/** Name the page after what is searched for in words. */
export function showTitle(text) {
  document.title = text ? `${cut(text, TITLE)} · ViLEM Search` : "ViLEM Search";
}

/** Tell a screen reader what happened. */
export function announce(text) {
  $("announce").textContent = text;
}

/** Tell a screen reader what was found. */
export function announceFound(query, found) {
  announce(`${found || "Nothing found"} ${asked(query)}`);
}

/** Show that an answer is awaited; style.css waits a moment before it shows anything. */
export function busy(waiting) {
  $("field").classList.toggle("busy", waiting);
  $("results").setAttribute("aria-busy", String(waiting));
}

/** Short remarks above the hits, in place of those that were there. */
export function showNotes(notes) {
  $("notes").replaceChildren(...notes.map((note) => element("li", { class: "note" }, note)));
}
