// The search field: a text that is being typed, or a picture that stands in its place.

import { show } from "./access.js";
import { thumbnail } from "./api.js";
import { $ } from "./dom.js";

// a pause this long is not one between two letters of a word
const TYPING_MS = 150;

// nothing can be dropped on a phone, and its field is short
const EMPTY = matchMedia("(hover: none)").matches ? "Describe a picture" : "Describe a picture, or drop one here";

export class Composer {
  #timer = 0;
  #url = null;

  /** `onText(text, typing)` is called with "" when the field was emptied; `onClear()` when the picture was removed. */
  constructor({ onText, onClear }) {
    const settle = (typing) => {
      clearTimeout(this.#timer);
      onText($("query").value.trim(), typing);
    };
    $("query").addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(settle, TYPING_MS, true);
    });
    $("form").addEventListener("submit", (event) => {
      event.preventDefault();
      settle(false);
    });
    $("chip-clear").addEventListener("click", onClear);
    // the item may be gone; the search will say so
    $("chip-image").addEventListener("error", () => $("chip-image").removeAttribute("src"));
    $("query").addEventListener("keydown", (event) => {
      // the picture stands where a word would: the same key takes it away
      if (event.key === "Backspace" && !$("query").value && !$("chip").hidden) onClear();
    });
    $("field").addEventListener("pointerdown", (event) => {
      if (event.target === $("field")) setTimeout(() => $("query").focus());
    });
  }

  /** Show a query; unless it came from typing, in the field too, where it replaces what was being typed. */
  show(query, collection, { typing = false } = {}) {
    if (!typing) {
      clearTimeout(this.#timer);
      $("query").value = query?.text ?? "";
    }
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = query?.file ? URL.createObjectURL(query.file) : null;
    const visible = Boolean(query?.file || query?.id);
    $("chip").hidden = !visible;
    $("slash").hidden = visible;
    $("query").placeholder = visible ? "Or describe it in words" : EMPTY;
    $("chip-text").textContent = !visible ? "" : query.id ? `Like ${query.id}` : query.file.name || "Your picture";
    if (this.#url) $("chip-image").src = this.#url;
    else show($("chip-image"), visible ? thumbnail(collection, query.id, 64) : null);
  }

  focus() {
    $("query").focus();
    $("query").select();
  }
}
