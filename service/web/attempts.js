// One piece of work at a time; what fails for a passing reason is tried again.

import { loading, untilReady } from "./api.js";
import { Latest } from "./latest.js";

// soon enough to feel prompt after a restart, rare enough for a hundred open pages
const RETRY_MS = { first: 1000, last: 8000 };

export class Attempts {
  #latest = new Latest();
  #failures = 0;
  #onBusy;
  #onFail;
  #passes;

  /** `onBusy(waiting)`; `onFail(error, retry)`; `passes(error)` says whether trying again is worth it. */
  constructor({ onBusy, onFail, passes }) {
    this.#onBusy = onBusy;
    this.#onFail = onFail;
    this.#passes = passes;
  }

  /** Do `work(signal)`; then `onDone(result)`, unless other work was started meanwhile. */
  async run(work, onDone, onFail = this.#onFail) {
    this.#onBusy(true);
    try {
      const result = await this.#latest.run(work);
      if (result === undefined) return;
      this.#failures = 0;
      this.#onBusy(false);
      onDone(result);
    } catch (error) {
      this.#onBusy(false);
      onFail(error, () => this.run(work, onDone, onFail));
      if (this.#passes(error)) await this.#again(error, () => this.run(work, onDone, onFail));
    }
  }

  async #again(error, retry) {
    const backoff = Math.min(RETRY_MS.first * 2 ** this.#failures++, RETRY_MS.last);
    const delay = Math.max(backoff, 1000 * error.retryAfter);
    const waited = await this.#latest.run((signal) => untilReady(delay, signal).then(() => true));
    if (waited) await retry();
  }
}

/** Resolve once nothing is being loaded any more; at once if nothing is. */
export async function settled() {
  if (await loading()) await untilReady(RETRY_MS.first);
}
