"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const el = (name, attributes = {}, text) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined && text !== null) made.textContent = text;
    return made;
  };

  // The theme: the system's, until one is chosen.
  const toggle = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const kept = () => { try { return localStorage.getItem("abreast-theme"); } catch { return null; } };
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    toggle.textContent = theme === "dark" ? "Light" : "Dark";
    toggle.setAttribute("aria-label", theme === "dark" ? "Use light colours" : "Use dark colours");
    for (const plot of drawn.keys()) draw(plot);
  };
  const drawn = new Map();
  toggle.addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("abreast-theme", theme); } catch { /* kept for this visit only */ }
    setTheme(theme);
  });
  system.addEventListener("change", () => { if (!kept()) setTheme(system.matches ? "dark" : "light"); });

  // Figures.
  const copy = (value) => JSON.parse(JSON.stringify(value));
  const narrow = () => innerWidth < 560;
  const chosen = (plot) => {
    const figure = data.figures[plot.dataset.figure];
    const form = plot.closest("figure").querySelectorAll("input:checked");
    const key = JSON.stringify([...form].map((input) => input.value));
    return copy(figure[key] || Object.values(figure)[0]);
  };
  // The darkest blue of the palette is hard to see on a dark page.
  const lit = (figure) => (root.dataset.theme !== "dark" ? figure
    : JSON.parse(JSON.stringify(figure).replaceAll("#0072B2", "#2F92D6").replaceAll("rgba(0,114,178,", "rgba(47,146,214,")));
  const fitted = (figure, plot) => {
    const css = getComputedStyle(root);
    const color = (name) => css.getPropertyValue(name).trim();
    const layout = figure.layout;
    layout.font = { ...layout.font, color: color("--ink") };
    layout.hoverlabel = { ...layout.hoverlabel, bgcolor: color("--card"), bordercolor: color("--rule"), font: { color: color("--ink") } };
    for (const name of Object.keys(layout).filter((each) => /^[xy]axis/.test(each))) {
      const tickfont = { ...layout[name].tickfont, color: color("--ink") };
      Object.assign(layout[name], { gridcolor: color("--grid"), linecolor: color("--rule"), tickfont });
    }
    if (narrow()) {
      layout.font.size = 11;
      layout.margin = { ...layout.margin, l: 44, r: 8 };
      const down = layout.yaxis || {};
      if (down.type === "category" && down.categoryarray) { // long names stand above their marks
        layout.height = 130 + 44 * down.categoryarray.length;
        layout.margin.l = 8;
        Object.assign(down, { ticklabelposition: "inside top", ticklabelshift: -9, automargin: false });
        down.tickfont.size = 10;
      }
      if (layout.legend && layout.showlegend) {
        layout.legend.font = { size: 10 };
        const names = figure.data.filter((trace) => trace.showlegend !== false).length;
        if (names > 3) layout.height += 18 * names;
      }
    }
    const { min_width: least, max_width: most } = layout.meta || {};
    plot.style.minWidth = least ? `${least}px` : "";
    plot.style.maxWidth = most ? `${most}px` : "";
    return figure;
  };
  const config = { responsive: true, displaylogo: false, modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]] };
  const draw = (plot) => {
    const { data: traces, layout } = fitted(lit(chosen(plot)), plot);
    drawn.set(plot, true);
    return Plotly.react(plot, traces, layout, config);
  };
  const plots = [...document.querySelectorAll(".plot")];
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
    }
  }, { rootMargin: "800px" });
  let wasNarrow = narrow();
  addEventListener("resize", () => {
    if (wasNarrow !== narrow()) { wasNarrow = narrow(); for (const plot of drawn.keys()) draw(plot); }
  });
  addEventListener("beforeprint", () => plots.forEach((plot) => { if (!drawn.has(plot)) draw(plot); }));
  for (const figure of document.querySelectorAll("figure")) {
    const plot = figure.querySelector(".plot");
    figure.addEventListener("change", (event) => { if (event.target.matches("input[type=radio]")) draw(plot); });
    for (const button of figure.querySelectorAll("button[data-format]")) {
      button.addEventListener("click", () => { // in the colours for paper, whatever the page's are
        const { data: traces, layout } = chosen(plot);
        const size = { width: 900, height: layout.height || 450 };
        const paper = { ...layout, paper_bgcolor: "#fff", plot_bgcolor: "#fff" };
        Plotly.downloadImage({ data: traces, layout: paper, config: {} },
          { ...size, format: button.dataset.format, filename: plot.dataset.figure, scale: 2 });
      });
    }
  }

  // Tables.
  const fixed = (value) => {
    if (value === 0) return "0";
    const size = Math.abs(value);
    return size >= 1e-3 && size < 1e4 ? value.toFixed(4) : Number(value.toPrecision(3)).toString();
  };
  const formats = {
    number: fixed,
    count: (value) => String(value),
    share: (value) => `${Math.round(100 * value)} %`,
    p: (value) => (value < 0.001 ? "< 0.001" : value.toFixed(3)),
    seconds: (value) => (value >= 5400 ? `${(value / 3600).toFixed(1)} h` : value >= 90 ? `${(value / 60).toFixed(1)} min` : `${Number(value.toPrecision(3))} s`),
    text: (value) => String(value),
  };
  const shown = (value, column) => (value === null || value === "" ? "" : typeof value === "number" ? (formats[column.format] || fixed)(value) : String(value));
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
  const row = (cells, columns) => {
    const tr = el("tr");
    cells.forEach((value, at) => {
      const column = columns[at];
      const td = el("td", column.format === "text" ? {} : { class: "number" }, shown(value, column));
      if (column.bad && value) td.classList.add("failed-cell");
      tr.append(td);
    });
    return tr;
  };
  const SIZE = 25;
  const build = (holder) => {
    const source = data.tables[holder.dataset.table];
    const { columns } = source;
    const state = { key: null, up: true, words: [], choice: "", page: 0 };
    const tools = el("div", { class: "tools" });
    const search = el("input", { type: "search", placeholder: "Filter: words that a row holds", "aria-label": `Filter ${source.caption}` });
    tools.append(search);
    let select = null;
    if (source.select !== null) {
      select = el("select", { "aria-label": `Show only: ${columns[source.select].label}` });
      const values = [...new Set(source.rows.map((each) => each[source.select]))];
      select.append(el("option", { value: "" }, `any: ${columns[source.select].label}`));
      for (const value of values) select.append(el("option", { value }, value));
      tools.append(select);
    }
    const status = el("p", { class: "soft", role: "status" });
    const scroll = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": source.caption });
    const table = el("table");
    table.append(el("caption", {}, source.caption));
    const head = el("tr");
    if (source.details) head.append(el("th", { scope: "col" }, "runs"));
    columns.forEach((column, at) => {
      const th = el("th", { scope: "col", class: column.format === "text" ? "" : "number", "aria-sort": "none" });
      const button = el("button", { type: "button" }, column.label);
      if (column.title) button.title = column.title;
      button.addEventListener("click", () => {
        state.up = state.key === at ? !state.up : column.first !== "down";
        state.key = at;
        state.page = 0;
        fill();
      });
      th.append(button);
      head.append(th);
    });
    const thead = el("thead");
    thead.append(head);
    const tbody = el("tbody");
    table.append(thead, tbody);
    scroll.append(table);
    const pages = el("div", { class: "pages" });
    const back = el("button", { type: "button" }, "Back");
    const on = el("button", { type: "button" }, "Next");
    const where = el("span");
    pages.append(back, where, on);
    back.addEventListener("click", () => { state.page -= 1; fill(); });
    on.addEventListener("click", () => { state.page += 1; fill(); });
    const texts = source.rows.map((cells) => cells.map((value, at) => `${columns[at].label}=${shown(value, columns[at])}`).join(" ").toLowerCase());
    const matching = () => {
      let order = source.rows.map((_, at) => at).filter((at) =>
        state.words.every((word) => texts[at].includes(word)) && (!state.choice || String(source.rows[at][source.select]) === state.choice));
      if (state.key !== null) {
        const none = (value) => value === null || value === "";
        order = order.sort((a, b) => {
          const [x, y] = [source.rows[a][state.key], source.rows[b][state.key]];
          if (none(x) || none(y)) return none(x) - none(y); // what there is none of comes last, either way
          return (state.up ? 1 : -1) * compare(x, y) || a - b;
        });
      }
      return order;
    };
    const detail = (at, width) => {
      const inner = data.tables.runs;
      const tr = el("tr", { class: "detail" });
      const td = el("td", { colspan: width });
      const small = el("table");
      const top = el("tr");
      inner.columns.forEach((column) => top.append(el("th", { scope: "col", class: column.format === "text" ? "" : "number" }, column.label)));
      const head = el("thead");
      head.append(top);
      const body = el("tbody");
      for (const each of source.details[at]) body.append(row(inner.rows[each], inner.columns));
      small.append(head, body);
      const scroll = el("div", { class: "scroll" });
      scroll.append(small);
      td.append(scroll);
      tr.append(td);
      return tr;
    };
    const fill = () => {
      const order = matching();
      const last = Math.max(0, Math.ceil(order.length / SIZE) - 1);
      state.page = Math.min(Math.max(state.page, 0), last);
      const part = order.slice(state.page * SIZE, (state.page + 1) * SIZE);
      tbody.replaceChildren(...part.map((at) => {
        const tr = row(source.rows[at], columns);
        if (source.classes) tr.classList.add(source.classes[at]);
        if (source.details) {
          const td = el("td");
          const button = el("button", { type: "button", "aria-expanded": "false" }, `${source.details[at].length}`);
          button.setAttribute("aria-label", `${source.details[at].length} runs of this row`);
          button.addEventListener("click", () => {
            const open = button.getAttribute("aria-expanded") === "true";
            button.setAttribute("aria-expanded", String(!open));
            if (open) tr.nextElementSibling.remove(); else tr.after(detail(at, columns.length + 1));
          });
          td.append(button);
          tr.prepend(td);
        }
        return tr;
      }));
      [...head.querySelectorAll("[aria-sort]")].forEach((th, at) => {
        th.setAttribute("aria-sort", at !== state.key ? "none" : state.up ? "ascending" : "descending");
      });
      status.textContent = order.length === source.rows.length ? `${order.length} rows` : `${order.length} of ${source.rows.length} rows`;
      pages.classList.toggle("hidden", last === 0);
      where.textContent = `Page ${state.page + 1} of ${last + 1}`;
      back.disabled = state.page === 0;
      on.disabled = state.page === last;
    };
    const filter = () => {
      state.words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      state.choice = select ? select.value : "";
      state.page = 0;
      fill();
    };
    search.addEventListener("input", filter);
    if (select) select.addEventListener("change", filter);
    tools.append(status);
    holder.append(tools, scroll, pages);
    fill();
  };
  for (const holder of document.querySelectorAll("[data-table]")) build(holder);

  setTheme(kept() || (system.matches ? "dark" : "light"));
  plots.forEach((plot) => seen.observe(plot));
  root.dataset.ready = "true";
})();
