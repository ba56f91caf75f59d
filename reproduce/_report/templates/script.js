"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const reveal = (element) => { if (element) element.hidden = false; };

  // Theme: that of the system, until one is chosen. A page from a file may have no storage.
  const THEMES = ["auto", "light", "dark"];
  const kept = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("theme", theme); } catch { /* not kept */ } };
  const button = byId("theme");
  const wear = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = `theme: ${theme}`;
  };
  wear(THEMES.includes(kept()) ? kept() : "auto");
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme;
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    wear(next);
    keep(next);
  });
  reveal(button);

  // Sorting: by number or word; rows without a value come last either way.
  const compared = (a, b, numeric) => {
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
      return (down ? -1 : 1) * compared(a, b, numeric);
    });
    table.tBodies[0].append(...rows);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((title, column) => {
      title.querySelector("button").addEventListener("click", () => sort(table, title, column));
    });
  }

  // Filter: rows of the table of runs and their cards, by all words.
  const filter = byId("filter");
  if (filter) {
    const rows = [...byId("runs-table").tBodies[0].rows];
    const texts = new Map(rows.map((row) => [
      row.dataset.words, `${row.dataset.words} ${row.textContent}`.toLowerCase()]));
    const cards = [...document.querySelectorAll("details.card")];
    const narrow = () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const fits = (name) => words.every((word) => texts.get(name).includes(word));
      for (const each of [...rows, ...cards]) each.hidden = !fits(each.dataset.words);
      const count = rows.filter((row) => !row.hidden).length;
      byId("shown").textContent = words.length ? `${count} of ${rows.length} runs` : "";
    };
    filter.addEventListener("input", narrow);
    reveal(filter.closest(".filter"));
    if (filter.value) narrow(); // the browser may have kept it over a reload
  }

  // A link to a run unfolds it.
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
  const all = (open) => () => {
    for (const card of document.querySelectorAll("details.card:not([hidden])")) card.open = open;
  };
  if (byId("unfold")) {
    byId("unfold").addEventListener("click", all(true));
    byId("fold").addEventListener("click", all(false));
    reveal(document.querySelector(".folding"));
  }
})();
