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

const TYPES =
  " endpoint:string course:number module:number unit:number token:string getToken:function user:string element:object" +
  " consent:function beatSeconds:number idleSeconds:number flushSeconds:number video:function ";

/** Throw a TypeError that names the first option that is wrong, missing or unknown. */
export function checkOptions(options: { [Name in keyof Options]?: unknown }): void {
  for (const [name, value] of Object.entries<any>({ endpoint: undefined, course: undefined, token: undefined, ...options })) {
    const isRight =
      value === undefined
        ? (name === "token" ? options.getToken : !/endpoint|course/.test(name))
        : TYPES.includes(` ${name}:${typeof value} `) && value && !(value < 0) && (!(value % 1) || /Sec/.test(name));
    if (!isRight) throw TypeError(`headway: wrong option "${name}": ${value}`);
  }
}
