/** What the parts of the tracker share: reports, and what contributes to them. */

import type { ActivityType, EngagementMetrics } from "./wire.ts";

/** One thing that a learner did. Instants are milliseconds of the page's clock since 1970. */
export interface Report {
  event_id: string;
  activity_type: ActivityType;
  course_id: number;
  module_id?: number;
  unit_id?: number;
  session_id?: string;
  /** When active study began: only a beat has it. */
  start?: number;
  /** When active study ended, or when something was done that takes no time. */
  end?: number;
  engagement_metrics?: EngagementMetrics;
  metadata?: Record<string, unknown>;
}

/** What a part adds to the beat that ends. */
export type Contribution = Pick<Partial<Report>, "activity_type" | "engagement_metrics" | "metadata">;

/** A part that knows more of what the learner does in a unit than that they are active: a video, the scroll depth. */
export interface Contributor {
  /** Whether media play, which counts as use of the page. */
  isPlaying?(): boolean;
  /** Return what is new since the last call, or undefined. It is called once as each beat ends. */
  contribute(): Contribution | undefined;
}

/** What a video needs of a tracker. */
export interface Host {
  /** Ask a part for its contribution with each beat, until the returned function is called. */
  attach(part: Contributor): () => void;
  /** End the open beat: what is done from now on is another state. */
  beat(): void;
  /** Report something that takes no time. */
  track(type: ActivityType, fields?: Contribution): void;
}

/** A report that was not stored, and the server's reasons. */
export interface Refusal {
  report: Report;
  status: "conflict" | "rejected";
  errors: { field: string; message: string }[];
}
