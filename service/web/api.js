// The HTTP API. Whatever fails is an ApiError that can be shown to a person.

import { withKey } from "./access.js";

export class ApiError extends Error {
  /** `kind` is the last part of the problem's stable type, or "unreachable" when nothing answered. */
  constructor(kind, title, detail, retryAfter = 0) {
    super(`${title}: ${detail}`);
    Object.assign(this, { kind, title, detail, retryAfter });
  }
}

async function call(path, options = {}) {
  const response = await fetch(path, withKey(options)).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new ApiError("unreachable", "The server does not answer", "It may be restarting, or the network is down.");
  });
  const body = await response.json().catch((error) => {
    if (error.name === "AbortError") throw error;
    return null;
  });
  if (response.ok && body) return body;
  const kind = body?.type?.split("/").pop() ?? "unknown";
  const title = body?.title ?? "The server's answer makes no sense";
  const detail = body?.detail ?? `${path} answered with status ${response.status}.`;
  throw new ApiError(kind, title, detail, Number(response.headers.get("Retry-After")) || 0);
}

const address = (collection) => `/v1/collections/${encodeURIComponent(collection)}`;

export const collections = (signal) => call("/v1/collections", { signal });

export const collection = (name, signal) => call(address(name), { signal });

/** One item, whole; an id is one segment, whatever slashes and dots it holds. */
export const item = (name, id, signal) => call(`${address(name)}/items/${encodeURIComponent(id)}`, { signal });

/** Search with `query`, one of {text}, {file} and {id}; a text's best `candidates`, if given, are proofread. */
export function search(name, query, { target, limit, offset, candidates }, signal) {
  if (query.file) {
    const form = new FormData();
    form.append("file", query.file);
    for (const [key, value] of Object.entries({ target, limit, offset })) form.append(key, value);
    return call(`${address(name)}/search/image`, { method: "POST", body: form, signal });
  }
  const asked = query.id ? { id: query.id } : { text: query.text };
  const reread = candidates ? { rerank: "proofread", candidates, explain: true } : {};
  const body = JSON.stringify({ query: asked, target, limit, offset, ...reread });
  return call(`${address(name)}/search`, {
    method: "POST", body, headers: { "content-type": "application/json" }, signal,
  });
}

/** Where the small picture of an item is. */
export function thumbnail(name, id, size = 256) {
  return `${address(name)}/items/${encodeURIComponent(id)}/thumbnail?size=${size}`;
}

/** Whether the service still loads; an answer that names what failed means that loading is over. */
export async function loading(signal) {
  const response = await fetch("/readyz", { signal });
  const body = await response.json().catch(() => ({}));
  return !response.ok && !body.failed;
}

/** Resolve `delay` ms later at the earliest, once the service answers and has loaded; reject when aborted. */
export async function untilReady(delay, signal) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, delay));
    signal?.throwIfAborted();
    const wait = await loading(signal).catch((error) => {
      if (error.name === "AbortError") throw error;
      return true;
    });
    if (!wait) return;
  }
}
