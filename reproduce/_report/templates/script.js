"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const reveal = (element) => { if (element) element.hidden = false; };

  // Theme: the system's by default. Pages opened from a file may have no storage.
  const THEMES = ["auto", "light", "dark"];
  const load = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const save = (theme) => { try { localStorage.setItem("theme", theme); } catch { /* no storage */ } };
  const button = byId("theme");
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = `theme: ${theme}`;
  };
  apply(THEMES.includes(load()) ? load() : "auto");
  button.addEventListener("click", () => {
    const current = document.documentElement.dataset.theme;
    const next = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length];
    apply(next);
    save(next);
  });
  reveal(button);

  // Sorting by number or word; rows without a value always come last.
  const compare = (a, b, numeric) => {
    if (numeric) {
      const [x, y] = [Number(a), Number(b)];
      if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
      return Number.isNaN(x) - Number.isNaN(y) || a.localeCompare(b);
    }
    return a.localeCompare(b, "en", { numeric: true });
  };
  const sort = (table, title, column) => {
    const down = title.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    title.setAttribute("aria-sort", down ? "descending" : "ascending");
    const numeric = title.dataset.numeric === "yes";
    const key = (row) => row.cells[column].dataset.key;
    const rows = [...table.tBodies[0].rows].sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (a === "" || b === "") return (a === "") - (b === "");
      return (down ? -1 : 1) * compare(a, b, numeric);
    });
    table.tBodies[0].append(...rows);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((title, column) => {
      title.querySelector("button").addEventListener("click", () => sort(table, title, column));
    });
  }

  // Filter: keeps the rows and cards of runs that contain all words.
  const filter = byId("filter");
  if (filter) {
    const rows = [...byId("runs-table").tBodies[0].rows];
    const texts = new Map(rows.map((row) => [
      row.dataset.words, `${row.dataset.words} ${row.textContent}`.toLowerCase()]));
    const cards = [...document.querySelectorAll("details.card")];
    const update = () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const matches = (name) => words.every((word) => texts.get(name).includes(word));
      for (const each of [...rows, ...cards]) each.hidden = !matches(each.dataset.words);
      const count = rows.filter((row) => !row.hidden).length;
      byId("shown").textContent = words.length ? `${count} of ${rows.length} runs` : "";
    };
    filter.addEventListener("input", update);
    reveal(filter.closest(".filter"));
    if (filter.value) update(); // browsers may restore the text after a reload
  }

  // Following a link to a run unfolds it.
  const unfold = () => {
    const card = byId(decodeURIComponent(location.hash.slice(1)));
    if (card instanceof HTMLDetailsElement) card.open = true;
  };
  addEventListener("hashchange", unfold);
  for (const link of document.querySelectorAll("#runs-table a")) {
    link.addEventListener("click", () => {
      byId(link.hash.slice(1)).open = true;
    });
  }
  unfold();
  const setAll = (open) => () => {
    for (const card of document.querySelectorAll("details.card:not([hidden])")) card.open = open;
  };
  if (byId("unfold")) {
    byId("unfold").addEventListener("click", setAll(true));
    byId("fold").addEventListener("click", setAll(false));
    reveal(document.querySelector(".folding"));
  }
})();
