/** What is sent and received. Generated from the OpenAPI document by `make sdk`: do not edit. */

/** What a learner can do: one of the known types, or any other word with a namespace, such as `x.page_print`. */
export type ActivityType =
  | "assessment_start" | "assessment_submit" | "course_view" | "discussion_post" | "discussion_view" | "link_click"
  | "module_view" | "note_create" | "quiz_start" | "quiz_submit" | "resource_download" | "search" | "session_end"
  | "session_start" | "unit_complete" | "unit_view" | "video_complete" | "video_pause" | "video_play" | "video_progress"
  | "video_seek" | `${string}.${string}`;

/** The response to a batch; `success` is false if every item was rejected. */
export interface BatchAnswer {
  message: string;
  data: BatchData;
  success: boolean;
}

/** A batch. Each item is an event, or a heartbeat with `activity_type: "heartbeat"`, and gets its own verdict. */
export interface BatchBody {
  events: (TrackBody | ExternalTrackBody | HeartbeatBody & { activity_type: "heartbeat"; } | ExternalHeartbeatBody & { activity_type: "heartbeat"; })[];
}

/** The number of items by verdict, and the verdict on each item. */
export interface BatchData {
  accepted: number;
  duplicates: number;
  conflicts: number;
  rejected: number;
  results: ItemResult[];
}

/** A learner's progress in a course; the percentage is cut to two decimals, and `version` grows with each change. */
export interface CourseProgress {
  courseId: string;
  title: string;
  status: string;
  completedModules: string[];
  completionPercentage: number;
  lastAccessed: string | null;
  studySeconds: number;
  version: number;
}

/** Measures of the learner's engagement with the content. */
export interface EngagementMetrics {
  /** 0 to 100; up to 100.5 counts as 100. */
  scroll_depth?: number;
  /** 0 to 100; up to 100.5 counts as 100. */
  video_watch_percentage?: number;
  /** A whole number; 5.0 is one. */
  interaction_count?: number;
  /** What was played: `[from, to]` in seconds of the video, each `to` after its `from`. */
  video_segments?: [number, number][];
  /** The length of the whole video in seconds. */
  video_duration_seconds?: number;
}

/** A heartbeat whose course is named by its external id alone. */
export interface ExternalHeartbeatBody {
  is_active: boolean;
  /** A positive integer. */
  module_id?: number;
  /** A positive integer. */
  unit_id?: number;
  /** RFC 3339, in the years 1900 to 9998. Without an offset, UTC. */
  timestamp?: string;
  active_seconds?: number;
  session_id?: string;
  /** RFC 3339, in the years 1900 to 9998. Without an offset, UTC. */
  sent_at?: string;
  /** The client's id of the event. Defaults to a new UUIDv7. */
  event_id?: string;
  module_external_id?: string;
  unit_external_id?: string;
  /** A positive integer. */
  course_id?: number;
  course_external_id: string;
}

/** An event whose course is named by its external id alone. */
export interface ExternalTrackBody {
  activity_type: ActivityType;
  /** A positive integer. */
  module_id?: number;
  /** A positive integer. */
  unit_id?: number;
  duration_seconds?: number;
  engagement_metrics?: EngagementMetrics;
  /** RFC 3339, in the years 1900 to 9998. Without an offset, UTC. */
  start_time?: string;
  /** RFC 3339, in the years 1900 to 9998. Without an offset, UTC. */
  end_time?: string;
  /** The client's id of the event. Defaults to a new UUIDv7. */
  event_id?: string;
  session_id?: string;
  /** RFC 3339, in the years 1900 to 9998. Without an offset, UTC. */
  sent_at?: string;
  metadata?: Record<string, unknown>;
  module_external_id?: string;
  unit_external_id?: string;
  /** A positive integer. */
  course_id?: number;
  course_external_id: string;
}

/** The envelope of every error. */
export interface Failure {
  message: string;
  errors: FieldProblem[];
  success: boolean;
  request_id?: string;
}

/** An error of one field. */
export interface FieldProblem {
  field: string;
  message: string;
}

/** The response to a heartbeat. */
export interface HeartbeatAnswer {
  message: string;
  data: HeartbeatData;
  success: boolean;
}

/** A heartbeat: the learner is on the page, and studies if `is_active` is true. */
export interface HeartbeatBody {
  /** A positive integer. */
  course_id: number;
  is_active: boolean;
  /** A positive integer. */
  module_id?: number;
  /** A positive integer. */
  unit_id?: number;
  /** RFC 3339, in the years 1900 to 9998. Without an offset, UTC. */
  timestamp?: string;
  active_seconds?: number;
  session_id?: string;
  /** RFC 3339, in the years 1900 to 9998. Without an offset, UTC. */
  sent_at?: string;
  /** The client's id of the event. Defaults to a new UUIDv7. */
  event_id?: string;
  course_external_id?: string;
  module_external_id?: string;
  unit_external_id?: string;
}

/** The time at which the heartbeat was received, and the seconds until the next one is due. */
export interface HeartbeatData {
  received_at: string;
  next_heartbeat_seconds: number;
}

/** The verdict on one item of a batch: `accepted`, `duplicate`, `conflict` or `rejected`. */
export interface ItemResult {
  index: number;
  event_id: string | null;
  status: Outcome;
  errors?: FieldProblem[];
}

/** What became of one observation. */
export type Outcome =
  | "accepted" | "conflict" | "duplicate" | "rejected";

/** An event. */
export interface TrackBody {
  activity_type: ActivityType;
  /** A positive integer. */
  course_id: number;
  /** A positive integer. */
  module_id?: number;
  /** A positive integer. */
  unit_id?: number;
  duration_seconds?: number;
  engagement_metrics?: EngagementMetrics;
  /** RFC 3339, in the years 1900 to 9998. Without an offset, UTC. */
  start_time?: string;
  /** RFC 3339, in the years 1900 to 9998. Without an offset, UTC. */
  end_time?: string;
  /** The client's id of the event. Defaults to a new UUIDv7. */
  event_id?: string;
  session_id?: string;
  /** RFC 3339, in the years 1900 to 9998. Without an offset, UTC. */
  sent_at?: string;
  metadata?: Record<string, unknown>;
  course_external_id?: string;
  module_external_id?: string;
  unit_external_id?: string;
}
