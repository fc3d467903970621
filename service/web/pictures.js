// Pictures come in by dropping, pasting or choosing a file.

import { $ } from "./dom.js";

/** Call `onPicture(file)` for each picture that comes in, `onRefused(why)` for what is none. */
export function takePictures({ onPicture, onRefused }) {
  const take = (transfer) => {
    const file = [...transfer.files].find((each) => each.type.startsWith("image/"));
    if (file) onPicture(file);
    else if (transfer.files.length) onRefused(`${transfer.files[0].name} is not a picture: use a JPEG, PNG or WebP file.`);
    return Boolean(file);
  };

  $("choose").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    take($("file"));
    // the same file may be chosen again
    $("file").value = "";
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData && take(event.clipboardData)) event.preventDefault();
  });
  takeDropped((transfer) => {
    if (!take(transfer) && !transfer.files.length) {
      onRefused("That was an address, not a file. Save the picture, then drop it here: nothing is fetched from elsewhere.");
    }
  });
}

function takeDropped(onDrop) {
  // text that is dragged within the page is the field's affair
  const foreign = (event) => ["Files", "text/uri-list"].some((type) => event.dataTransfer?.types.includes(type));
  const show = (visible) => ($("drop").hidden = !visible);

  document.addEventListener("dragover", (event) => {
    if (!foreign(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    show(true);
  });
  document.addEventListener("dragleave", (event) => {
    // leaving one element for another is not leaving the window
    if (!event.relatedTarget) show(false);
  });
  document.addEventListener("drop", (event) => {
    show(false);
    if (!foreign(event)) return;
    event.preventDefault();
    onDrop(event.dataTransfer);
  });
}
