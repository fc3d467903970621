// The key of this tab, where the service asks for one: in the tab's own storage until it is closed, and in no address.

const NAME = "vilem.key";
// what an element is to show by now: an older answer may come later
const wanted = new WeakMap();
let held = null;

/** The key that was given; null when there is none. */
export function key() {
  try {
    return sessionStorage.getItem(NAME) ?? held;
  } catch {
    // storage is denied: it lasts as long as the page
    return held;
  }
}

/** Use a key from now on; null forgets it. */
export function useKey(value) {
  held = value;
  try {
    if (value) sessionStorage.setItem(NAME, value);
    else sessionStorage.removeItem(NAME);
  } catch {
    // denied
  }
}

/** Options of a fetch, with the key if there is one. */
export function withKey(options = {}) {
  return key() ? { ...options, headers: { ...options.headers, Authorization: `Bearer ${key()}` } } : options;
}

/**
 * Have `element`, an img or a video, show what is at `url`; null = nothing. A browser sends no key for what an element shows, so with one
 * it is fetched here. Returns the address that it has then: the url itself, or one of this page's memory.
 */
export async function show(element, url, { name = "src", srcset = null } = {}) {
  const shown = wanted.get(element) ?? {};
  wanted.set(element, shown);
  if (shown[name]?.startsWith("blob:")) URL.revokeObjectURL(shown[name]);
  shown[name] = url;
  if (!url || !key()) {
    if (srcset) element.srcset = srcset;
    if (url) element.setAttribute(name, url);
    else element.removeAttribute(name);
    return url;
  }
  const blob = await fetch(url.split("#")[0], withKey()).then((answer) => (answer.ok ? answer.blob() : null), () => null);
  if (shown[name] !== url) return null;
  if (!blob) {
    element.dispatchEvent(new Event("error"));
    return null;
  }
  shown[name] = URL.createObjectURL(blob) + (url.includes("#") ? url.slice(url.indexOf("#")) : "");
  element.setAttribute(name, shown[name]);
  return shown[name];
}
