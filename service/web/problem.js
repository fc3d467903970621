// Errors, each with what to do about it.

import { key, useKey } from "./access.js";
import { $, element } from "./dom.js";

// by the last part of a problem's stable type (docs/api.md)
const ADVICE = {
  unreachable: "This page looks for it and goes on by itself as soon as it answers.",
  "not-ready": "Models and collections are being opened. This page goes on by itself.",
  "nothing-served": "Index a folder of pictures; it appears here by itself once it is published:",
  "image-too-large": "Make the picture smaller, then drop it again.",
  "image-unreadable": "Use a JPEG, PNG, WebP or another common picture file that opens elsewhere.",
  "image-unreachable": "The place where the pictures are stored is down: try again later.",
  "body-too-large": "Make the picture smaller, then drop it again.",
  "collection-unknown": "It may have been removed. Load the page again to see what there is.",
  "item-unknown": "It may have been removed since this address was made. Clear the search, or use other words.",
  "proofreader-missing": "Switch Proofread off, or choose another collection.",
  "patches-missing": "Switch Proofread off, or choose another collection.",
  "patches-invalid": "Switch Proofread off, or index the collection again.",
  "query-invalid": "Change the search as the message says.",
  "request-invalid": "Change the search as the message says.",
  "text-invalid": "Type the text again: a character of it was cut in two.",
  "key-missing": "Whoever runs this service makes keys. Yours is kept in this tab until you close it, and nowhere else.",
  "key-unknown": "It may have been revoked, or be cut short. Paste it again, or ask for another.",
  "scope-missing": "Use a key with the scope search.",
  "keys-unreadable": "The service closed itself: whoever runs it finds the reason in its log.",
  "rate-limited": "Your key may ask so often only. This page tries again by itself.",
  "concurrency-limited": "Others use the same key at this moment. This page tries again by itself.",
  "queue-full": "Many people search at this moment. This page tries again by itself.",
  "deadline-exceeded": "The service is busy. This page tries again by itself.",
};
const COMMAND = "vilem index build NAME FOLDER --model scenes-s";

// the same question gets the same answer: only another one helps
const FINAL = new Set([
  "image-too-large", "image-unreadable", "body-too-large", "item-unknown", "query-invalid", "request-invalid", "text-invalid",
]);
// these pass: it is worth trying again without being asked
const PASSING = new Set([
  "unreachable", "not-ready", "nothing-served", "queue-full", "deadline-exceeded", "rate-limited", "concurrency-limited",
]);
// another key helps
const KEYED = new Set(["key-missing", "key-unknown", "scope-missing"]);

export const passes = (error) => PASSING.has(error.kind);

/** Show an error; `onRetry` and `onClear` belong to its buttons. */
export function showProblem(error, { onRetry, onClear }) {
  // an error that is not of the API is a defect of this page: say it, do not hide it
  const { kind = "unknown", title = "This page has a defect", detail = error.message } = error;
  const waiting = passes({ kind });
  const final = FINAL.has(kind) && onClear;
  const parts = [
    element("h2", {}, waiting ? element("span", { class: "pulse", "aria-hidden": "true" }) : null, title),
    element("p", {}, sentence(detail)),
    element("p", { class: "quiet" }, ADVICE[kind] ?? "Try again; if it stays, the service's log says more."),
    kind === "nothing-served" ? element("pre", {}, COMMAND) : null,
    KEYED.has(kind) ? keyForm(onRetry) : null,
    element(
      "p",
      { class: "actions" },
      final || KEYED.has(kind) ? null : element("button", { type: "button", class: "main", click: onRetry }, "Try again"),
      onClear ? element("button", { type: "button", class: final ? "main" : null, click: onClear }, "Clear the search") : null,
    ),
  ];
  $("problem").replaceChildren(...parts.filter(Boolean));
  $("problem").classList.toggle("passing", waiting);
  $("problem").hidden = false;
}

/** Where a key is given; then what failed is tried again. */
function keyForm(onRetry) {
  const field = element("input", {
    type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true, value: key() ?? "",
  });
  const submit = (event) => {
    event.preventDefault();
    useKey(field.value.trim());
    onRetry();
  };
  return element(
    "form",
    { class: "key-form", submit },
    element("label", { for: "key" }, "Key"),
    field,
    element("button", { class: "main" }, "Use this key"),
  );
}

export function clearProblem() {
  $("problem").hidden = true;
  $("problem").replaceChildren();
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
