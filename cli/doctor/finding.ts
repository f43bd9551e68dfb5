/** What a check found. */
export type Finding =
  | { readonly kind: "ok"; readonly what: string }
  /** Works, and is worth knowing. */
  | { readonly kind: "hint"; readonly what: string; readonly remedy: string }
  | { readonly kind: "problem"; readonly what: string; readonly remedy: string };

export const ok = (what: string): Finding => ({ kind: "ok", what });
export const hint = (what: string, remedy: string): Finding => ({ kind: "hint", what, remedy });
export const problem = (what: string, remedy: string): Finding => ({ kind: "problem", what, remedy });
