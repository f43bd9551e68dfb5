import { computed, signal } from "@preact/signals";

const offsetMs = signal(0);
const localMs = signal(Date.now());

/** The server's time in milliseconds, to the second: deadlines are the server's, and this clock may be wrong. */
export const serverNowMs = computed(() => localMs.value + offsetMs.value);

/** Corrects the clock by a time that the server just sent. */
export function correctClock(serverMs: number): void {
  const offset = serverMs - Date.now();
  // Less is the network's delay; following it would make countdowns jump.
  if (Math.abs(offset - offsetMs.peek()) > 500) offsetMs.value = offset;
}

/** Makes serverNowMs tick every second. Returns what stops it. */
export function startClock(): () => void {
  const tick = () => {
    localMs.value = Date.now();
  };
  tick();
  const timer = setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", tick);
  };
}
