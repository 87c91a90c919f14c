/**
 * Byte-level BPE as GPT-2 and Llama 3 write it: each byte has a printable character, and tokens are strings of these.
 *
 * Not here: merges (the library's part).
 */

/** The characters of the bytes 0 … 255: printable Latin-1 as itself, the rest from U+0100 on. */
const characters: readonly string[] = (() => {
  const printable = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();
const bytes: ReadonlyMap<string, number> = new Map(characters.map((character, byte) => [character, byte]));

/** The bytes of a token, or null if one of its characters stands for none. */
export const bytesOfToken = (token: string): Uint8Array | null => {
  const found = [...token].map((character) => bytes.get(character) ?? -1);
  return found.includes(-1) ? null : Uint8Array.from(found);
};

/** The bytes that no token of its own stands for. */
export const bytesWithoutToken = (tokens: ReadonlySet<string>): ReadonlySet<number> => new Set([...bytes].filter(([character]) => !tokens.has(character)).map(([, byte]) => byte));

/** Splitting patterns under which a line break between two visible characters always ends a piece, in the spelling of the files. */
const patterns = new Set([
  // GPT-2, spelled out
  String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  // Llama 3
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
]);

interface Step {
  readonly type?: unknown;
  readonly use_regex?: unknown;
  readonly add_prefix_space?: unknown;
  readonly behavior?: unknown;
  readonly invert?: unknown;
  readonly pattern?: { readonly Regex?: unknown };
  readonly pretokenizers?: readonly Step[];
}

/** Whether a checked pre_tokenizer splits text so that it may be cut behind a line break between two visible characters. */
export const cutsAtLines = (step: unknown): boolean => {
  const { type, pretokenizers = [], ...rest } = (step ?? {}) as Step;
  if (type === 'ByteLevel') return rest.add_prefix_space === false && rest.use_regex !== false;
  if (type !== 'Sequence' || pretokenizers.length !== 2) return false;
  const [split, level] = pretokenizers;
  return split?.type === 'Split' && split.behavior === 'Isolated' && patterns.has(String(split.pattern?.Regex)) && level?.type === 'ByteLevel' && level.add_prefix_space === false && level.use_regex === false;
};

/** Pieces of about `length` characters, cut behind line breaks between two visible characters; longer where there is none. */
export function* linePieces(text: string, length: number): Generator<string> {
  const lineBreak = /(?<=\S)\n(?=\S)/g;
  for (let start = 0; start < text.length; ) {
    lineBreak.lastIndex = start + length;
    const end = lineBreak.lastIndex < text.length && lineBreak.test(text) ? lineBreak.lastIndex : text.length;
    yield text.slice(start, end);
    start = end;
  }
}
