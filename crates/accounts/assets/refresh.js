// Fetches the page again every half minute and replaces its live part, while somebody looks and wants it to. What has the focus keeps it.
"use strict";
(function () {
  const live = document.getElementById("live");
  const wanted = document.getElementById("refresh");
  if (!live || !wanted) return;
  wanted.closest("p").hidden = false;
  const nameOf = (element) => element.getAttribute("href") || element.getAttribute("aria-labelledby");
  setInterval(async function () {
    if (!wanted.checked || document.hidden) return;
    try {
      // Nobody asked for this: it does not keep the session going.
      const answer = await fetch(location.href, { credentials: "same-origin", headers: { "X-Voorveld-Refresh": "1" } });
      if (!answer.ok || answer.redirected) { location.reload(); return; }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (!fresh) return;
      const had = live.contains(document.activeElement) ? nameOf(document.activeElement) : null;
      const scrolled = Array.from(live.querySelectorAll(".tablewrap"), (table) => table.scrollLeft);
      live.replaceChildren(...fresh.childNodes);
      if (had) {
        const again = Array.from(live.querySelectorAll("a[href], [tabindex]")).find((element) => nameOf(element) === had);
        if (again) again.focus({ preventScroll: true });
      }
      live.querySelectorAll(".tablewrap").forEach((table, at) => { table.scrollLeft = scrolled[at] || 0; });
    } catch { /* the next round tries again */ }
  }, 30000);
})();
