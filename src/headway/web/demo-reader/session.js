/** Who reads: signing in, and a token that is valid when it is needed. The tabs of the demo share one session. */

const KEPT = "headway-demo-session";
const EARLY = 30_000; // a token is renewed so many milliseconds before it expires

/** Open the session. `onEnd` is called when it is over although nobody signed out, `onOther` when another tab signed somebody in or out. */
export function openSession({ onEnd, onOther }) {
  const stored = () => JSON.parse(localStorage.getItem(KEPT) ?? "null");
  let current = stored();
  let renewing;
  let given; // the token that the tracker was given last

  function keep({ token, refreshToken, expiresIn, user }) {
    current = { token, refreshToken, user, expires: Date.now() + expiresIn * 1000 };
    localStorage.setItem(KEPT, JSON.stringify(current));
  }

  function forget() {
    current = null;
    localStorage.removeItem(KEPT);
  }

  addEventListener("storage", ({ key }) => {
    if (key !== KEPT) return;
    const former = current?.user.id;
    current = stored();
    if (current?.user.id !== former) onOther();
  });

  /** Renew the token. Where another tab does so at the same moment, the server gives both the same one. */
  async function renew() {
    const renewed = current;
    const answer = await post("refresh", { refreshToken: renewed.refreshToken });
    if (current?.user.id !== renewed.user.id) throw new Error("Somebody signed out meanwhile.");
    if (answer.status === 401) {
      forget();
      onEnd();
    }
    if (!answer.ok) throw await failure(answer);
    keep(await answer.json());
  }

  /** Return a token that is valid for a while, or another one than `refused`. */
  async function token(refused) {
    if (!current) throw new Error("Nobody is signed in.");
    if (current.token === refused || current.expires - EARLY < Date.now()) {
      renewing ??= renew().finally(() => (renewing = undefined));
      await renewing;
    }
    return current.token;
  }

  return {
    get user() {
      return current?.user;
    },
    token,
    /** Return a token for the tracker, which asks again where the one that it was given is refused. */
    async trackerToken() {
      return (given = await token(given));
    },
    async signIn(email, password) {
      const answer = await post("login", { email, password });
      if (!answer.ok) throw await failure(answer);
      keep(await answer.json());
    },
    async signOut() {
      const headers = { Authorization: `Bearer ${current.token}` };
      forget();
      await fetch("/api/v1/learner/auth/logout", { method: "POST", headers });
    },
  };
}

function post(what, body) {
  const headers = { "Content-Type": "application/json" };
  return fetch(`/api/v1/learner/auth/${what}`, { method: "POST", headers, body: JSON.stringify(body) });
}

async function failure(answer) {
  const { message } = await answer.json().catch(() => ({}));
  return new Error(message ?? `The server answered ${answer.status}.`);
}
