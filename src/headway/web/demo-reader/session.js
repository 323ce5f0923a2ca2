/** Who reads: signing in, and a token that is valid when it is needed. Tokens are kept for this tab alone. */

const KEPT = "headway-demo-session";
const EARLY = 30_000; // a token is renewed so many milliseconds before it expires

/** Open the session of this tab. `onEnd` is called when it is over although nobody signed out. */
export function openSession({ onEnd }) {
  let current = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  let renewing;
  let given; // the token that the tracker was given last

  function keep({ token, refreshToken, expiresIn, user }) {
    current = { token, refreshToken, user, expires: Date.now() + expiresIn * 1000 };
    sessionStorage.setItem(KEPT, JSON.stringify(current));
  }

  function forget() {
    current = null;
    sessionStorage.removeItem(KEPT);
  }

  async function renew() {
    const renewed = current;
    const answer = await post("refresh", { refreshToken: renewed.refreshToken });
    if (current !== renewed) throw new Error("Somebody signed out meanwhile.");
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
