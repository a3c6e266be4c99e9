const PAGE_SIZE = 25; // rows

const formatNumber = (value) => { // in the decimals of Python's `format_number`
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e7) return Number(value.toPrecision(3)).toString();
  return value.toFixed(size < 10 ? 4 : size < 1000 ? 2 : size < 1e4 ? 1 : 0);
};
const formatSeconds = (value) => {
  if (value >= 5400) return `${(value / 3600).toFixed(1)} h`;
  return value >= 90 ? `${(value / 60).toFixed(1)} min` : `${Number(value.toPrecision(3))} s`;
};
const formats = {
  text: String,
  number: formatNumber,
  difference: (value) => (Math.abs(value) < 1e-6 ? "0.0000" : `${value < 0 ? "-" : "+"}${formatNumber(Math.abs(value))}`),
  count: String,
  share: (value) => `${Math.round(100 * value)}%`,
  p: (value) => (value < 0.001 ? "< 0.001" : value.toFixed(3)),
  seconds: formatSeconds,
};
const isEmpty = (value) => value === null || value === "";
const cellText = (value, column) => {
  if (isEmpty(value)) return "";
  return typeof value === "number" ? (formats[column.format] || formatNumber)(value) : String(value);
};
const compareValues = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b
  : String(a).localeCompare(String(b), undefined, { numeric: true }));

const headerCell = (column) => element("th", { scope: "col", class: column.format === "text" ? "" : "number" });
const tableRow = (cells, columns) => {
  const tr = element("tr");
  cells.forEach((value, index) => {
    const column = columns[index];
    const td = element("td", column.format === "text" ? {} : { class: "number" }, cellText(value, column));
    if (column.alarming && value) td.classList.add("failed-cell");
    tr.append(td);
  });
  return tr;
};

// The row below a group's row that lists its runs.
const runsRow = (indices, width) => {
  const runs = data.tables.runs;
  const head = element("tr");
  for (const column of runs.columns) {
    const th = headerCell(column);
    th.textContent = column.label;
    head.append(th);
  }
  const thead = element("thead");
  thead.append(head);
  const tbody = element("tbody");
  for (const index of indices) tbody.append(tableRow(runs.rows[index], runs.columns));
  const table = element("table");
  table.append(thead, tbody);
  const scroll = element("div", { class: "scroll" });
  scroll.append(table);
  const td = element("td", { colspan: width });
  td.append(scroll);
  const tr = element("tr", { class: "detail" });
  tr.append(td);
  return tr;
};

// Copies a text; where the browser does not let a page do so, the reader is shown it, selected.
const copyText = async (text, status) => {
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = "Copied";
  } catch {
    const area = element("textarea", { readonly: "", rows: 12, "aria-label": "Text to copy" }, text);
    status.replaceChildren(area);
    area.select();
  }
};
const copyButtons = (copies) => {
  const tools = element("div", { class: "tools" });
  const status = element("div", { class: "soft copied", role: "status" });
  for (const [name, text] of Object.entries(copies)) {
    const button = element("button", { type: "button" }, `Copy as ${name}`);
    button.addEventListener("click", () => copyText(text, status));
    tools.append(button);
  }
  tools.append(status);
  return tools;
};

// Builds a table that can be sorted, filtered and turned page by page.
const buildTable = (holder) => {
  const source = data.tables[holder.dataset.table];
  const { columns } = source;
  const state = { column: null, ascending: true, words: [], choice: "", page: 0 };

  const tools = element("div", { class: "tools" });
  const search = element("input", { type: "search", placeholder: "Filter by words in a row", "aria-label": `Filter: ${source.caption}` });
  tools.append(search);
  let select = null;
  if (source.select !== null) {
    const { label } = columns[source.select];
    select = element("select", { "aria-label": `Show only: ${label}` });
    select.append(element("option", { value: "" }, `any ${label}`));
    for (const value of new Set(source.rows.map((row) => row[source.select]))) select.append(element("option", { value }, value));
    tools.append(select);
  }
  const status = element("p", { class: "soft", role: "status" });
  tools.append(status);

  const head = element("tr");
  if (source.details) head.append(element("th", { scope: "col" }, "runs"));
  columns.forEach((column, index) => {
    const th = headerCell(column);
    th.setAttribute("aria-sort", "none");
    const button = element("button", { type: "button" }, column.label);
    if (column.title) button.title = column.title;
    button.addEventListener("click", () => {
      state.ascending = state.column === index ? !state.ascending : true;
      state.column = index;
      state.page = 0;
      fill();
    });
    th.append(button);
    head.append(th);
  });
  const thead = element("thead");
  thead.append(head);
  const tbody = element("tbody");
  const table = element("table");
  table.append(element("caption", {}, source.caption), thead, tbody);
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": source.caption });
  scroll.append(table);

  const pages = element("div", { class: "pages" });
  const previous = element("button", { type: "button" }, "Previous");
  const next = element("button", { type: "button" }, "Next");
  const position = element("span");
  pages.append(previous, position, next);
  previous.addEventListener("click", () => { state.page -= 1; fill(); });
  next.addEventListener("click", () => { state.page += 1; fill(); });

  const texts = source.rows.map((row) => row.map((value, index) => `${columns[index].label}=${cellText(value, columns[index])}`).join(" ").toLowerCase());
  const matches = (index) => state.words.every((word) => texts[index].includes(word))
    && (!state.choice || String(source.rows[index][source.select]) === state.choice);
  const visibleRows = () => {
    const indices = source.rows.map((_, index) => index).filter(matches);
    if (state.column === null) return indices;
    return indices.sort((a, b) => {
      const [x, y] = [source.rows[a][state.column], source.rows[b][state.column]];
      if (isEmpty(x) || isEmpty(y)) return isEmpty(x) - isEmpty(y); // empty cells come last in both directions
      return (state.ascending ? 1 : -1) * compareValues(x, y) || a - b;
    });
  };
  const rowWithRuns = (index) => {
    const tr = tableRow(source.rows[index], columns);
    if (source.classes) tr.classList.add(source.classes[index]);
    if (!source.details) return tr;
    const indices = source.details[index];
    const button = element("button", { type: "button", "aria-expanded": "false", "aria-label": `${indices.length} runs of this row` }, String(indices.length));
    button.addEventListener("click", () => {
      const isOpen = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!isOpen));
      if (isOpen) tr.nextElementSibling.remove(); else tr.after(runsRow(indices, columns.length + 1));
    });
    const td = element("td");
    td.append(button);
    tr.prepend(td);
    return tr;
  };
  const fill = () => {
    const indices = visibleRows();
    const last = Math.max(0, Math.ceil(indices.length / PAGE_SIZE) - 1);
    state.page = Math.min(Math.max(state.page, 0), last);
    const shown = indices.slice(state.page * PAGE_SIZE, (state.page + 1) * PAGE_SIZE);
    tbody.replaceChildren(...shown.map(rowWithRuns));
    [...head.querySelectorAll("[aria-sort]")].forEach((th, index) => {
      th.setAttribute("aria-sort", index !== state.column ? "none" : state.ascending ? "ascending" : "descending");
    });
    const total = source.rows.length;
    status.textContent = indices.length === total ? `${total} rows` : `${indices.length} of ${total} rows`;
    pages.classList.toggle("hidden", last === 0);
    position.textContent = `Page ${state.page + 1} of ${last + 1}`;
    previous.disabled = state.page === 0;
    next.disabled = state.page === last;
  };
  const filter = () => {
    state.words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    state.choice = select ? select.value : "";
    state.page = 0;
    fill();
  };
  search.addEventListener("input", filter);
  if (select) select.addEventListener("change", filter);
  holder.append(tools, scroll, pages);
  if (Object.keys(source.copies).length) holder.append(copyButtons(source.copies));
  fill();
};
for (const holder of document.querySelectorAll("[data-table]")) buildTable(holder);
