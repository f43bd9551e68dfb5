import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FrameWindow } from "./frame-window.ts";
import { TakenFrames } from "./taken-frames.ts";

describe("what was sent", () => {
  test("an acknowledgement settles what it names and all before it, once", () => {
    const window = new FrameWindow<string>();
    for (const each of ["a", "b", "c"]) window.push(each);
    expect(window.nextNumber).toBe(4n);
    expect(window.acknowledge(2n)).toEqual(["a", "b"]);
    expect(window.acknowledge(2n)).toEqual([]);
    expect(window.acknowledge(0n)).toEqual([]);
    expect(window.oldest).toBe("c");
    window.push("d");
    expect(window.acknowledge(4n)).toEqual(["c", "d"]);
    expect(window.size).toBe(0);
    expect(window.oldest).toBeUndefined();
  });

  test("an acknowledgement of what was never sent is told apart", () => {
    const window = new FrameWindow<string>();
    expect(window.acknowledge(1n)).toBeUndefined();
    window.push("a");
    expect(window.acknowledge(2n)).toBeUndefined();
    expect(window.unsettled).toEqual(["a"]);
  });
});

describe("what was taken", () => {
  test("the acknowledgement stops before the first that is not done with", () => {
    const frames = new TakenFrames();
    frames.take(1n, 4);
    frames.done(2n);
    frames.done(4n);
    expect(frames.acknowledged).toBe(0n);
    frames.done(1n);
    expect(frames.acknowledged).toBe(2n);
    expect(frames.unacknowledged).toBe(2);
    frames.done(3n);
    expect(frames.acknowledged).toBe(4n);
  });

  test("what came before is dropped, what is missing is told", () => {
    const frames = new TakenFrames();
    expect(frames.take(1n, 3)).toEqual({ kind: "taken", offset: 0, firstNumber: 1n });
    expect(frames.take(2n, 3)).toEqual({ kind: "taken", offset: 2, firstNumber: 4n });
    expect(frames.take(1n, 2)).toEqual({ kind: "taken", offset: 2, firstNumber: 5n });
    expect(frames.take(6n, 1)).toEqual({ kind: "gap", expected: 5n });
    expect(frames.take(0n, 1)).toEqual({ kind: "gap", expected: 5n });
    expect(frames.unacknowledged).toBe(4);
  });

  test("what was never taken cannot be done with", () => {
    const frames = new TakenFrames();
    frames.done(1n);
    frames.take(1n, 1);
    expect(frames.acknowledged).toBe(0n);
  });
});

/** What happens next, drawn at random. */
type Step =
  | { readonly kind: "say"; readonly count: number }
  | { readonly kind: "carry" }
  | { readonly kind: "repeat" }
  | { readonly kind: "finish"; readonly which: number }
  | { readonly kind: "acknowledge" }
  | { readonly kind: "cut" };

const WINDOW = 8;
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("say" as const), count: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: "carry" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "repeat" as const }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("finish" as const), which: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.constant({ kind: "acknowledge" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "cut" as const }) },
);

interface Batch {
  readonly firstNumber: bigint;
  readonly ids: readonly number[];
}

/** Two sides with a stream between them that is cut at any moment. */
class Model {
  #nextId = 0;
  /** What is to be said: in order, and again after a cut. */
  waiting: number[] = [];
  window = new FrameWindow<number>();
  taken = new TakenFrames();
  readonly #line: Batch[] = [];
  #last: Batch | undefined;
  /** What was taken on this stream and is not done with. */
  readonly #underWay: { number: bigint; id: number }[] = [];
  /** What came about on the other side, by id. */
  readonly had = new Map<number, number>();
  readonly order: number[] = [];
  readonly finished = new Set<number>();
  readonly settled = new Set<number>();
  said = 0;

  run(each: Step): void {
    switch (each.kind) {
      case "say":
        for (let index = 0; index < each.count; index += 1) this.waiting.push(this.#nextId++);
        this.said = this.#nextId;
        this.#pump();
        break;
      case "carry": {
        const batch = this.#line.shift();
        if (batch) this.#arrive(batch);
        break;
      }
      case "repeat":
        if (this.#last) this.#arrive(this.#last);
        break;
      case "finish": {
        if (this.#underWay.length === 0) break;
        const [one] = this.#underWay.splice(each.which % this.#underWay.length, 1);
        this.finished.add(one!.id);
        this.taken.done(one!.number);
        break;
      }
      case "acknowledge":
        for (const id of this.window.acknowledge(this.taken.acknowledged)!) this.settled.add(id);
        this.#pump();
        break;
      case "cut":
        this.waiting = [...this.window.unsettled, ...this.waiting];
        this.window = new FrameWindow();
        this.taken = new TakenFrames();
        this.#line.length = 0;
        this.#underWay.length = 0;
        this.#last = undefined;
        this.#pump();
        break;
    }
  }

  /** Lets all that was said come about. */
  end(): void {
    while (this.settled.size < this.said) {
      this.run({ kind: "carry" });
      this.run({ kind: "finish", which: 0 });
      this.run({ kind: "acknowledge" });
    }
  }

  #pump(): void {
    const ids = this.waiting.splice(0, WINDOW - this.window.size);
    if (ids.length === 0) return;
    const firstNumber = this.window.nextNumber;
    for (const id of ids) this.window.push(id);
    this.#line.push({ firstNumber, ids });
  }

  #arrive(batch: Batch): void {
    const taken = this.taken.take(batch.firstNumber, batch.ids.length);
    if (taken.kind === "gap") throw new Error(`frame ${taken.expected} is missing`);
    this.#last = batch;
    for (const [index, id] of batch.ids.slice(taken.offset).entries()) {
      const times = this.had.get(id) ?? 0;
      if (times === 0) this.order.push(id);
      this.had.set(id, times + 1);
      this.#underWay.push({ number: taken.firstNumber + BigInt(index), id });
    }
  }
}

describe("both, over streams that are cut", () => {
  test("I9: all that is said comes about, in its order, and never more than once on a stream", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const model = new Model();
        let cuts = 0;
        for (const each of steps) {
          model.run(each);
          if (each.kind === "cut") cuts += 1;
          expect(model.window.size).toBeLessThanOrEqual(WINDOW);
          expect(model.taken.unacknowledged).toBeLessThanOrEqual(WINDOW);
        }
        model.end();
        expect(model.order).toEqual(Array.from({ length: model.said }, (_, id) => id));
        for (const times of model.had.values()) expect(times).toBeLessThanOrEqual(cuts + 1);
      }),
      { numRuns: 500 },
    );
  });

  test("I9: nothing is settled that was not done with", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const model = new Model();
        for (const each of steps) {
          model.run(each);
          for (const id of model.settled) expect(model.finished.has(id)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});
