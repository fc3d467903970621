// One item, whole: the picture, its captions and metadata. Arrows lead to its neighbours.

import { $, element, number } from "./dom.js";

export class Detail {
  #items = [];
  #place = 0;

  /** `onLike(item)` and `onCaptions(item)` start a search; `onClose(place)` gets the item that was shown last. */
  constructor({ onLike, onCaptions, onClose }) {
    const dialog = $("detail");
    const leave = (then) => () => {
      const item = this.#items[this.#place];
      dialog.close();
      then(item);
    };
    $("detail-like").addEventListener("click", leave(onLike));
    $("detail-captions-of").addEventListener("click", leave(onCaptions));
    $("detail-close").addEventListener("click", () => dialog.close());
    $("detail-previous").addEventListener("click", () => this.#step(-1));
    $("detail-next").addEventListener("click", () => this.#step(1));
    dialog.addEventListener("close", () => onClose(this.#place));
    dialog.addEventListener("click", (event) => {
      // what is clicked on the backdrop is the dialog itself
      if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") this.#step(-1);
      if (event.key === "ArrowRight") this.#step(1);
      if (event.key.toLowerCase() === "m" && !event.ctrlKey && !event.metaKey) $("detail-like").click();
    });
  }

  /** Open on the item at `place`; `hasCaptions` says whether captions can be searched. */
  open(items, place, hasCaptions) {
    this.#items = items;
    $("detail-captions-of").hidden = !hasCaptions;
    this.#show(place);
    $("detail").showModal();
  }

  #step(by) {
    const place = this.#place + by;
    if (place >= 0 && place < this.#items.length) this.#show(place);
  }

  #show(place) {
    this.#place = place;
    const item = this.#items[place];
    const title = item.caption ?? item.captions?.[0] ?? item.id;
    $("detail-image").src = item.image_url;
    $("detail-image").alt = title;
    $("detail-image").width = item.width;
    $("detail-image").height = item.height;
    $("detail-title").textContent = title;
    $("detail-original").href = item.image_url;
    $("detail-place").textContent = `${number(place + 1)} of ${number(this.#items.length)}`;
    $("detail-previous").disabled = place === 0;
    $("detail-next").disabled = place === this.#items.length - 1;
    $("detail-facts").replaceChildren(...captions(item, title), facts(item), ...nested(item.metadata ?? {}));
    $("detail").scrollTop = 0;
  }
}

function captions(item, title) {
  const others = (item.captions ?? []).filter((text) => text !== title);
  if (!others.length) return [];
  return [element("h3", {}, "Captions"), element("ul", {}, ...others.map((text) => element("li", {}, text)))];
}

function facts(item) {
  const scalar = Object.entries(item.metadata ?? {}).filter(([, value]) => typeof value !== "object");
  const rows = [
    ["id", item.id],
    ["size", `${number(item.width)} × ${number(item.height)}`],
    ...(item.score == null ? [] : [["score", item.score.toFixed(4)]]),
    ...scalar.map(([name, value]) => [name.replaceAll("_", " "), String(value)]),
  ];
  return element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

/** Lists and objects of the metadata, folded. */
function nested(metadata) {
  return Object.entries(metadata)
    .filter(([, value]) => value !== null && typeof value === "object")
    .map(([name, value]) => {
      const count = number(Array.isArray(value) ? value.length : Object.keys(value).length);
      const label = element("summary", {}, name.replaceAll("_", " "), element("span", { class: "quiet" }, ` ${count}`));
      return element("details", {}, label, element("pre", {}, JSON.stringify(value, null, 1)));
    });
}
