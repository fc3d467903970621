// What stands on the page: an answer, the beginning, or a failure. Each takes the place of the one before.

import { $ } from "./dom.js";
import { clearProblem, showProblem } from "./problem.js";
import { announce, announceFound, clearTimings, showNotes, showTimings } from "./status.js";
import { clearWelcome, showNothing, showWelcome } from "./welcome.js";

const CUT = "Your text was longer than the model reads: its end was not used.";

export class Screen {
  #results;
  #page;
  #last;
  #onClear;

  /** `page` hits come at a time, the `last` offset is the service's bound; `onClear()` drops the query. */
  constructor(results, { page, last, onClear }) {
    this.#results = results;
    this.#page = page;
    this.#last = last;
    this.#onClear = onClear;
  }

  /** Show the first hits of an answer. */
  answer(answer, { query, target, collection }, notes) {
    clearProblem();
    clearWelcome();
    showNotes(answer.truncated ? [...notes, CUT] : notes);
    this.#hits(answer, query, target, false);
    if (!answer.hits.length) showNothing(collection, target, this.#onClear);
  }

  /** Show the next hits below those that are there, and go to the first of them. */
  append(answer, { query, target }) {
    const first = this.#results.items.length;
    clearProblem();
    this.#hits(answer, query, target, true);
    this.#results.focus(first);
  }

  /** Show a collection that nothing was asked of yet. */
  start(collection, notes, onExample) {
    clearProblem();
    clearTimings();
    showNotes(notes);
    $("more").hidden = true;
    this.#results.show(collection.sample, "images");
    showWelcome(collection, onExample);
    announce("");
  }

  /** Show an error in place of everything, or with `below` under the hits that are there. */
  failure(error, retry, { below = false, clearable = false } = {}) {
    if (!("kind" in error)) console.error(error);
    $("more").hidden = true;
    if (!below) {
      clearWelcome();
      clearTimings();
      showNotes([]);
      this.#results.clear();
    }
    (below ? $("results") : $("notes")).after($("problem"));
    showProblem(error, { onRetry: retry, onClear: clearable ? this.#onClear : null });
  }

  #hits(answer, query, target, append) {
    const fresh = this.#results.show(answer.hits, target, { append });
    const count = this.#results.items.length;
    showTimings(answer, count, target);
    announceFound(query, count, target);
    $("more").hidden = answer.hits.length < this.#page || !fresh || count > this.#last;
  }
}
