import type { Toxic } from "../toxics/toxics.ts";

/** Something of a deployment that can be broken and mended. */
export interface Target {
  readonly name: string;
  /** kill -9, or what is worst for it. */
  kill(): Promise<void>;
  /** Starts what was killed, on what it left behind. Resolves when it serves. */
  restart(): Promise<void>;
  /** Holds it still, as a garbage collection or a frozen machine does. */
  pause(): void;
  resume(): void;
  /** Deletes all that it kept, while it is killed. Only where nothing of HIL may depend on that. */
  readonly wipe?: () => void;
}

/** A network between two parts of a deployment. */
export interface Link {
  readonly name: string;
  /** Lets it go bad. */
  poison(toxic: Toxic): void;
  heal(): void;
}

/** HIL as it is run, with whatever stands around it. */
export interface Deployment extends AsyncDisposable {
  readonly form: "embedded" | "distributed" | "relay";
  /** Where clients reach it. */
  readonly url: string;
  /** Where the vendor reaches it. Default: under the same address. */
  readonly callbackUrl?: string;
  readonly ownerKey: string;
  readonly targets: readonly Target[];
  readonly links: readonly Link[];
}
