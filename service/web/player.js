// A video in place of the picture: it plays from the moment that was found, and nothing of it is loaded before.

import { show } from "./access.js";
import { $, element, icon } from "./dom.js";

/** "0:07", "1:02:07". */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, place) => (place ? String(part).padStart(2, "0") : part)).join(":");
}

/** The address of an item's file: of a video's, from the moment that was found. */
export const original = (item) => (item.video ? item.video.video_url + (item.moment ? `#t=${item.moment.seconds}` : "") : item.image_url);

/** What tells a video from a picture among the hits, and where it was found; null for a picture. */
export function badge(item) {
  if (!item.video) return null;
  const [said, time] = item.moment ? ["Video, found at ", item.moment.seconds] : ["Video of ", item.video.seconds];
  return element("span", { class: "clip" }, icon("play"), element("span", { class: "unseen" }, said), clock(time));
}

export class Player {
  #video = $("detail-video");
  #fault = $("detail-unplayable");

  constructor() {
    this.#video.addEventListener("error", () => (this.#fault.hidden = false));
  }

  /** Show a video, which is not played before a person asks for it; a picture takes it away. */
  show(item, title) {
    this.stop();
    this.#video.hidden = !item.video;
    if (!item.video) return;
    show(this.#video, item.moment?.thumbnail_url ?? item.image_url, { name: "poster" });
    this.#video.width = item.width;
    this.#video.height = item.height;
    this.#video.setAttribute("aria-label", `Video: ${title}`);
    show(this.#video, original(item));
  }

  /** Let go of it: no sound of what is not seen, and no more of it is loaded. */
  stop() {
    this.#fault.hidden = true;
    for (const name of ["src", "poster"]) show(this.#video, null, { name });
    this.#video.load();
  }
}
