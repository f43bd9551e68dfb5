// Runs before the first paint, so that a chosen theme does not flash. A file of its own because the page's
// Content-Security-Policy allows no inline script.
try {
  const { theme } = JSON.parse(localStorage.getItem("hil.settings") ?? "{}");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // no storage, or not ours: the system's theme it is
}
