// One item, whole: the picture or video, its captions and metadata. Arrows lead to its neighbours.

import { show } from "./access.js";
import { $, chance, element, number } from "./dom.js";
import { clock, original, Player } from "./player.js";
import { remarks, sentence } from "./proof.js";

export class Detail {
  #items = [];
  #place = 0;
  // whether the page closes it, and not a person
  #told = false;
  #onShow;
  #player = new Player();

  /**
   * `onLike(item)` and `onCaptions(item)` start a search; `onShow(item, place)` is told of each item that is shown;
   * `onClose(item)` gets the last one when a person closes it.
   */
  constructor({ onLike, onCaptions, onShow, onClose }) {
    const dialog = $("detail");
    const leave = (then) => () => {
      this.close();
      then(this.item);
    };
    this.#onShow = onShow;
    $("detail-like").addEventListener("click", leave(onLike));
    $("detail-captions-of").addEventListener("click", leave(onCaptions));
    $("detail-close").addEventListener("click", () => dialog.close());
    $("detail-previous").addEventListener("click", () => this.#step(-1));
    $("detail-next").addEventListener("click", () => this.#step(1));
    dialog.addEventListener("close", () => {
      this.#player.stop();
      if (!this.#told) onClose(this.item);
      this.#told = false;
    });
    dialog.addEventListener("click", (event) => {
      // what is clicked on the backdrop is the dialog itself
      if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener("keydown", (event) => {
      // keys that a player takes are its own
      if (event.altKey || event.ctrlKey || event.metaKey || event.target.localName === "video") return;
      if (event.key === "ArrowLeft") this.#step(-1);
      if (event.key === "ArrowRight") this.#step(1);
      if (event.key.toLowerCase() === "m") $("detail-like").click();
    });
  }

  /** The item that is shown, or was last. */
  get item() {
    return this.#items[this.#place];
  }

  get isOpen() {
    return $("detail").open;
  }

  /** Open on the item at `place`; `hasCaptions` says whether captions can be searched. */
  open(items, place, hasCaptions) {
    this.#items = items;
    $("detail-captions-of").hidden = !hasCaptions;
    this.#show(place);
    if (!this.isOpen) $("detail").showModal();
  }

  /** Close it because something else is shown now. */
  close() {
    if (!this.isOpen) return;
    this.#told = true;
    $("detail").close();
  }

  #step(by) {
    const place = this.#place + by;
    if (place >= 0 && place < this.#items.length) this.#show(place);
  }

  #show(place) {
    this.#place = place;
    const item = this.#items[place];
    const title = item.caption ?? item.captions?.[0] ?? item.id;
    $("detail-image").hidden = Boolean(item.video);
    const link = $("detail-original");
    link.href = original(item);
    // what was fetched with a key is opened from memory
    show($("detail-image"), item.video ? null : item.image_url).then((address) => {
      if (address && this.item === item) link.href = address;
    });
    $("detail-image").alt = title;
    $("detail-image").width = item.width;
    $("detail-image").height = item.height;
    this.#player.show(item, title);
    $("detail-title").textContent = title;
    $("detail-place").textContent = this.#items.length > 1 ? `${number(place + 1)} of ${number(this.#items.length)}` : "";
    for (const id of ["detail-previous", "detail-next"]) $(id).hidden = this.#items.length < 2;
    $("detail-previous").disabled = place === 0;
    $("detail-next").disabled = place === this.#items.length - 1;
    $("detail-facts").replaceChildren(...proofread(item), ...captions(item, title), facts(item), ...nested(item.metadata ?? {}));
    $("detail").scrollTop = 0;
    this.#onShow(item, place);
  }
}

/** What was searched for beside this picture, word by word. */
function proofread(item) {
  const words = sentence(item.text, item.proof);
  if (!words) return [];
  const found = remarks(item.proof);
  const verdict = found.length ? element("ul", {}, ...found) : element("p", { class: "quiet" }, "No word is contradicted.");
  return [element("h3", {}, "Proofread"), element("p", {}, words), verdict];
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
    ...(item.video ? [["length", clock(item.video.seconds)]] : []),
    ...(item.moment ? [["found at", clock(item.moment.seconds)]] : []),
    ...(item.score == null ? [] : [["score", item.score.toFixed(4)]]),
    ...(item.probability == null ? [] : [["probability", chance(item.probability)]]),
    ...(item.proof ? [["proofread score", item.proof.score.toFixed(3)]] : []),
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
