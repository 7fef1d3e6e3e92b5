// Fetches the page again and puts its parts in place of the old ones; the page works without it.
(() => {
  const seconds = Number(document.currentScript.dataset.seconds);
  const stale = document.getElementById("stale");
  if (!seconds) return;
  if (!window.fetch || !window.DOMParser) {
    setTimeout(() => location.reload(), seconds * 1000);
    return;
  }
  const refresh = async () => {
    if (document.hidden) return;
    const impatience = new AbortController();
    const alarm = setTimeout(() => impatience.abort(), 10000);
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: impatience.signal });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.getElementById("parts").replaceWith(page.getElementById("parts"));
      document.title = page.title;
      stale.hidden = true;
    } catch {
      // The numbers stay, and it is said that they are old; in the title a count of troubles would be, too.
      stale.hidden = false;
      document.title = document.querySelector("h1").textContent;
    } finally {
      clearTimeout(alarm);
    }
  };
  const again = () => setTimeout(() => refresh().finally(again), seconds * 1000);
  again();
  document.addEventListener("visibilitychange", refresh);
})();
