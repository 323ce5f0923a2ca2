/** Ids of events and sessions. */

/** Return a UUIDv7 (RFC 9562) made at an instant. `crypto.randomUUID` would exist on secure origins only. */
export function newId(now: number): string {
  const digit = () => (crypto.getRandomValues(new Uint8Array(1))[0]! & 15).toString(16);
  return now.toString(16).padStart(12, "0").replace(/.{8}/, "$&-") + "-7xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, digit);
}
