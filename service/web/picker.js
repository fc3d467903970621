// Which collection is searched, and what is known about it.

import { $, plural } from "./dom.js";

/** Offer the collections; one alone needs no choice. */
export function showCollections(names, chosen) {
  $("collection").replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
  $("picker").hidden = names.length < 2;
}

/** Show what is searched: size, model, version; without captions there are none to find. */
export function showFacts(collection) {
  const { name, count, captions, model, version } = collection;
  const parts = [name, plural(count, "image"), plural(captions, "caption"), `model ${model}`, `version ${version}`];
  $("facts").textContent = parts.join(" · ");
  $("target").querySelector("[value=texts]").disabled = !captions;
  $("target").title = captions ? "" : "This collection has no captions";
}

export function showTarget(target) {
  $("target").querySelector(`[value=${target}]`).checked = true;
}
