// The page's state, and what changes it.

import * as address from "./address.js";
import * as api from "./api.js";
import { Attempts, settled } from "./attempts.js";
import { Composer } from "./composer.js";
import { Detail } from "./detail.js";
import { $ } from "./dom.js";
import { takeKeys } from "./keys.js";
import { showCollections, showFacts, showTarget } from "./picker.js";
import { takePictures } from "./pictures.js";
import { passes } from "./problem.js";
import { Results } from "./results.js";
import { Screen } from "./screen.js";
import { busy, showNotes } from "./status.js";

const PAGE = 24;
// the service's bound on `offset`
const LAST = 1000;

const state = { collection: null, target: "images", query: null };
// what the service told: the collections' names, and all about the one in use
const known = { names: [], collection: null };

const like = (item, target) => go({ query: { id: item.id }, target });
const results = new Results($("results"), { onOpen: open, onLike: (item) => like(item, "images") });
const screen = new Screen(results, { page: PAGE, last: LAST, onClear: clear });
const composer = new Composer({ onText: typed, onClear: clear });
const detail = new Detail({
  onLike: (item) => like(item, "images"),
  onCaptions: (item) => like(item, "texts"),
  onClose: (place) => results.focus(place),
});
const attempts = new Attempts({
  onBusy: busy,
  onFail: (error, retry) => screen.failure(error, retry, { clearable: Boolean(state.query) }),
  passes,
});

function open(place) {
  detail.open(results.items, place, known.collection.captions > 0);
}

function typed(text, typing) {
  // beside a picture the field is empty, but was not emptied
  if (!text && state.query && !state.query.text) return;
  if (typing && text === (state.query?.text ?? "")) return;
  go({ query: text ? { text } : null }, { typing });
}

function clear() {
  go({ query: null });
  composer.focus();
}

/** Change the state and write it to the address; show what it asks for. */
function go(change, { typing = false } = {}) {
  Object.assign(state, change);
  address.write(state, { typing, only: known.names.length < 2 });
  show({ typing });
}

function show({ typing = false, notes = [] } = {}) {
  if (!typing) scrollTo({ top: 0 });
  composer.show(state.query, state.collection, { typing });
  showTarget(state.target);
  document.title = state.query?.text ? `${state.query.text} · ViLEM Search` : "ViLEM Search";
  attempts.run(fetchAll, ({ collection, answer }) => {
    // a newly published snapshot: what is known of the collection is asked for again next time
    known.collection = answer && answer.snapshot !== collection.snapshot ? { ...collection, stale: true } : collection;
    showFacts(collection);
    if (answer) screen.answer(answer, { ...state, collection }, notes);
    else screen.start(collection, notes, (text) => go({ query: { text }, target: "images" }));
  });
}

/** What the state asks for: {collection, answer}, the answer null when there is no query. */
async function fetchAll(signal) {
  const current = known.collection?.name === state.collection && !known.collection.stale && state.query;
  const collection = current ? known.collection : await api.collection(state.collection, signal);
  return { collection, answer: state.query ? await fetchPage(0, signal) : null };
}

const fetchPage = (offset, signal) =>
  api.search(state.collection, state.query, { target: state.target, limit: PAGE, offset }, signal);

function more() {
  const below = (error, retry) => screen.failure(error, retry, { below: true });
  attempts.run((signal) => fetchPage(results.items.length, signal), (answer) => screen.append(answer, state), below);
}

/** Show what the address asks for, of the collections that there are. */
function recall() {
  const { collection, target, query } = address.read();
  const there = known.names.includes(collection);
  Object.assign(state, { collection: there ? collection : (state.collection ?? known.names[0]), target, query });
  showCollections(known.names, state.collection);
  const missing = `There is no collection “${collection}” here: this is “${state.collection}”.`;
  show({ notes: collection && !there ? [missing] : [] });
}

/** The names of what is served; an ApiError when that is nothing. */
async function fetchNames(signal) {
  const { collections, unavailable } = await api.collections(signal);
  if (collections.length) return collections.map(({ name }) => name);
  if (await api.loading(signal)) throw new api.ApiError("not-ready", "Just a moment", "The service is still loading.");
  const reasons = Object.entries(unavailable ?? {}).map(([name, reason]) => `“${name}”: ${reason}`);
  throw new api.ApiError("nothing-served", "Nothing to search yet", reasons.join("; ") || "No collection is served.");
}

async function refreshNames() {
  // in the background: if it fails, the next search will say so
  known.names = await fetchNames().catch(() => known.names);
  showCollections(known.names, state.collection);
}

takePictures({ onPicture: (file) => go({ query: { file } }), onRefused: (why) => showNotes([why]) });
takeKeys({ onFocus: () => composer.focus(), onClear: clear, onEnter: () => results.focus() });
$("target").addEventListener("change", (event) => go({ target: event.target.value }));
$("collection").addEventListener("change", (event) => {
  // an item belongs to its collection; words and pictures can be asked of another
  go({ collection: event.target.value, query: state.query?.id ? null : state.query });
});
$("more").addEventListener("click", more);
$("home").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go({ query: null, target: "images" });
});
addEventListener("popstate", () => known.names.length && recall());
document.addEventListener("visibilitychange", () => !document.hidden && known.names.length && refreshNames());

attempts.run(fetchNames, (names) => {
  known.names = names;
  recall();
  // others may still be loading
  settled().then(refreshNames, () => {});
});
