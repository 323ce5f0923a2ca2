/** The text of a report, as it is sent. */

import type { Report } from "./report.ts";
import type { TrackBody } from "./wire.ts";

type Body = { [Field in keyof TrackBody]: TrackBody[Field] | undefined };

const instant = (milliseconds: number | undefined, offset: number) =>
  milliseconds ? new Date(milliseconds + offset).toISOString() : undefined;

/** Return the JSON of a report in the server's time: `offset` milliseconds are added to its instants. */
export const render = ({ start, end, ...rest }: Report, offset: number): string =>
  JSON.stringify({ ...rest, start_time: instant(start, offset), end_time: instant(end, offset) } satisfies Body);

/** Return the number of bytes that a text has in UTF-8. */
export const measure = (text: string): number => new Blob([text]).size;
