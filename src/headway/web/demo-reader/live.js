/**
 * What the server knows of the learner, always as it is now: `/ws` tells when a percent has changed, and a read follows. Study time alone
 * is not told, so a read also follows each verdict, and every few seconds, which costs little: an answer that has not changed is a 304.
 */

const PAUSE = 4000; // between reads without a reason, in milliseconds

/** Follow the progress of a learner in a course. `onKnown(results)` gets each read, `onState(isLive)` the state of the connection. */
export function followProgress({ course, user, token, onKnown, onState }) {
  let socket, retry, isOver = false, isPaused = false;
  let isReading = false, isAskedAgain = false;

  async function read() {
    if (isPaused) return;
    if (isReading) return void (isAskedAgain = true);
    isReading = true;
    try {
      do {
        isAskedAgain = false;
        const headers = { Authorization: `Bearer ${await token()}` };
        const answer = await fetch(`/user-progress/${course}/${user}?include=why`, { headers, cache: "no-cache" });
        if (answer.ok && !isOver) onKnown((await answer.json()).results);
      } while (isAskedAgain);
    } catch {
      // The network is lost, or the session is over: both are shown elsewhere.
    } finally {
      isReading = false;
    }
  }

  async function connect() {
    clearTimeout(retry);
    if (isOver || isPaused) return;
    const own = await token().catch(() => undefined);
    if (!own || isOver || isPaused) return void (retry = setTimeout(connect, PAUSE));
    socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws`);
    const say = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => say({ type: "auth", token: own });
    socket.onclose = () => {
      if (isOver || isPaused) return;
      onState(false);
      retry = setTimeout(connect, 1000 + Math.random() * 2000);
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "ready") say({ type: "subscribe", topic: `user:${user}` });
      else if (message.type === "subscribed") onState(true);
      if (["subscribed", "progress.updated", "enrollment.updated", "resync"].includes(message.type)) read();
    };
  }

  const timer = setInterval(() => document.visibilityState === "visible" && read(), PAUSE);
  connect();
  return {
    read,
    /** Let go of the connection, or connect again. */
    pause(value) {
      isPaused = value;
      if (isPaused) socket?.close();
      else connect();
    },
    stop() {
      isOver = true;
      clearInterval(timer);
      clearTimeout(retry);
      socket?.close();
    },
  };
}
