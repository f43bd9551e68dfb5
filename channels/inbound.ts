/** One message or event of a vendor, read from what it sent: the same shape for every channel. */
export interface DecodedInbound {
  /**
   * What it is.
   *
   *   message - words or pictures of a person.
   *   event   - something that happened in a chat.
   *   unknown - a kind that this version does not know; kept, with neither text nor pictures.
   */
  readonly kind: "message" | "event" | "unknown";
  /** The chat, as the vendor names it; 1 to 200 characters for a message. Empty for an event that names none. */
  readonly chatId: string;
  readonly chatType: "group" | "single";
  /** Who sent it. Every part may be empty; at most 200 characters each. */
  readonly sender: { readonly userId: string; readonly name: string; readonly alias: string };
  /** The vendor's id of it, at most 200 characters. Empty where the vendor sent none. */
  readonly vendorMessageId: string;
  /** What the person wrote, without quotation and mention of the robot. At most 50,000 characters. */
  readonly text: string;
  /** The text that was quoted, whoever wrote it. Empty: none was. */
  readonly quotedText: string;
  /** Addresses of pictures, http or https; at most 20, of at most 4,000 characters. */
  readonly imageUrls: readonly string[];
  /**
   * The vendor's message as JSON with only what the reply needs, under the vendor's own names. Never an
   * address that carries a credential.
   */
  readonly vendorMessage: string;
}

/** What became of reading a vendor's message. A refusal says why in words and repeats nothing of the message. */
export type DecodeResult =
  | { readonly kind: "decoded"; readonly inbound: DecodedInbound }
  | { readonly kind: "refused"; readonly reason: string };

/** Reads the body of a vendor's call, verified and decrypted. Never throws. */
export type Decode = (body: Uint8Array) => DecodeResult;
