/** Parts of a video that were played. */

/** From and to, in hundredths of a second: whole numbers, so that pieces that adjoin leave no gap. */
export type Segment = [number, number];

/** Return sorted, disjoint segments with one more. */
export function unite(segments: Segment[], from: number, to: number): Segment[] {
  const apart = segments.filter(([a, b]) => {
    if (b < from || a > to) return true;
    from = Math.min(a, from);
    to = Math.max(b, to);
    return false;
  });
  return [...apart, [from, to] as Segment].sort(([a], [b]) => a - b);
}
