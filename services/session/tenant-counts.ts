/**
 * A number for each tenant in memory, so that the writes that need it read it once: the end of its log, how much of a
 * quota it uses.
 *
 * Right only where this process is the only writer, as RecentSessions. What the transaction under way makes of a number
 * is staged: it counts for others once it is committed, and for nobody once it is rolled back.
 */
export class TenantCounts {
  readonly #load: (tenantId: string) => number;
  readonly #most: number;
  readonly #committed = new Map<string, number>();
  readonly #staged = new Map<string, number>();

  /** `load` reads a tenant's number as the transaction under way sees it. At most `most` tenants are remembered. */
  constructor(load: (tenantId: string) => number, most: number) {
    this.#load = load;
    this.#most = most;
  }

  /** As everybody may see it. Not inside a transaction. */
  committed(tenantId: string): number {
    const known = this.#committed.get(tenantId);
    if (known !== undefined) return known;
    const loaded = this.#load(tenantId);
    this.#remember(tenantId, loaded);
    return loaded;
  }

  /** As the transaction under way sees it. Only inside a transaction. */
  current(tenantId: string): number {
    const known = this.#staged.get(tenantId) ?? this.#committed.get(tenantId);
    if (known !== undefined) return known;
    const loaded = this.#load(tenantId);
    this.#staged.set(tenantId, loaded);
    return loaded;
  }

  /** Says what the transaction under way made of it. */
  stage(tenantId: string, number: number): void {
    this.#staged.set(tenantId, number);
  }

  /** Adds to a number that somebody has asked for; one that nobody has is read when it is. */
  add(tenantId: string, more: number): void {
    const known = this.#staged.get(tenantId) ?? this.#committed.get(tenantId);
    if (known !== undefined) this.#staged.set(tenantId, known + more);
  }

  commit(): void {
    for (const [tenantId, number] of this.#staged) this.#remember(tenantId, number);
    this.#staged.clear();
  }

  rollback(): void {
    this.#staged.clear();
  }

  #remember(tenantId: string, number: number): void {
    this.#committed.delete(tenantId); // so that it becomes the newest
    this.#committed.set(tenantId, number);
    if (this.#committed.size > this.#most) this.#committed.delete(this.#committed.keys().next().value!);
  }
}
