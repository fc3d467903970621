// The page's state, and what changes it.

import * as address from "./address.js";
import * as api from "./api.js";
import { Attempts, settled } from "./attempts.js";
import { remember } from "./choice.js";
import { Composer } from "./composer.js";
import { $ } from "./dom.js";
import { takeKeys } from "./keys.js";
import { PAGE, fetchHits, fetchPage } from "./paging.js";
import { showCollections, showFacts, showTarget } from "./picker.js";
import { takePictures } from "./pictures.js";
import { passes } from "./problem.js";
import { CANDIDATES, hindrance, showSwitch } from "./proof.js";
import { Results } from "./results.js";
import { Screen } from "./screen.js";
import { rememberScroll } from "./scroll.js";
import { Served } from "./served.js";
import { busy, showNotes, showTitle } from "./status.js";
import { Viewer } from "./viewer.js";

const LOST = "The picture is gone after a reload: drop it again.";

const state = { collection: null, target: "images", query: null, proofread: false };
// all that is known of the collection in use
let collection = null;

const served = new Served();
const like = (item, target) => go({ query: { id: item.id }, target });
const results = new Results($("results"), { onOpen: (place) => viewer.open(place), onLike: (item) => like(item, "images") });
const screen = new Screen(results, { onClear: clear });
const composer = new Composer({ onText: typed, onClear: clear });
const attempts = new Attempts({
  onBusy: busy,
  onFail: (error, retry) => screen.failure(error, retry, { clearable: Boolean(state.query) }),
  passes,
});
const viewer = new Viewer(results, attempts, {
  onLike: (item) => like(item, "images"),
  onCaptions: (item) => like(item, "texts"),
});

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
  address.still(() => {
    const notes = settle(change);
    address.write(state, { typing, only: served.names.length < 2 });
    show({ typing, notes });
  });
}

/** Change the state to something that there is; returns what is to be said about it. */
function settle(change) {
  Object.assign(state, change);
  const notes = [];
  if (state.target === "texts" && !served.hasCaptions(state.collection)) {
    state.target = "images";
    notes.push(`“${state.collection}” has no captions: these are its images.`);
  }
  const { available, reason } = served.canProofread(state.collection);
  if (state.proofread && !available) {
    state.proofread = false;
    notes.push(`“${state.collection}” is not proofread: ${reason}.`);
  }
  return notes;
}

/** Why what is asked for cannot be proofread; null when it can. */
const hindered = () => hindrance(state, served.canProofread(state.collection));

/** Show what the state asks for; with an `entry` of the history as many hits as it had, scrolled as it was. */
function show({ typing = false, entry = null, notes = [] } = {}) {
  viewer.close();
  if (!entry && !typing) scrollTo({ top: 0 });
  composer.show(state.query, state.collection, { typing });
  showTarget(state.target);
  showSwitch(state.proofread, hindered());
  showTitle(state.query?.text);
  attempts.run((signal) => fetchAll(entry?.shown ?? PAGE, signal), ([known, answer]) => {
    // a newly published snapshot: what is known of the collection is asked for again next time
    collection = { ...known, stale: Boolean(answer && answer.snapshot !== known.snapshot) };
    served.update(known);
    showFacts(known);
    showSwitch(state.proofread, hindered());
    if (answer) screen.answer(answer, { ...state, collection }, notes);
    else screen.start(known, notes, (example) => go({ query: { text: example }, target: "images" }));
    if (entry) scrollTo({ top: entry.scroll ?? 0 });
    viewer.follow(known);
  });
}

/** What the state asks for: the collection and the answer, which is null when there is no query. */
async function fetchAll(count, signal) {
  const current = collection?.name === state.collection && !collection.stale && state.query;
  const known = current ? collection : await api.collection(state.collection, signal);
  return [known, state.query ? await fetchHits(ask, count, signal) : null];
}

const ask = (page, signal) => {
  const candidates = state.proofread && !hindered() ? CANDIDATES : null;
  return api.search(state.collection, state.query, { target: state.target, candidates, ...page }, signal);
};

function more() {
  const below = (error, retry) => screen.failure(error, retry, { below: true });
  attempts.run((signal) => fetchPage(ask, results.items.length, signal), (answer) => {
    screen.append(answer, { ...state, collection });
    address.keep({ shown: results.items.length });
  }, below);
}

/** Show what the address asks for, of the collections that there are. */
function recall() {
  const { collection: asked, target, query, proofread, lost, entry } = address.read();
  const before = { ...state };
  const chosen = served.choose(asked, entry.collection, state.collection);
  const notes = settle({ collection: chosen, target, query, proofread });
  address.keep({ collection: state.collection });
  // an item was opened or closed above the same hits
  if (address.same(before, state) && !lost) return viewer.follow();
  showCollections(served, state.collection);
  show({ entry, notes: [served.excuse(asked, state.collection), ...notes, lost ? LOST : null].filter(Boolean) });
}

async function refreshNames() {
  // in the background: if it fails, the next search will say so
  await served.fetch().catch(() => {});
  showCollections(served, state.collection);
}

takePictures({ onPicture: (file) => go({ query: { file } }), onRefused: (why) => showNotes([why]) });
takeKeys({ onFocus: () => composer.focus(), onClear: clear, onEnter: () => results.focus() });
rememberScroll();
$("target").addEventListener("change", (event) => go({ target: event.target.value }));
$("proofread").addEventListener("change", (event) => go({ proofread: event.target.checked }));
$("collection").addEventListener("change", (event) => {
  remember(event.target.value);
  // an item belongs to its collection; words and pictures can be asked of another
  go({ collection: event.target.value, query: state.query?.id ? null : state.query });
});
$("more").addEventListener("click", more);
$("home").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go({ query: null, target: "images" });
});
addEventListener("popstate", () => served.names.length && recall());
document.addEventListener("visibilitychange", () => !document.hidden && served.names.length && refreshNames());

attempts.run((signal) => served.fetch(signal), () => {
  recall();
  // others may still be loading
  settled().then(refreshNames, () => {});
});
