// What is known of how long clients wait for a tool, and how far their limits are raised in the entries that we print.
//
// Reported by others and changing fast: `hil doctor mcp --measure` tells how it is with yours.

export const CLIENTS = ["claude-code", "claude-desktop", "cursor", "vscode", "codex"] as const;
export type ClientName = (typeof CLIENTS)[number];

export interface ClientLimits {
  readonly title: string;
  /** How long one call may take where nothing is set. */
  readonly unset: string;
  /** Whether progress keeps a call alive. */
  readonly progress: string;
  /** What raises the limit. */
  readonly raisedBy: string;
}

/** How long a call may take where the client's limit can be raised, in seconds: more than any slice. */
export const RAISED_S = 1800;
/** How long a call then waits before it answers that the question is still open, in seconds. */
export const RAISED_SLICE_S = 1500;
/** How long a client should wait for the server to start, in seconds: npx may have to fetch it. */
export const STARTUP_S = 60;

export const LIMITS: Readonly<Record<ClientName, ClientLimits>> = {
  "claude-code": {
    title: "Claude Code",
    unset: "5 minutes without a sign of life over HTTP, 30 over stdio",
    progress: "yes",
    raisedBy: "`timeout` of the entry, in milliseconds",
  },
  "claude-desktop": {
    title: "Claude Desktop",
    unset: "60 seconds in some versions, 4 minutes in others",
    progress: "no",
    raisedBy: "nothing",
  },
  cursor: {
    title: "Cursor",
    unset: "5 minutes",
    progress: "not known",
    raisedBy: "`timeout` of the entry, in milliseconds; people differ on whether it works",
  },
  vscode: {
    title: "VS Code",
    unset: "none documented; 5 minutes were seen",
    progress: "shown",
    raisedBy: "nothing",
  },
  codex: {
    title: "Codex",
    unset: "60 to 300 seconds, by version",
    progress: "no",
    raisedBy: "`tool_timeout_sec`",
  },
};

/** Whether the entries raise the client's limit so surely that a call may wait longer for it. */
export function isRaised(client: ClientName): boolean {
  return client === "claude-code" || client === "codex";
}

/** The table of the documents. */
export function limitsTable(): string {
  const rows = CLIENTS.map((client) => {
    const { title, unset, progress, raisedBy } = LIMITS[client];
    return `| ${title} | ${unset} | ${progress} | ${raisedBy} |`;
  });
  return [
    "| Client | One call may take | Progress extends it | Raised by |",
    "|---|---|---|---|",
    ...rows,
  ].join("\n");
}
