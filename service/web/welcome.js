// Before anything is asked: what can be asked, and, when nothing was found, what was searched.

import { $, element, plural } from "./dom.js";

const EXAMPLES = 4;
// longer captions read as paragraphs, not as something one would type
const SHORT = 72;

/** Invite to search a collection; `onExample(text)` is called with one of its captions. */
export function showWelcome(collection, onExample) {
  if (!collection.count) {
    fill(
      element("h2", {}, "This collection is empty"),
      element("p", { class: "quiet" }, "Add pictures to it; they appear here once they are published:"),
      element("pre", {}, `vilem index build ${collection.name} FOLDER --model ${collection.model}`),
    );
    return;
  }
  const examples = pick(collection.sample);
  fill(
    element("h2", {}, `Search ${plural(collection.count, "image")}`),
    element("p", { class: "quiet" }, "Type what a picture shows, or drop, paste or choose a picture that looks like it."),
    examples.length ? element("ul", { class: "examples" }, ...examples.map((text) => example(text, onExample))) : null,
    element("h3", {}, "From this collection"),
  );
}

/** Say that a search found nothing. */
export function showNothing(collection, target, onClear) {
  const searched = target === "texts" ? plural(collection.captions, "caption") : plural(collection.count, "image");
  fill(
    element("h2", {}, "Nothing found"),
    element("p", { class: "quiet" }, `Searched: ${searched} of “${collection.name}”.`),
    element("p", { class: "actions" }, element("button", { type: "button", click: onClear }, "Clear the search")),
  );
}

export function clearWelcome() {
  $("welcome").hidden = true;
  $("welcome").replaceChildren();
}

function fill(...children) {
  $("welcome").replaceChildren(...children.filter(Boolean));
  $("welcome").hidden = false;
}

const example = (text, onExample) =>
  element("li", {}, element("button", { type: "button", click: () => onExample(text) }, text));

/** The shortest caption of each of some items: different, and of a length one would type. */
function pick(sample) {
  const shortest = sample.map(({ captions }) => [...(captions ?? [])].sort((one, other) => one.length - other.length)[0]);
  const usable = [...new Set(shortest.filter((text) => text && text.length <= SHORT))];
  return usable.sort((one, other) => one.length - other.length).slice(0, EXAMPLES);
}
