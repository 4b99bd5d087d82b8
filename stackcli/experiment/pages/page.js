"use strict";
const text = (cell) => cell.textContent.trim();
const number = (cell) => {
  const value = cell.dataset.value ?? (cell.classList.contains("n") ? text(cell).replace("−", "-") : "");
  return value !== "" && Number.isFinite(Number(value)) ? Number(value) : null;
};

// Numbers before text, and empty cells last in both directions.
function compare(a, b, sign) {
  const [x, y] = [number(a), number(b)];
  if (x !== null && y !== null) return sign * (x - y);
  if (!text(a) || !text(b)) return (text(a) ? 0 : 1) - (text(b) ? 0 : 1);
  if (x !== null || y !== null) return x !== null ? -1 : 1;
  return sign * text(a).localeCompare(text(b), "en", { numeric: true });
}

function sort(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const up = heads[column].getAttribute("aria-sort") !== "ascending";
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  rows.sort((a, b) => compare(a.cells[column], b.cells[column], up ? 1 : -1));
  body.append(...rows);
}

function filter(table, words, output) {
  const rows = [...table.tBodies[0].rows];
  let shown = 0;
  for (const row of rows) {
    const content = [...row.cells].map(text).join(" ").toLowerCase();
    row.hidden = !words.every((word) => content.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  output.textContent = words.length ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
}

for (const section of document.querySelectorAll("section.table")) {
  const table = section.querySelector("table");
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent || "name";
    button.addEventListener("click", () => sort(table, column));
    head.replaceChildren(button);
  });
  const box = section.querySelector(".filter");
  if (!box) continue;
  const [input, output] = [box.querySelector("input"), box.querySelector("output")];
  const update = () => filter(table, input.value.toLowerCase().split(/\s+/).filter(Boolean), output);
  input.addEventListener("input", update);
  box.hidden = false;
  update();
}
