// The collection that was chosen last, kept by the browser. Storage may be denied: then nothing is remembered.

const KEY = "vilem.collection";

export function remember(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // denied or full
  }
}

export function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
