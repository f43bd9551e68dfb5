/** What a person sent to be linked to a member. */
export interface LinkCommand {
  readonly code: string;
  /**
   * It can be nothing else. False for a word of eight letters, such as "link database": that is a code, or the answer to
   * a question.
   */
  readonly certain: boolean;
  /** The message without the code, as it may be kept. */
  readonly withoutCode: string;
}

const COMMAND = /^\s*(link|绑定|綁定)[\s:：]*((?:[0-9a-z][\s-]*){7}[0-9a-z])\s*$/i;
/** Without a space behind it, "link" is the beginning of a word. */
const GLUED = /^\s*link[0-9a-z]/i;

/** Reads "link CODE" and "绑定 CODE"; undefined for any other text. */
export function readLinkCommand(text: string): LinkCommand | undefined {
  const plain = text.normalize("NFKC");
  const match = GLUED.test(plain) ? null : COMMAND.exec(plain);
  if (!match) return undefined;
  const keyword = match[1]!;
  const code = match[2]!.replace(/[\s-]/g, "");
  const certain = /[0-9]/.test(code) || code === code.toUpperCase();
  return { code, certain, withoutCode: `${keyword} ********` };
}
