import type { Log } from "../telemetry/log.ts";
import type { BusMessage, EventBus, Subscription } from "./event-bus.ts";

interface Listener {
  readonly matches: (subject: string) => boolean;
  readonly handler: (message: BusMessage) => void;
}

/** The bus of the embedded form: handlers run before publish() resolves. */
export function createInProcessBus({ log }: { log: Log }): EventBus {
  const listeners = new Set<Listener>();
  return {
    async publish(messages) {
      for (const message of messages) {
        for (const listener of listeners) {
          if (!listener.matches(message.subject)) continue;
          try {
            listener.handler(message);
          } catch (error) {
            log.error(
              { err: error, subject: message.subject },
              "an event handler failed; the sweep will cover it",
            );
          }
        }
      }
    },
    async subscribe(pattern, handler): Promise<Subscription> {
      const prefix = pattern.endsWith(".>") ? pattern.slice(0, -1) : undefined;
      const listener: Listener = {
        matches: prefix ? (subject) => subject.startsWith(prefix) : (subject) => subject === pattern,
        handler,
      };
      listeners.add(listener);
      return {
        async close() {
          listeners.delete(listener);
        },
      };
    },
    isConnected: () => true,
    onGap: () => () => {}, // nothing is ever missed within a process
    async close() {
      listeners.clear();
    },
  };
}
