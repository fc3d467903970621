// The hits: a grid of pictures, or a list of captions with the picture each belongs to.

import { show } from "./access.js";
import { chance, element, icon } from "./dom.js";
import { badge } from "./player.js";
import { sentence } from "./proof.js";
import { rove } from "./rove.js";

const SURE = "probability that it matches, where one in two does; cosine similarity";

/** How near a hit is: what that means where the model is calibrated, else the bare cosine; null for what was not searched for. */
function score(hit) {
  if (hit.score == null) return null;
  const cosine = hit.score.toFixed(3);
  if (hit.probability == null) return element("span", { class: "score", title: "cosine similarity" }, cosine);
  return element("span", { class: "score", title: `${SURE} ${cosine}` }, chance(hit.probability));
}

function picture(item) {
  // of a video the moment that was found
  const url = item.moment?.thumbnail_url ?? item.thumbnail_url;
  const at = (size) => `${url}${url.includes("?") ? "&" : "?"}size=${size}`;
  const made = element("img", { alt: "", loading: "lazy", decoding: "async", width: 256, height: 256 });
  made.addEventListener("error", () => made.replaceWith(element("span", { class: "absent" }, "Picture not available")));
  show(made, at(256), { srcset: `${at(256)} 1x, ${at(512)} 2x` });
  return made;
}

export class Results {
  items = [];
  #list;
  #onOpen;
  #onLike;

  /** `onOpen(place)` and `onLike(item)` are called by pointer and by key. */
  constructor(list, { onOpen, onLike }) {
    this.#list = list;
    this.#onOpen = onOpen;
    this.#onLike = onLike;
    rove(list, ".open");
    list.addEventListener("keydown", (event) => {
      const place = this.#buttons().indexOf(event.target);
      if (place >= 0 && event.key.toLowerCase() === "m" && !event.ctrlKey && !event.metaKey) onLike(this.items[place]);
    });
  }

  /**
   * Show hits or sample items; with `append`, below what is there. `text` is what their words, if they are proofread,
   * stand in. Returns how many were new.
   */
  show(hits, target, { append = false, text = null } = {}) {
    if (!append) this.clear();
    this.#list.classList.toggle("texts", target === "texts");
    // a collection that was published between two pages may repeat a hit
    const key = (hit) => `${hit.id}\n${hit.caption ?? ""}`;
    const known = new Set(this.items.map(key));
    const fresh = hits.filter((hit) => !known.has(key(hit))).map((hit) => ({ ...hit, text }));
    const first = this.items.length;
    this.items.push(...fresh);
    this.#list.append(...fresh.map((hit, place) => this.#row(hit, first + place, target)));
    return fresh.length;
  }

  clear() {
    this.items = [];
    this.#list.replaceChildren();
  }

  /** Move the focus to one hit; without a place, to the one that had it last. */
  focus(place) {
    const cell = place === undefined ? this.#list.querySelector(".open[tabindex='0']") : this.#buttons()[place];
    cell?.focus();
  }

  /** Move the focus to an item, if it is among the hits. */
  focusOn(item) {
    this.focus(this.items.indexOf(item));
  }

  /** The place of an item by its id, -1 if it is not among the hits; a caption's item may stand at several. */
  find(id, likely) {
    return this.items[likely]?.id === id ? likely : this.items.findIndex((item) => item.id === id);
  }

  #buttons() {
    return [...this.#list.querySelectorAll(".open")];
  }

  #row(hit, place, target) {
    const caption = element("span", { class: "caption" }, hit.caption ?? hit.captions?.[0] ?? hit.id);
    const rank = target === "texts" ? element("span", { class: "rank" }, String(place + 1)) : null;
    const parts = target === "texts"
      ? [rank, picture(hit), badge(hit), caption, score(hit)]
      : [picture(hit), badge(hit), sentence(hit.text, hit.proof), caption, score(hit)];
    return element(
      "li",
      { class: "hit" },
      element("button", { type: "button", class: "open", "data-id": hit.id, tabindex: place ? -1 : 0, click: () => this.#onOpen(place) }, ...parts),
      element(
        "button",
        { type: "button", class: "like", tabindex: -1, title: "More like this", "aria-label": `More like ${hit.id}`, click: () => this.#onLike(hit) },
        icon("like"),
      ),
    );
  }
}
