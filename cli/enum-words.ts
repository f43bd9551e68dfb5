// Values of the contracts' enums as people type and read them: "administrator", "phone_number".

import type { DescEnum } from "@bufbuild/protobuf";

/** The word for a value: its name in the contract without the prefix, in lower case. */
export function enumWord(desc: DescEnum, value: number): string {
  return desc.value[value]?.localName.toLowerCase() ?? String(value);
}

/** Every word that can be typed, in the order of the contract. */
export function enumWords(desc: DescEnum): string[] {
  return desc.values.filter(({ number }) => number !== 0).map(({ number }) => enumWord(desc, number));
}

/** Reads a word; case does not matter, and "-" stands for "_". Undefined for a word that is none. */
export function readEnumWord(desc: DescEnum, text: string): number | undefined {
  const word = text.trim().toLowerCase().replaceAll("-", "_");
  return desc.values.find(({ number }) => number !== 0 && enumWord(desc, number) === word)?.number;
}
