/** A place in a trace, as the header `traceparent` names it. */
export interface Traceparent {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const LONGEST = 256;

/** Reads the header (W3C Trace Context). Undefined for what is none: it is then as if it were not there. */
export function readTraceparent(header: string | null): Traceparent | undefined {
  if (header === null || header.length > LONGEST) return undefined;
  const parts = FORM.exec(header);
  if (!parts) return undefined;
  const [, version, traceId, spanId, flags, more] = parts;
  // ff is forbidden; version 00 has nothing after the flags, later ones may.
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return undefined;
  return { traceId: traceId!, spanId: spanId!, flags: Number.parseInt(flags!, 16) };
}

export function writeTraceparent({ traceId, spanId, flags }: Traceparent): string {
  return `00-${traceId}-${spanId}-${(flags & 0xff).toString(16).padStart(2, "0")}`;
}
