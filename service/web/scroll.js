// How far the page is scrolled belongs to each entry of the history.

import { keep } from "./address.js";

// browsers bound how often the history is written; a pause this long ends a movement
const PAUSE_MS = 150;

/** Remember where each entry is scrolled to; whoever shows an entry again scrolls there once its hits are there. */
export function rememberScroll() {
  let timer = 0;
  history.scrollRestoration = "manual";
  addEventListener("scroll", () => {
    clearTimeout(timer);
    timer = setTimeout(() => keep({ scroll: scrollY }), PAUSE_MS);
  }, { passive: true });
}
