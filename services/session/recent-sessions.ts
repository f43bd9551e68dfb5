import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";

/**
 * The sessions that this process wrote last, so that the waits, answers and wakes that follow a write need not read
 * it back: every read of the usual way of a question, a fifth of the server's time per call.
 *
 * Right only where this process is the only writer, as with a file that it has locked; a driver that shares its
 * database has none. What a transaction writes is staged: seen by the transaction itself, by everybody once it
 * is committed, and by nobody once it is rolled back.
 */
export class RecentSessions {
  readonly #committed = new Map<string, Session>();
  /** Undefined where the transaction under way deleted it. */
  readonly #staged = new Map<string, Session | undefined>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** As everybody may see it. */
  committed(tenantId: string, id: string): Session | undefined {
    return this.#committed.get(keyOf(tenantId, id));
  }

  /** As the transaction under way sees it. */
  current(tenantId: string, id: string): Session | undefined {
    const key = keyOf(tenantId, id);
    return this.#staged.has(key) ? this.#staged.get(key) : this.#committed.get(key);
  }

  /** Written by the transaction under way. */
  stage(session: Session): void {
    this.#staged.set(keyOf(session.tenantId, session.id), session);
  }

  /** Deleted by the transaction under way. */
  stageDeletion(tenantId: string, id: string): void {
    this.#staged.set(keyOf(tenantId, id), undefined);
  }

  commit(): void {
    for (const [key, session] of this.#staged) {
      this.#committed.delete(key); // so that it becomes the newest
      if (session === undefined) continue;
      this.#committed.set(key, session);
      if (this.#committed.size > this.#most) this.#committed.delete(this.#committed.keys().next().value!);
    }
    this.#staged.clear();
  }

  rollback(): void {
    this.#staged.clear();
  }
}

function keyOf(tenantId: string, id: string): string {
  return `${tenantId}/${id}`;
}
