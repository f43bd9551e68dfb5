/** ISO 8601 with "+00:00", which every version of the earlier clients' Python reads; it cannot read "Z". */
export function zonedTime(time: Date): string {
  return time.toISOString().replace("Z", "+00:00");
}
