// Arrow keys move through a grid whose columns depend on its width. One cell at a time can be reached with Tab.

/** Make the elements of `container` that match `selector` one stop for Tab, and follow the arrows between them. */
export function rove(container, selector) {
  const cells = () => [...container.querySelectorAll(selector)];

  container.addEventListener("focusin", (event) => {
    if (!event.target.matches(selector)) return;
    for (const cell of cells()) cell.tabIndex = cell === event.target ? 0 : -1;
  });

  container.addEventListener("keydown", (event) => {
    const all = cells();
    const from = all.indexOf(event.target);
    if (from < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const to = destination(event.key, from, all);
    if (to === null) return;
    event.preventDefault();
    // so that what is above the first row may take over
    if (to < 0) container.dispatchEvent(new CustomEvent("leave"));
    else all[Math.min(to, all.length - 1)].focus();
  });
}

function destination(key, from, all) {
  const top = all[0].getBoundingClientRect().top;
  const columns = all.findIndex((cell) => cell.getBoundingClientRect().top > top + 1);
  const row = columns > 0 ? columns : all.length;
  switch (key) {
    case "ArrowRight": return from + 1;
    case "ArrowLeft": return Math.max(0, from - 1);
    case "ArrowDown": return inLastRow(from, row, all.length) ? from : from + row;
    case "ArrowUp": return from - row;
    case "Home": return 0;
    case "End": return all.length - 1;
    default: return null;
  }
}

const inLastRow = (from, row, count) => Math.floor(from / row) === Math.floor((count - 1) / row);
