// Which collection is searched, and what is known about it.

import { $, element, number, plural } from "./dom.js";

/** Offer the collections; one alone needs no choice. Below the page: what cannot be served, folded. */
export function showCollections({ names, unavailable }, chosen) {
  $("collection").replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
  $("picker").hidden = names.length < 2;
  const faults = Object.entries(unavailable);
  const label = faults.some(([name]) => names.includes(name)) ? "not available or not up to date" : "not available";
  $("faults").hidden = !faults.length;
  $("faults-count").textContent = `${number(faults.length)} ${label}`;
  $("faults-list").replaceChildren(...faults.map(([name, reason]) => element("li", {}, element("b", {}, name), `: ${reason}`)));
}

/** Show what is searched: size, model, version; without captions there are none to find. */
export function showFacts(collection) {
  const { name, count, captions, model, version } = collection;
  const parts = [name, plural(count, "image"), plural(captions, "caption"), `model ${model}`, `version ${version}`];
  $("facts").textContent = parts.join(" · ");
  const texts = radio("texts");
  // what is disabled loses the focus
  if (!captions && texts === document.activeElement) radio("images").focus();
  texts.disabled = !captions;
  $("target").title = captions ? "" : "This collection has no captions";
}

export function showTarget(target) {
  radio(target).checked = true;
}

const radio = (target) => $("target").querySelector(`[value=${target}]`);
