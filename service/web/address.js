// The page's address: ?q= a text, ?like= an item, ?target=texts, ?in= a collection. Back, forward and sharing follow.

// longer addresses are refused by servers and mail programs; such a text is searched, not shared
const MAX_TEXT = 2000;
// pictures have no address: they live as long as the page, and Back finds them again
const pictures = new Map();

/** What the address asks for: {collection, target, query}. */
export function read() {
  const asked = new URLSearchParams(location.search);
  const text = asked.get("q")?.trim();
  const file = pictures.get(history.state?.picture);
  return {
    collection: asked.get("in"),
    target: asked.get("target") === "texts" ? "texts" : "images",
    query: file ? { file } : asked.get("like") ? { id: asked.get("like") } : text ? { text } : null,
  };
}

/** Write the state to the address. While a text is typed, its entry in the history is overwritten, not multiplied. */
export function write({ collection, target, query }, { typing = false, only = false } = {}) {
  const asked = new URLSearchParams();
  if (query?.text && query.text.length <= MAX_TEXT) asked.set("q", query.text);
  if (query?.id) asked.set("like", query.id);
  if (target !== "images") asked.set("target", target);
  if (collection && !only) asked.set("in", collection);
  const search = asked.toString();
  const path = search ? `/?${search}` : "/";
  const entry = { typing, picture: query?.file ? keep(query.file) : null };
  const same = path === location.pathname + location.search && entry.picture === (history.state?.picture ?? null);
  if (same || (typing && history.state?.typing)) history.replaceState(entry, "", path);
  else history.pushState(entry, "", path);
}

function keep(file) {
  for (const [key, kept] of pictures) if (kept === file) return key;
  // a reload empties the map but keeps the history: the page's birth tells its keys from older ones
  const key = `${performance.timeOrigin}-${pictures.size}`;
  pictures.set(key, file);
  return key;
}
