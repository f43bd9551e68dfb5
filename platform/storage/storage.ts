/** Where a service keeps its rows. */
export type Storage =
  /** A file of its own in the data folder, for this process alone. */
  | { readonly kind: "sqlite"; readonly dataDir: string }
  /** A schema of its own in a database that all replicas share. */
  | {
      readonly kind: "postgres";
      /** postgres://user:password@host:5432/database. Never logged. */
      readonly url: string;
      /** How many connections at most. Default: as Postgres.open. */
      readonly connections?: number;
    };
