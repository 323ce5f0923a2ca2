/** The options of a tracker, and what is wrong with them. */

import type { LoadVideo } from "./tracker.ts";

/** Who learns: a bearer token of Headway, or what returns one, also in place of one that has expired. */
export interface Credentials {
  /** A token. Without `getToken`, reports wait once it has expired until `identify` brings another one. */
  token?: string;
  /** Return a token. It is called when one is needed, and once after each 401. */
  getToken?: () => string | Promise<string>;
  /** Whose token it is, where it is not a JWT with a `sub`. What one user did is never sent with the token of another one. */
  user?: string;
}

export interface Options extends Credentials {
  /** The address of Headway, such as `https://headway.example`; `/` is the page's own origin. */
  endpoint: string;
  /** The id of the course. */
  course: number;
  /** The id of the module, for pages that are not of one unit. */
  module?: number;
  /** The id of the unit that the page shows; see `setUnit`. */
  unit?: number;
  /** The element whose scroll depth is reported; the document by default. */
  element?: Element;
  /**
   * Whether the learner agrees. Until it returns true, or a promise of true, nothing is stored or sent, and time does not count. It is
   * asked again every second of activity.
   */
  consent?: () => boolean | Promise<boolean>;
  /** A beat is reported after so many seconds of activity; 15 by default. */
  beatSeconds?: number;
  /** How many seconds after its last use a page still counts; 60 by default. */
  idleSeconds?: number;
  /** How many seconds a report waits for others at most; 5 by default. */
  flushSeconds?: number;
  /** Load the part for videos; by default it is loaded from beside the tracker's own file. */
  video?: LoadVideo;
}

/** What each option must be; the first word is its type. */
const EXPECTED: Record<string, string> = {
  endpoint: "string",
  token: "string",
  getToken: "function",
  user: "string",
  course: "number that is whole and above 0",
  module: "number that is whole and above 0",
  unit: "number that is whole and above 0",
  element: "object",
  consent: "function",
  beatSeconds: "number above 0",
  idleSeconds: "number above 0",
  flushSeconds: "number above 0",
  video: "function",
} satisfies Record<keyof Options, string>;

/** Throw a TypeError that names the first option that is wrong, missing or unknown. */
export function checkOptions(options: { [Name in keyof Options]?: unknown }): void {
  for (const [name, value] of Object.entries<any>({ endpoint: undefined, course: undefined, ...options })) {
    const expected = EXPECTED[name];
    if (!expected) throw new TypeError(`headway: there is no option "${name}"`);
    if (value === undefined && name !== "endpoint" && name !== "course") continue;
    if (!value || !expected.startsWith(typeof value) || value < 0 || (/whole/.test(expected) && value % 1 !== 0)) throw new TypeError(`headway: option "${name}" must be a ${expected}, not ${value}`);
  }
  if (!options.token && !options.getToken) throw new TypeError('headway: option "token" or "getToken" is missing');
}
