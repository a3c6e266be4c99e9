// The theme is that of the system until the reader chooses one.
const THEME_KEY = "abreast-theme";
const toggle = document.getElementById("theme");
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
const storedTheme = () => { try { return localStorage.getItem(THEME_KEY); } catch { return null; } };
const systemTheme = () => (systemIsDark.matches ? "dark" : "light");
const setTheme = (theme) => {
  root.dataset.theme = theme;
  toggle.textContent = theme === "dark" ? "Light" : "Dark";
  toggle.setAttribute("aria-label", theme === "dark" ? "Use light colours" : "Use dark colours");
  for (const plot of drawn) draw(plot);
};
toggle.addEventListener("click", () => {
  const theme = root.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem(THEME_KEY, theme); } catch { /* without storage it lasts until the page is closed */ }
  setTheme(theme);
});
systemIsDark.addEventListener("change", () => { if (!storedTheme()) setTheme(systemTheme()); });

// Paper is light and narrow, and shows every figure.
const drawForPrint = (isForPrint) => {
  isPrinting = isForPrint;
  plots.forEach((plot) => drawn.add(plot));
  setTheme(isForPrint ? "light" : storedTheme() || systemTheme());
};
addEventListener("beforeprint", () => drawForPrint(true));
addEventListener("afterprint", () => drawForPrint(false));

// The page of a sweep that runs loads itself again, unless the reader is in the middle of something.
const RELOAD_KEY = "abreast-reload";
const isBusy = () => document.hidden || getSelection().toString() !== ""
  || document.querySelector("main details[open], [aria-expanded=true], textarea") !== null
  || [...document.querySelectorAll("input[type=search], select")].some((field) => field.value !== "");
const reloadEvery = (seconds) => {
  const box = element("input", { type: "checkbox" });
  const label = element("label", { class: "reload" });
  label.append(box, ` The sweep is running: load this page again every ${seconds} s`);
  document.querySelector("h1").after(label);
  try { box.checked = sessionStorage.getItem(RELOAD_KEY) !== "off"; } catch { box.checked = true; }
  box.addEventListener("change", () => {
    try { sessionStorage.setItem(RELOAD_KEY, box.checked ? "on" : "off"); } catch { /* it lasts until the page is closed */ }
  });
  setInterval(() => { if (box.checked && !isBusy()) location.reload(); }, 1000 * seconds);
};
if (root.dataset.reload) reloadEvery(Number(root.dataset.reload));

setTheme(storedTheme() || systemTheme());
plots.forEach((plot) => observer.observe(plot));
root.dataset.ready = "true";
