/**
 * How news reach this tab.
 *
 *   connecting   - not yet.
 *   live         - a stream brings them at once.
 *   reconnecting - the stream broke; it is dialled again.
 *   polling      - something on the way holds streams back; they are asked for every 5 s.
 *   offline      - the device says that it has no network.
 *   signed-out   - the server wants to know who we are.
 */
export type ConnectionState = "connecting" | "live" | "reconnecting" | "polling" | "offline" | "signed-out";
