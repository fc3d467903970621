// What the page shows. Texts become text nodes: nothing from a collection is read as HTML.

const $ = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function showHits(hits, target, { append, onOpen }) {
  const list = $("hits");
  list.classList.toggle("texts", target === "texts");
  if (!append) list.replaceChildren();
  for (const hit of hits) {
    const image = element("img", { src: hit.thumbnail_url, alt: hit.captions?.[0] ?? hit.id, loading: "lazy" });
    const words = target === "texts" ? hit.caption : hit.score === undefined ? hit.id : hit.score.toFixed(3);
    const button = element("button", { type: "button", className: "hit", title: hit.id }, image, element("span", {}, words));
    button.addEventListener("click", () => onOpen(hit));
    list.append(element("li", {}, button));
  }
}

export function showStatus(text) {
  $("status").textContent = text;
}

export function showProblem(error) {
  $("problem").hidden = !error;
  if (error) $("problem").replaceChildren(element("strong", {}, error.title ?? "Something went wrong"), ` ${error.detail ?? error.message}`);
}

export function showHints(examples, onPick) {
  $("hints").hidden = !examples.length;
  const buttons = examples.map((text) => {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => onPick(text));
    return button;
  });
  $("hints").replaceChildren(element("p", {}, "Try one of these, or drop a picture anywhere."), ...buttons);
}

export function showMore(visible) {
  $("more").hidden = !visible;
}

export function showChip(query) {
  const visible = Boolean(query?.file || query?.id);
  $("chip").hidden = !visible;
  if (!visible) return;
  URL.revokeObjectURL($("chip-image").src);
  $("chip-image").src = query.file ? URL.createObjectURL(query.file) : query.thumbnail;
  $("chip-text").textContent = query.file ? query.file.name || "picture" : `like ${query.id}`;
}

export function showDetail(item, onLike) {
  $("detail-image").src = item.image_url;
  $("detail-image").alt = item.captions?.[0] ?? item.id;
  $("detail-id").textContent = item.id;
  $("detail-captions").replaceChildren(...(item.captions ?? []).map((text) => element("li", {}, text)));
  const metadata = Object.entries(item.metadata ?? {}).filter(([, value]) => typeof value !== "object");
  $("detail-metadata").replaceChildren(
    ...metadata.flatMap(([key, value]) => [element("dt", {}, key), element("dd", {}, String(value))]),
  );
  $("detail-like").onclick = () => {
    $("detail").close();
    onLike(item);
  };
  $("detail").showModal();
}
