/** How the relay ends, for supervisors. Those from 64 follow sysexits.h. */
export const EXIT = {
  /** It was told to. */
  ok: 0,
  /** A check found something in the way. */
  obstacle: 1,
  /** It is too old for the server. */
  unsupported: 76,
  /** Its credential is refused. */
  refused: 77,
  /** Its settings cannot work. */
  configuration: 78,
} as const;
