// What stands on the page: an answer, the beginning, or a failure. Each takes the place of the one before.

import { holds } from "./address.js";
import { $, number } from "./dom.js";
import { ending, found, totalOf } from "./paging.js";
import { clearProblem, showProblem } from "./problem.js";
import { announce, announceFound, clearTimings, showNotes, showTimings } from "./status.js";
import { clearWelcome, showNothing, showWelcome } from "./welcome.js";

const CUT = "Your text was longer than the model reads: its end was not used.";
const PIECES = (count) => `Your text is longer than the model reads at once: it was read in ${number(count)} pieces.`;
const UNSHARED = "This text is too long for an address: a link to this page leaves it out.";

export class Screen {
  #results;
  #onClear;

  /** `onClear()` drops the query. */
  constructor(results, { onClear }) {
    this.#results = results;
    this.#onClear = onClear;
  }

  /** Show the first hits of an answer to what was `asked`: {query, target, collection}. */
  answer(answer, asked, notes) {
    clearProblem();
    clearWelcome();
    const unshared = asked.query.text && !holds(asked.query);
    const pieces = answer.sentences ? [PIECES(answer.sentences)] : [];
    showNotes([...notes, ...pieces, ...(answer.truncated ? [CUT] : []), ...(unshared ? [UNSHARED] : [])]);
    this.#hits(answer, asked, false);
    if (!answer.hits.length) showNothing(asked.collection, asked.target, this.#onClear);
  }

  /** Show the next hits below those that are there, and go to the first of them. */
  append(answer, asked) {
    const first = this.#results.items.length;
    clearProblem();
    this.#hits(answer, asked, true);
    this.#results.focus(first);
  }

  /** Show a collection that nothing was asked of yet. */
  start(collection, notes, onExample) {
    clearProblem();
    clearTimings();
    showNotes(notes);
    showEnding({ more: false, why: "" });
    this.#results.show(collection.sample, "images");
    showWelcome(collection, onExample);
    announce("");
  }

  /** Show an error in place of everything, or with `below` under the hits that are there. */
  failure(error, retry, { below = false, clearable = false } = {}) {
    if (!("kind" in error)) console.error(error);
    showEnding({ more: false, why: "" });
    if (!below) {
      clearWelcome();
      clearTimings();
      showNotes([]);
      this.#results.clear();
    }
    (below ? $("results") : $("notes")).after($("problem"));
    showProblem(error, { onRetry: retry, onClear: clearable ? this.#onClear : null });
  }

  #hits(answer, { query, target, collection }, append) {
    const fresh = this.#results.show(answer.hits, target, { append, text: answer.text });
    const count = this.#results.items.length;
    const total = totalOf(collection, query, target);
    const text = found(count, total, target);
    showTimings(answer, text);
    announceFound(query, count ? text : "");
    showEnding(ending({ count, total, ended: answer.ended || !fresh }));
  }
}

function showEnding({ more, why }) {
  $("more").hidden = !more;
  $("end").hidden = !why;
  $("end").textContent = why;
}
