// Goes to the page that the browser has rendered in advance, once that page has waited for a while.
"use strict";
{
  const go = async () => {
    const url = await (await fetch("/rendered")).text();
    setTimeout(() => (location.href = url), 2000);
  };
  go();
}
