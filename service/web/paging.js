// Hits come a page at a time, as far as the service goes.

import { number, plural } from "./dom.js";

export const PAGE = 24;
// the service's bounds on `limit` and `offset`
const MOST = 100;
const LAST = 1000;

/** The first `count` hits as one answer; in several requests where one may not ask for so many. */
export async function fetchHits(ask, count, signal) {
  const first = await ask({ offset: 0, limit: Math.min(count, MOST) }, signal);
  const hits = [...first.hits];
  let ended = hits.length < Math.min(count, MOST);
  for (let offset = MOST; offset < count && offset <= LAST && !ended; offset += MOST) {
    const limit = Math.min(count - offset, MOST);
    const next = await ask({ offset, limit }, signal);
    hits.push(...next.hits);
    ended = next.hits.length < limit;
  }
  return { ...first, hits, ended };
}

/** The page of hits that begins at `offset`. */
export async function fetchPage(ask, offset, signal) {
  const answer = await ask({ offset, limit: PAGE }, signal);
  return { ...answer, ended: answer.hits.length < PAGE };
}

/** How many hits there can be. */
export function totalOf(collection, query, target) {
  if (target === "texts") return collection.captions;
  // an item is not like itself
  return collection.count - (query.id ? 1 : 0);
}

/** "24 of 1,000 images", or "24 images" when that is all. */
export function found(count, total, target) {
  const noun = target === "texts" ? "caption" : "image";
  return count < total ? `${number(count)} of ${plural(total, noun)}` : plural(count, noun);
}

/** Whether more can be shown, and if not although there is more, why. */
export function ending({ count, total, ended }) {
  if (ended && count && count < total) return { more: false, why: "That is all that the index found." };
  if (ended || count === total) return { more: false, why: "" };
  if (count <= LAST) return { more: true, why: "" };
  const why = `These are the best ${number(count)} of ${number(total)}: the service goes no further. A closer search finds others.`;
  return { more: false, why };
}
