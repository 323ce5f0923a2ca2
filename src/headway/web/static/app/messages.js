// What the other wrote is read once it is on the screen: then the button that says so without scripts is pressed.
let isSending = false;

async function markRead() {
  const form = document.querySelector("[data-mark-read]");
  if (!form || isSending || document.visibilityState !== "visible" || !document.hasFocus()) return;
  isSending = true;
  try {
    // The page hears of it as of any other change, and then shows it.
    await fetch(form.action, { method: "POST", redirect: "manual" });
  } catch {
    // The button stays.
  } finally {
    isSending = false;
  }
}

new MutationObserver(markRead).observe(document.getElementById("messages").parentElement, { childList: true, subtree: true });
document.addEventListener("visibilitychange", markRead);
window.addEventListener("focus", markRead);
markRead();
document.querySelector(".message:last-child")?.scrollIntoView({ block: "nearest" });
