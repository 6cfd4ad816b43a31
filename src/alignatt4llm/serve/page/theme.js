// Light, dark, or as the system has it.

const THEMES = ["system", "light", "dark"];
const system = matchMedia("(prefers-color-scheme: dark)");
const chosen = () => localStorage.getItem("theme") ?? "system";

function apply() {
  const theme = chosen() === "system" ? (system.matches ? "dark" : "light") : chosen();
  document.documentElement.dataset.theme = theme;
}

/** Let a select choose. */
export function choose(select) {
  select.value = THEMES.includes(chosen()) ? chosen() : "system";
  select.addEventListener("change", () => {
    if (select.value === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", select.value);
    apply();
  });
}

system.addEventListener("change", apply);
apply();
