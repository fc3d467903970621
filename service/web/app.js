// The page's state, and what changes it. One search is under way at a time; an older answer is dropped.

import * as api from "/static/api.js";
import * as view from "/static/view.js";

const PAGE = 24;
const TYPING_MS = 150;
const RETRY_MS = 1000;
const $ = (id) => document.getElementById(id);
const state = { name: null, query: null, target: "images", shown: 0 };
let running = null;
let timer = 0;

const describe = ({ cached, truncated, took_ms, collection, version, model }, count) => {
  const stages = Object.entries(took_ms).map(([stage, ms]) => `${stage} ${ms.toFixed(1)} ms`);
  const notes = [cached && "cached", truncated && "your text was cut to what the model reads"].filter(Boolean);
  return [`${count} hits`, ...notes, ...stages, `${collection} v${version}, ${model}`].join(" · ");
};

async function run(append = false) {
  running?.abort();
  const mine = (running = new AbortController());
  if (!state.query) return showStart();
  view.showHints([]);
  const offset = append ? state.shown : 0;
  const asked = { ...state.query };
  delete asked.thumbnail;
  try {
    const answer = await api.search(state.name, asked, { target: state.target, limit: PAGE, offset, signal: mine.signal });
    view.showProblem(null);
    state.shown = offset + answer.hits.length;
    view.showHits(answer.hits, state.target, { append, onOpen: open });
    view.showStatus(state.shown ? describe(answer, state.shown) : "Nothing found: this collection has none of these.");
    view.showMore(answer.hits.length === PAGE && state.shown < 1000);
  } catch (error) {
    if (error.name === "AbortError") return;
    view.showProblem(error);
    view.showStatus("");
    if (!append) view.showHits([], state.target, { onOpen: open });
    view.showMore(false);
    if (error.status === 503) setTimeout(() => running === mine && run(append), RETRY_MS);
  }
}

async function showStart() {
  const { sample, count } = await api.collection(state.name);
  if (state.query) return;
  view.showProblem(null);
  view.showMore(false);
  view.showHits(sample, "images", { onOpen: open });
  view.showStatus(count ? `${count.toLocaleString("en")} images` : "This collection is empty.");
  view.showHints(sample.flatMap((item) => item.captions?.slice(0, 1) ?? []).slice(0, 4), (text) => ask({ text }));
}

function ask(query, { push = true } = {}) {
  state.query = query;
  $("query").value = query?.text ?? "";
  view.showChip(query);
  if (push) remember();
  return run();
}

const open = (item) => view.showDetail(item, (like) => ask({ id: like.id, thumbnail: like.thumbnail_url }));

function remember() {
  const address = new URLSearchParams();
  if (state.query?.text) address.set("q", state.query.text);
  if (state.query?.id) address.set("like", state.query.id);
  if (state.target !== "images") address.set("target", state.target);
  if (state.name) address.set("in", state.name);
  history.pushState(null, "", `?${address}`);
}

function recall() {
  const address = new URLSearchParams(location.search);
  state.target = address.get("target") === "texts" ? "texts" : "images";
  document.querySelector(`[name=target][value=${state.target}]`).checked = true;
  const like = address.get("like");
  const thumbnail = like && `/v1/collections/${state.name}/items/${encodeURIComponent(like)}/thumbnail`;
  return ask(like ? { id: like, thumbnail } : address.get("q") ? { text: address.get("q") } : null, { push: false });
}

async function start() {
  try {
    const { collections } = await api.collections();
    if (!collections.length) throw new api.ApiError("Nothing to search yet", "Index pictures with `vilem index build`, or wait while the service loads.", 503);
    const names = collections.map((each) => each.name);
    const wanted = new URLSearchParams(location.search).get("in");
    state.name = names.includes(wanted) ? wanted : names[0];
    $("collection").replaceChildren(...names.map((name) => new Option(name, name, false, name === state.name)));
    document.querySelector(".picker").hidden = names.length < 2;
    await recall();
  } catch (error) {
    view.showProblem(error);
    setTimeout(start, RETRY_MS);
  }
}

const takePicture = (files) => {
  const file = [...(files ?? [])].find((each) => each.type.startsWith("image/"));
  if (file) ask({ file });
  return Boolean(file);
};

function moveFocus(step) {
  const hits = [...document.querySelectorAll(".hit")];
  const place = hits.indexOf(document.activeElement);
  hits[Math.min(hits.length - 1, Math.max(0, place + step))]?.focus();
}

const columns = () => getComputedStyle($("hits")).gridTemplateColumns.split(" ").length;

function onKey(event) {
  const typing = event.target === $("query");
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() };
  if (event.key === "/" && !typing) $("query").focus();
  else if (event.key === "Escape" && !$("detail").open) { ask(null); $("query").focus(); }
  else if (typing && event.key === "ArrowDown") moveFocus(1);
  else if (event.target.classList?.contains("hit") && steps[event.key]) moveFocus(steps[event.key]);
  else return;
  event.preventDefault();
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); const text = $("query").value.trim(); if (text) ask({ text }); });
$("query").addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const text = $("query").value.trim();
    state.query = text ? { text } : null;
    view.showChip(null);
    remember();
    run();
  }, TYPING_MS);
});
$("file").addEventListener("change", (event) => takePicture(event.target.files));
$("chip-clear").addEventListener("click", () => ask(null));
$("more").addEventListener("click", () => run(true));
$("collection").addEventListener("change", (event) => { state.name = event.target.value; remember(); run(); });
document.querySelectorAll("[name=target]").forEach((radio) =>
  radio.addEventListener("change", () => { state.target = radio.value; remember(); run(); }));
document.addEventListener("keydown", onKey);
document.addEventListener("paste", (event) => { if (takePicture(event.clipboardData?.files)) event.preventDefault(); });
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
document.addEventListener("drop", (event) => { event.preventDefault(); document.body.classList.remove("dropping"); takePicture(event.dataTransfer?.files); });
window.addEventListener("popstate", recall);
start();
