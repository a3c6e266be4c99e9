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

setTheme(storedTheme() || systemTheme());
plots.forEach((plot) => observer.observe(plot));
root.dataset.ready = "true";
