// The page's address: ?q= a text, ?like= an item, ?target=texts, ?proofread=1, ?in= a collection, ?item= the open one.
// Back, forward and sharing follow. What an address cannot hold stands in the state of its entry in the history.

// longer addresses are refused by servers and mail programs; such a text stays in the history, but is not shared
const MAX_TEXT = 2000;
// what the service reads by default (VILEM_MAX_TEXT_CHARS); browsers bound what an entry may hold
const MAX_KEPT = 20_000;
// longer than any browser takes for a step back within a page
const RETURN_MS = 500;
// pictures have no address: they live as long as the page, and Back finds them again
const pictures = new Map();
// a step back that has begun and not ended
let returning = null;

/** What the address asks for, its entry in the history, and whether that entry's picture is `lost`. */
export function read() {
  const asked = new URLSearchParams(location.search);
  const entry = history.state ?? {};
  const file = pictures.get(entry.picture);
  const text = asked.get("q")?.trim() || entry.text;
  return {
    collection: asked.get("in"),
    target: asked.get("target") === "texts" ? "texts" : "images",
    proofread: asked.get("proofread") === "1",
    query: file ? { file } : asked.get("like") ? { id: asked.get("like") } : text ? { text } : null,
    item: asked.get("item"),
    lost: Boolean(entry.picture && !file),
    entry,
  };
}

/** Whether two states ask for the same hits. */
export const same = (one, other) =>
  one.collection === other.collection && one.target === other.target && one.proofread === other.proofread
  && ["text", "id", "file"].every((part) => one.query?.[part] === other.query?.[part]);

/** Whether an address can hold the query. */
export const holds = (query) => !query?.file && !(query?.text?.length > MAX_TEXT);

/** Write the state to the address. While a text is typed, its entry in the history is overwritten, not multiplied. */
export function write({ collection, target, proofread, query }, { typing = false, only = false } = {}) {
  const asked = new URLSearchParams();
  if (query?.text && holds(query)) asked.set("q", query.text);
  if (query?.id) asked.set("like", query.id);
  if (target !== "images") asked.set("target", target);
  if (proofread) asked.set("proofread", "1");
  if (collection && !only) asked.set("in", collection);
  const path = pathOf(asked);
  const text = holds(query) || !query.text || query.text.length > MAX_KEPT ? null : query.text;
  const entry = { typing, collection, text, picture: query?.file ? pictureKey(query.file) : null };
  const before = history.state ?? {};
  const same = path === location.pathname + location.search
    && entry.picture === (before.picture ?? null) && entry.text === (before.text ?? null);
  put(same || (typing && before.typing) ? "replaceState" : "pushState", entry, path);
}

/** Remember something in this entry of the history. */
export function keep(more) {
  put("replaceState", { ...history.state, ...more }, location.pathname + location.search);
}

/** Name the item that is shown: an entry of its own above the hits, overwritten while one steps from item to item. */
export function open(id, place) {
  // an address that came with an item gets the hits as an entry below
  if (!history.state?.over) close();
  const asked = new URLSearchParams(location.search);
  asked.set("item", id);
  const entry = { ...history.state, typing: false, over: true, place };
  put(history.state?.over ? "replaceState" : "pushState", entry, pathOf(asked));
}

/** Take the item out of the address, without a step back. */
export function close() {
  const asked = new URLSearchParams(location.search);
  asked.delete("item");
  put("replaceState", { ...history.state, over: false }, pathOf(asked));
}

/** Step back from an item that a person has closed. */
export function leave() {
  if (!history.state?.over) return;
  returning = new Promise((resolve) => {
    addEventListener("popstate", resolve, { once: true });
    setTimeout(resolve, RETURN_MS);
  }).then(() => (returning = null));
  history.back();
}

/** Do `then()` once no step back is under way: what is written meanwhile would be stepped over. */
export const still = (then) => (returning ? returning.then(then) : then());

function put(method, entry, path) {
  try {
    if (method === "pushState") history.replaceState({ ...history.state, scroll: scrollY }, "");
    history[method](entry, "", path);
  } catch (error) {
    // browsers bound how often and how much is written: the page goes on, its address stays behind
    if (!(error instanceof DOMException)) throw error;
  }
}

function pathOf(asked) {
  const search = asked.toString();
  return search ? `/?${search}` : "/";
}

function pictureKey(file) {
  for (const [key, kept] of pictures) if (kept === file) return key;
  // a reload empties the map but keeps the history: the page's birth tells its keys from older ones
  const key = `${performance.timeOrigin}-${pictures.size}`;
  pictures.set(key, file);
  return key;
}
