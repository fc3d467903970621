// What was found and how long each stage took; for the eye and, shorter, for screen readers.

import { $, element, plural } from "./dom.js";

const asked = (query) => (query.text ? `for “${query.text}”` : query.file ? "for your picture" : `like ${query.id}`);

/** Show how an answer came about; `count` hits are on the page. */
export function showTimings(answer, count, target) {
  const { total, ...stages } = answer.took_ms;
  const noun = target === "texts" ? "caption" : "image";
  const parts = Object.entries(stages).map(([stage, ms]) => element("span", { class: "stage" }, `${stage} ${ms.toFixed(1)}`));
  $("timings").replaceChildren(
    element("strong", {}, plural(count, noun)),
    element("span", { class: "total", title: "time in the service, milliseconds by stage" }, `${total.toFixed(1)} ms`),
    ...parts,
    ...(answer.cached ? [element("span", { class: "badge", title: "this page of hits came from the cache" }, "cached")] : []),
  );
}

export const clearTimings = () => $("timings").replaceChildren();

/** Tell a screen reader what happened. */
export function announce(text) {
  $("announce").textContent = text;
}

/** Tell a screen reader what was found. */
export function announceFound(query, count, target) {
  const noun = target === "texts" ? "caption" : "image";
  announce(count ? `${plural(count, noun)} ${asked(query)}` : `Nothing found ${asked(query)}`);
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
