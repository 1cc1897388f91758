// A plain script, so that it also runs where modules are blocked. Load it in the head:
// <script src="shared/theme.js"></script>. It sets the theme before the page is drawn, fills the button
// #theme, and puts into #trouble what keeps the page from running.
(() => {
  const KEY = "quarto-color-scheme"; // the site's own choice; "alternate" is dark
  const root = document.documentElement;
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // a browser may forbid storage
    }
  };

  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark.matches);

  const choose = (theme) => {
    root.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme === "dark" ? "alternate" : "default");
    } catch {
      // the choice then lasts as long as the page
    }
  };

  root.classList.add("scripted"); // hides what stands in for the page where no script runs
  if (stored()) root.dataset.theme = stored() === "alternate" ? "dark" : "light";

  // To be seen where a module fails to load: <script type="module" onerror="trouble()">.
  window.trouble = (text = "A part of this page could not be loaded. Reload it, or check the server.") => {
    root.classList.remove("scripted");
    const box = document.getElementById("trouble");
    box.textContent = text;
    box.hidden = false;
  };

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", `${button.textContent} colours`);
    };
    button.hidden = false;
    button.onclick = () => {
      choose(isDark() ? "light" : "dark");
      label();
    };
    systemIsDark.addEventListener("change", label);
    label();
    if (location.protocol === "file:") {
      window.trouble(
        "A browser does not run this page from a folder, only from a web server. In the folder of " +
          "the course run “python3 -m http.server 8000”, then open http://localhost:8000/demos/.",
      );
    }
  });
})();
