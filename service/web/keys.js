// Keys that work anywhere on the page.

import { $ } from "./dom.js";

const typing = (element) => element.matches("input:not([type=radio], [type=checkbox]), textarea, select");

/** `onFocus()` for "/", `onClear()` for Escape, `onEnter()` for the way down from the field into the hits. */
export function takeKeys({ onFocus, onClear, onEnter }) {
  document.addEventListener("keydown", (event) => {
    if ($("detail").open || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !typing(event.target)) onFocus();
    else if (event.key === "Escape") onClear();
    else if (event.key === "ArrowDown" && event.target === $("query")) onEnter();
    else return;
    event.preventDefault();
  });
  $("results").addEventListener("leave", onFocus);
}
