// One thing at a time: whoever starts another ends the one before, and never sees its answer.

export class Latest {
  #running = null;

  /** The result of `work(signal)`, or undefined when a later one was started meanwhile. */
  async run(work) {
    this.#running?.abort();
    const mine = new AbortController();
    this.#running = mine;
    try {
      const result = await work(mine.signal);
      return this.#running === mine ? result : undefined;
    } catch (error) {
      if (this.#running !== mine || error.name === "AbortError") return undefined;
      throw error;
    }
  }
}
