// The HTTP API. A failure is an Error whose `title` and `detail` can be shown to a person.

export class ApiError extends Error {
  constructor(title, detail, status = 0) {
    super(`${title}: ${detail}`);
    Object.assign(this, { title, detail, status });
  }
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer", "Check that it is running, then search again.");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new ApiError(body.title ?? "The search failed", body.detail ?? `Status ${response.status}.`, response.status);
  }
  return body;
}

export const collections = () => call("/v1/collections");

export const collection = (name) => call(`/v1/collections/${encodeURIComponent(name)}`);

export function search(name, query, { target, limit, offset, signal }) {
  const path = `/v1/collections/${encodeURIComponent(name)}/search`;
  if (query.file) {
    const form = new FormData();
    form.append("file", query.file);
    for (const [key, value] of Object.entries({ target, limit, offset })) form.append(key, value);
    return call(`${path}/image`, { method: "POST", body: form, signal });
  }
  const body = JSON.stringify({ query, target, limit, offset });
  return call(path, { method: "POST", body, headers: { "content-type": "application/json" }, signal });
}
