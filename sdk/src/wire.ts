/** Bodies of activity tracking, as the OpenAPI document declares them. */

export type ActivityType =
  | "course_view" | "module_view" | "unit_view" | "unit_complete" | "video_play" | "video_pause" | "video_seek" | "video_progress"
  | "video_complete" | "quiz_start" | "quiz_submit" | "assessment_start" | "assessment_submit" | "resource_download" | "link_click"
  | "discussion_view" | "discussion_post" | "note_create" | "search" | "session_start" | "session_end";

export interface EngagementMetrics {
  scroll_depth?: number;
  video_watch_percentage?: number;
  interaction_count?: number;
  /** What was played, in seconds of the video. */
  video_segments?: [number, number][];
  video_duration_seconds?: number;
}
