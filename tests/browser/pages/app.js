// An application that shows one unit at a time and moves by the history, without a word to the tracker.
"use strict";
{
  const main = document.querySelector("main");
  const show = () => {
    const article = document.createElement("article");
    article.dataset.headwayUnit = history.state ?? main.dataset.first;
    article.className = "long";
    main.replaceChildren(article);
  };
  window.go = (unit) => {
    history.pushState(unit, "", `#${unit}`);
    show();
  };
  addEventListener("popstate", show);
  show();
}
