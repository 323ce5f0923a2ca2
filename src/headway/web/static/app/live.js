// The page that shows who is here: tells those who cannot see it how many there are, but not more often than they want to hear it.

const SPOKEN_EVERY_MS = 30_000;

function speak() {
  const status = document.getElementById("spoken");
  const text = document.getElementById("here-now")?.dataset.spoken;
  if (status && text && status.textContent !== text) status.textContent = text;
}

setInterval(speak, SPOKEN_EVERY_MS);
