// What the service serves, and what it does not, with the reason.

import * as api from "./api.js";
import { remembered } from "./choice.js";

export class Served {
  #collections = new Map();
  /** The service's reason by name; what was published before may be served nevertheless. */
  unavailable = {};

  get names() {
    return [...this.#collections.keys()];
  }

  /** Ask the service; an ApiError when nothing is served. */
  async fetch(signal) {
    const { collections, unavailable = {} } = await api.collections(signal);
    if (!collections.length) await refuse(unavailable, signal);
    this.#collections = new Map(collections.map((each) => [each.name, each]));
    this.unavailable = unavailable;
    return this;
  }

  /** Take over what was told about one collection since. */
  update(collection) {
    if (this.#collections.has(collection.name)) this.#collections.set(collection.name, collection);
  }

  hasCaptions(name) {
    return Boolean(this.#collections.get(name)?.captions);
  }

  /** Whether words can be checked against a collection's images, and if not, why. */
  canProofread(name) {
    return this.#collections.get(name)?.proofread ?? { available: false, reason: null };
  }

  /** The first of some names that is served, else the one that was chosen last, else the first there is. */
  choose(...wanted) {
    return [...wanted, remembered(), ...this.names].find((name) => this.#collections.has(name));
  }

  /** Why the collection `asked` for is not the one that is shown; null when it is. */
  excuse(asked, shown) {
    if (!asked || asked === shown) return null;
    const reason = this.unavailable[asked];
    if (!reason) return `There is no collection “${asked}” here: this is “${shown}”.`;
    return `“${asked}” cannot be searched: ${reason.replace(/\.$/, "")}. This is “${shown}”.`;
  }
}

async function refuse(unavailable, signal) {
  if (await api.loading(signal)) throw new api.ApiError("not-ready", "Just a moment", "The service is still loading.");
  const reasons = Object.entries(unavailable).map(([name, reason]) => `“${name}”: ${reason}`);
  throw new api.ApiError("nothing-served", "Nothing to search yet", reasons.join("; ") || "No collection is served.");
}
