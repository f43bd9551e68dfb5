/** A queue in which tenants take turns: one that puts a thousand things in delays another's by one of them. */
export class FairQueue<T extends { readonly tenantId: string }> {
  /** In the order of turns. None is empty. */
  readonly #byTenant = new Map<string, T[]>();

  push(item: T): void {
    const items = this.#byTenant.get(item.tenantId);
    if (items) items.push(item);
    else this.#byTenant.set(item.tenantId, [item]);
  }

  /** The next item: the first of the tenant whose turn it is. Undefined: the queue is empty. */
  shift(): T | undefined {
    for (const [tenantId, items] of this.#byTenant) {
      const item = items.shift();
      this.#byTenant.delete(tenantId);
      if (items.length > 0) this.#byTenant.set(tenantId, items);
      return item;
    }
    return undefined;
  }

  /** What `shift` would return. */
  get first(): T | undefined {
    return this.#byTenant.values().next().value?.[0];
  }

  get isEmpty(): boolean {
    return this.#byTenant.size === 0;
  }
}
