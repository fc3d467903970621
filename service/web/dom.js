// Making elements. Text only ever becomes text nodes: nothing of an answer is read as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** A new element; attributes that are `false` or `null` are left out, functions become listeners. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** An icon of icons.svg in the colour of the text around it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

export const number = (value) => value.toLocaleString("en");

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** A text of at most `most` characters; what was cut off shows as "…". */
export function cut(text, most) {
  const characters = [...text];
  return characters.length > most ? `${characters.slice(0, most - 1).join("").trimEnd()}…` : text;
}

export const percent = (value) => `${Math.round(100 * value)} %`;

/** A probability in whole percent; what is nearly none or nearly sure is neither. */
export function chance(value) {
  if (value > 0 && value < 0.005) return "< 1 %";
  return value < 1 && value >= 0.995 ? "> 99 %" : percent(value);
}
