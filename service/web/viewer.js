// The open item is a place of its own in the history: Back closes it, and its address opens it.

import * as address from "./address.js";
import * as api from "./api.js";
import { Detail } from "./detail.js";
import { passes } from "./problem.js";
import { showNotes } from "./status.js";

export class Viewer {
  #results;
  #attempts;
  #detail;
  #collection = null;

  /** `onLike(item)` and `onCaptions(item)` start a search. */
  constructor(results, attempts, { onLike, onCaptions }) {
    this.#results = results;
    this.#attempts = attempts;
    this.#detail = new Detail({
      onLike,
      onCaptions,
      onShow: (item, place) => address.still(() => address.open(item.id, place)),
      onClose: (item) => {
        address.leave();
        results.focusOn(item);
      },
    });
  }

  /** Open the hit at `place`. */
  open(place) {
    this.#show(this.#results.items, place);
  }

  /** Close what is open, because other hits come. */
  close() {
    this.#detail.close();
  }

  /** Open the item that the address names, from the hits or else by itself; close the one that it names no more. */
  follow(collection = this.#collection) {
    this.#collection = collection;
    const { item, entry } = address.read();
    const shown = this.#detail.isOpen ? this.#detail.item : null;
    if (!item && shown) {
      this.#detail.close();
      this.#results.focusOn(shown);
    }
    if (!item || shown?.id === item) return;
    const place = this.#results.find(item, entry.place);
    if (place >= 0) this.open(place);
    else this.#fetch(item);
  }

  #fetch(id) {
    const failed = (error) => {
      showNotes([`The item of this address cannot be shown: ${error.detail}`]);
      if (!passes(error)) address.close();
    };
    this.#attempts.run((signal) => api.item(this.#collection.name, id, signal), (item) => this.#show([item], 0), failed);
  }

  #show(items, place) {
    this.#detail.open(items, place, this.#collection.captions > 0);
  }
}
