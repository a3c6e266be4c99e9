// Not the window's width, which on a phone changes with what a figure takes while it is drawn.
const narrow = matchMedia("(max-width: 559px)");
const drawn = new Set(); // the plots drawn so far; the others are drawn when they come near the viewport
const PRINT_WIDTH = 640; // what fits on a sheet of paper, as print shows what was drawn for the screen
let isPrinting = false;
const isNarrow = () => narrow.matches && !isPrinting;
const config = { responsive: true, displaylogo: false, modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]] };

// The text of a packed part of the page.
const unpack = async (id) => {
  const packed = document.getElementById(id);
  const bytes = Uint8Array.from(atob(packed.textContent), (character) => character.charCodeAt(0));
  packed.remove();
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};
// The figures' numbers, and plotly.js, which draws them; the page is there before them.
let figures = {};
const loadPlotly = async () => {
  figures = JSON.parse(await unpack("figures"));
  document.head.append(element("script", {}, await unpack("plotly")));
};
const plotly = loadPlotly();
plotly.catch((error) => {
  const reason = "DecompressionStream" in window ? error : "This browser is too old to draw the figures";
  const text = `${reason}. Their numbers are in the tables; abreast report --figures writes them as files.`;
  for (const plot of document.querySelectorAll(".plot")) { plot.textContent = text; plot.style.minHeight = ""; }
});

// A copy of the variant that the switches of a figure select.
const selectedVariant = (plot) => {
  const { traces, layouts, variants } = figures[plot.dataset.figure];
  const inputs = plot.closest("figure").querySelectorAll("input:checked");
  const key = JSON.stringify([...inputs].map((input) => input.value));
  const variant = variants[key] || Object.values(variants)[0];
  const shown = { data: variant.data.map((number) => traces[number]), layout: layouts[variant.layout] };
  return JSON.parse(JSON.stringify(shown));
};

// The darkest blue of the palette is hard to see on a dark page.
const forTheme = (figure) => (root.dataset.theme !== "dark" ? figure
  : JSON.parse(JSON.stringify(figure).replaceAll("#0072B2", "#2F92D6").replaceAll("rgba(0,114,178,", "rgba(47,146,214,")));

// Changes a figure's layout: the colours of the page, and what a narrow screen requires.
const fitToPage = (figure, plot) => {
  const css = getComputedStyle(root);
  const color = (name) => css.getPropertyValue(name).trim();
  const layout = figure.layout;
  layout.font = { ...layout.font, color: color("--ink") };
  layout.hoverlabel = { ...layout.hoverlabel, bgcolor: color("--card"), bordercolor: color("--rule"), font: { color: color("--ink") } };
  for (const name of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
    const tickfont = { ...layout[name].tickfont, color: color("--ink") };
    Object.assign(layout[name], { gridcolor: color("--grid"), linecolor: color("--rule"), tickfont });
  }
  if (isNarrow()) {
    layout.font.size = 11;
    layout.margin = { ...layout.margin, l: 44, r: 8 };
    const yaxis = layout.yaxis || {};
    if (yaxis.type === "category" && yaxis.categoryarray) { // long names go above their marks
      layout.height = 130 + 44 * yaxis.categoryarray.length;
      layout.margin.l = 8;
      yaxis.showticklabels = false; // inside the axes they would hide the ticks of the other axis
      const name = { xref: "paper", x: 0, xanchor: "left", yshift: 13, showarrow: false, font: { size: 10 } };
      const names = yaxis.categoryarray.map((text) => ({ ...name, y: text, text }));
      layout.annotations = [...(layout.annotations || []), ...names];
    }
    if (layout.legend && layout.showlegend) {
      layout.legend.font = { size: 10 };
      const names = figure.data.filter((trace) => trace.showlegend !== false).length;
      if (names > 3) layout.height += 18 * names;
    }
  }
  const { min_width: minWidth, max_width: maxWidth } = layout.meta || {};
  if (isPrinting) layout.width = Math.min(PRINT_WIDTH, maxWidth || PRINT_WIDTH);
  plot.style.minWidth = minWidth && !isPrinting ? `${minWidth}px` : "";
  plot.style.maxWidth = maxWidth ? `${maxWidth}px` : "";
  return figure;
};

// Lets the keyboard reach the entries of a legend: Enter or Space hides what an entry names, or shows it again.
const openLegend = (plot) => {
  plot.querySelectorAll(".legend .traces").forEach((entry, position) => {
    const [{ trace }] = entry.__data__;
    const isShown = trace.visible !== "legendonly";
    const name = entry.querySelector(".legendtext")?.textContent || trace.name;
    for (const [key, value] of Object.entries({
      tabindex: 0, role: "checkbox", "aria-checked": isShown, "aria-label": name,
    })) entry.setAttribute(key, value);
    entry.onkeydown = async (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      const together = plot._fullData.filter((other) => other === trace || (trace.legendgroup && other.legendgroup === trace.legendgroup));
      await Plotly.restyle(plot, { visible: isShown ? "legendonly" : true }, together.map((other) => other.index));
      plot.querySelectorAll(".legend .traces")[position]?.focus();
    };
  });
};

const draw = async (plot) => {
  drawn.add(plot);
  await plotly;
  const { data: traces, layout } = fitToPage(forTheme(selectedVariant(plot)), plot);
  await Plotly.react(plot, traces, layout, config);
  if (plot.dataset.printed && !isPrinting) await Plotly.Plots.resize(plot); // which react leaves as wide as it was
  plot.dataset.printed = isPrinting || "";
  if (!plot.dataset.drawn) plot.on("plotly_afterplot", () => openLegend(plot));
  plot.dataset.drawn = "true";
  openLegend(plot);
};

// Saves the figure in the colours for print, whatever the theme of the page.
const download = async (plot, format) => {
  await plotly;
  const { data: traces, layout } = selectedVariant(plot);
  const size = { width: 900, height: layout.height || 450 };
  const print = { ...layout, paper_bgcolor: "#fff", plot_bgcolor: "#fff" };
  Plotly.downloadImage({ data: traces, layout: print, config: {} },
    { ...size, format, filename: plot.dataset.figure, scale: 2 });
};

const plots = [...document.querySelectorAll(".plot")];
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) { observer.unobserve(entry.target); draw(entry.target); }
  }
}, { rootMargin: "800px" });
narrow.addEventListener("change", () => { for (const plot of drawn) draw(plot); });
for (const figure of document.querySelectorAll("figure")) {
  const plot = figure.querySelector(".plot");
  figure.addEventListener("change", (event) => { if (event.target.matches("input[type=radio]")) draw(plot); });
  for (const button of figure.querySelectorAll("button[data-format]")) {
    button.addEventListener("click", () => download(plot, button.dataset.format));
  }
}
