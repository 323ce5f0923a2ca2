// Starts a tracker with the options that the test put into the URL, and keeps what it tells.
"use strict";
{
  const { tokens, element, consent, clockAhead, progress, ...given } = JSON.parse(new URLSearchParams(location.search).get("o"));
  if (tokens) given.getToken = async () => (await (await fetch(tokens)).json()).token;
  if (element) given.element = document.querySelector(element);
  if (consent !== undefined) {
    window.consent = consent;
    given.consent = () => window.consent;
  }
  window.told = { error: [], rejected: [], progress: [] };
  window.tracker = Headway.init(given);
  // A tracker reads the progress only for those who listen.
  for (const name of progress ? Object.keys(told) : ["error", "rejected"]) tracker.on(name, (detail) => told[name].push(detail));
  for (const each of document.querySelectorAll("video")) tracker.trackVideo(each);
}
