// Fetches the page again every half minute and replaces its live part, while somebody looks and wants it to.
"use strict";
(function () {
  const live = document.getElementById("live");
  const wanted = document.getElementById("refresh");
  if (!live || !wanted) return;
  wanted.closest("p").hidden = false;
  setInterval(async function () {
    if (!wanted.checked || document.hidden) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      if (!answer.ok || answer.redirected) { location.reload(); return; }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (fresh) live.replaceChildren(...fresh.childNodes);
    } catch { /* the next round tries again */ }
  }, 30000);
})();
