// A text's words beside a picture: those that it bears out, those that it contradicts, and what they should have been.

import { $, element, percent } from "./dom.js";

// two pages of hits: what stands behind them is seldom looked at
export const CANDIDATES = 48;

// less likely words say nothing
const WORTH_SAYING = 0.01;

const ABOUT = "Order the best pictures by what they say of each word, and mark the words";
const WORDS_ONLY = "Only images that are found by words can be proofread";

/** Why the hits of a query cannot be proofread, or null: `ability` is the collection's. */
export function hindrance({ query, target }, ability) {
  if (!ability.available) return ability.reason ?? "This service cannot proofread";
  return target === "images" && (!query || query.text) ? null : WORDS_ONLY;
}

/** Show the switch: on or off, and when it cannot be used, why. */
export function showSwitch(on, why) {
  const input = $("proofread");
  // what is disabled loses the focus
  if (why && input === document.activeElement) $("query").focus();
  input.checked = on && !why;
  input.disabled = Boolean(why);
  $("proofread-label").title = why ?? ABOUT;
  $("proofread-why").textContent = why ?? ABOUT;
}

/** The words of a hit's proof in the text that they stand in; null without a proof. */
export function sentence(text, proof) {
  if (!proof?.words || !text) return null;
  // positions count characters, which JavaScript's strings do not
  const characters = [...text];
  const between = (from, to) => characters.slice(from, to).join("");
  const parts = [];
  let at = 0;
  for (const each of proof.words) {
    parts.push(between(at, each.start), word(each));
    at = each.end;
  }
  return element("span", { class: "proof" }, ...parts, between(at));
}

/** What is to be said of each contradicted word, as rows of a list; none without a proof. */
export function remarks(proof) {
  return (proof?.words ?? []).filter((each) => each.contradicted).map((each) => element("li", {}, remark(each)));
}

function word(each) {
  if (each.support == null) {
    return element("span", { class: "word unread", title: "Beyond what the model reads" }, each.text);
  }
  if (!each.contradicted) return element("span", { class: "word right", title: percent(each.support) }, each.text);
  const heard = element("span", { class: "unseen" }, ` (contradicted${suggestion(each)})`);
  return element("span", { class: "word wrong", title: remark(each) }, each.text, heard);
}

const likely = ({ corrections }) => corrections.filter(({ probability }) => probability >= WORTH_SAYING);

function suggestion(each) {
  const [first] = likely(each);
  return first ? `, rather “${first.word}”` : "";
}

function remark(each) {
  const others = likely(each).map(({ word: text, probability }) => `“${text}” ${percent(probability)}`).join(", ");
  return `“${each.text}” is supported by ${percent(each.support)}${others ? `; rather ${others}` : ""}`;
}
