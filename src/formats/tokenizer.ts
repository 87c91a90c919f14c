/**
 * A tokenizer: text to ids and back, and the one that needs no file: bytes.
 *
 *   encode: text ──▶ ids        decode: ids ──▶ text        decoder: id, id, … ──▶ text as soon as it is certain
 *
 * Not here: tokenizers out of files (tokenizer-json.ts), streams of training tokens (tokens.ts).
 */
import { TextDecoder } from 'node:util';
import { InvalidConfig } from '../util/errors.js';

/** Turns ids into text one by one. What it has given is never taken back: all of it joined is what `decode` gives for all ids. */
export interface IncrementalDecoder {
  /** The text that is certain now and was not before; often empty in the middle of a character. @throws InvalidConfig for an id without token */
  push(id: number): string;
  /** What is left: an unfinished character as U+FFFD. The decoder is as new afterwards. */
  end(): string;
}

export interface Tokenizer {
  readonly kind: 'bytes' | 'bpe';
  /** All ids are below it. */
  readonly vocabulary: number;
  /** The id that ends a document, or null. */
  readonly eos: number | null;
  /** The id that the tokenizer puts in front of a prompt, or null. `encode` does not put it. */
  readonly bos: number | null;
  /** The ids of a text, without any that mark its beginning or end. @throws InvalidConfig for text that the tokenizer has no tokens for */
  encode(text: string): Int32Array;
  /** The text of ids; bytes that are no UTF-8 become U+FFFD. @throws InvalidConfig for an id without token */
  decode(ids: Iterable<number>): string;
  /** A new decoder for one stream of ids. */
  decoder(): IncrementalDecoder;
}

/** UTF-8 as it comes: nothing at the front is taken for a mark, nothing is refused. */
export const utf8Decoder = (): TextDecoder => new TextDecoder('utf-8', { ignoreBOM: true });

const bytesVocabulary = 256;

const checkByte = (id: number): number => {
  if (!Number.isInteger(id) || id < 0 || id >= bytesVocabulary) throw new InvalidConfig({ what: 'an id without token', where: 'bytes tokenizer', value: id, limit: `0 … ${bytesVocabulary - 1}` });
  return id;
};

const bytesDecoder = (): IncrementalDecoder => {
  const utf8 = utf8Decoder();
  return {
    push: (id) => utf8.decode(Uint8Array.of(checkByte(id)), { stream: true }),
    end: () => utf8.decode(),
  };
};

/** The bytes of UTF-8 as 256 tokens; no document end. */
export const bytesTokenizer = (): Tokenizer => ({
  kind: 'bytes',
  vocabulary: bytesVocabulary,
  eos: null,
  bos: null,
  encode: (text) => Int32Array.from(new TextEncoder().encode(text)),
  decode: (ids) => utf8Decoder().decode(Uint8Array.from(ids, checkByte)),
  decoder: bytesDecoder,
});
