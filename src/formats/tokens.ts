/**
 * Training tokens out of files, as one flat stream of ids that the model later cuts into windows.
 *
 *   text files, folders ─┐
 *   JSON lines ──────────┼─▶ documents ─▶ tokenizer ─▶ ids, each document followed by the tokenizer's eos
 *   16-bit token files ──┘                (already ids)
 *
 * A tokenizer without eos gets a newline between two documents, as `readText` does. Ids lie as densely as the vocabulary allows.
 * Not here: windows, packing, shuffling (model/data.ts).
 */
import { createReadStream } from 'node:fs';
import { CorruptFile, InvalidConfig, WaferstreamError } from '../util/errors.js';
import { GiB, MiB } from '../util/units.js';
import { kindOf, readWhole, refused } from './files.js';
import { isObject, parseJson, parseUtf8 } from './json.js';
import { textsAt } from './text.js';
import { bytesTokenizer, type Tokenizer } from './tokenizer.js';

/** Most ids of one stream. */
export const tokensMax = GiB;
/** Longest line of JSON lines. */
export const lineBytesMax = 64 * MiB;

/** As narrow as the vocabulary allows: up to 256 ids, up to 65,536, more. */
export type TokenIds = Uint8Array | Uint16Array | Int32Array;

export interface Tokens {
  readonly ids: TokenIds;
  readonly documents: number;
}

export type TokenFormat = 'text' | 'jsonl' | 'u16';

export interface ReadTokensOptions {
  /** Default: bytes. */
  readonly tokenizer?: Tokenizer;
  /** All ids must be below it. Default: the tokenizer's. */
  readonly vocabulary?: number;
  /** Default 'auto', by the name's ending: .jsonl and .ndjson; .bin and .u16; anything else, and folders, as text. */
  readonly format?: TokenFormat | 'auto';
  /** The field of a JSON line that holds the text. Default 'text'. */
  readonly field?: string;
}

const makeIds = (vocabulary: number, length: number): TokenIds => (vocabulary <= 1 << 8 ? new Uint8Array(length) : vocabulary <= 1 << 16 ? new Uint16Array(length) : new Int32Array(length));

/** A stream of ids that grows. */
class TokenStream {
  readonly #tokenizer: Tokenizer;
  readonly #vocabulary: number;
  readonly #between: Int32Array;
  #ids: TokenIds;
  #length = 0;
  #documents = 0;

  constructor(tokenizer: Tokenizer, vocabulary: number) {
    this.#tokenizer = tokenizer;
    this.#vocabulary = vocabulary;
    this.#between = tokenizer.eos === null ? tokenizer.encode('\n') : Int32Array.of(tokenizer.eos);
    this.#ids = makeIds(vocabulary, 1024);
  }

  /** Adds a document. `where` names it in errors. */
  add(bytes: Uint8Array, where: string): void {
    const { kind, eos } = this.#tokenizer;
    if (eos === null && this.#documents > 0) this.#push(this.#between, where);
    this.#push(kind === 'bytes' ? bytes : this.#tokenizer.encode(parseUtf8(bytes, where)), where);
    if (eos !== null) this.#push(this.#between, where);
    this.#documents++;
  }

  /** Adds ids as they are, of `documents` documents. */
  addIds(ids: Uint16Array, where: string): void {
    const { eos } = this.#tokenizer;
    this.#push(ids, where);
    const ends = eos === null ? 0 : ids.reduce((count, id) => count + (id === eos ? 1 : 0), 0);
    this.#documents += ends + (ids.length > 0 && (eos === null || ids.at(-1) !== eos) ? 1 : 0);
  }

  result(): Tokens {
    return { ids: this.#ids.slice(0, this.#length), documents: this.#documents };
  }

  #push(ids: ArrayLike<number>, where: string): void {
    const length = this.#length + ids.length;
    if (length > tokensMax) throw new InvalidConfig({ what: 'too many tokens', where, value: length, limit: tokensMax, hint: 'name fewer files' });
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? -1;
      if (id < 0 || id >= this.#vocabulary) throw new CorruptFile({ what: `token ${i}: outside the vocabulary`, where, value: id, limit: this.#vocabulary - 1, hint: 'do the tokens, the tokenizer and the model belong together?' });
    }
    if (length > this.#ids.length) {
      const larger = makeIds(this.#vocabulary, Math.min(tokensMax, Math.max(length, 2 * this.#ids.length)));
      larger.set(this.#ids.subarray(0, this.#length));
      this.#ids = larger;
    }
    this.#ids.set(ids, this.#length);
    this.#length = length;
  }
}

const newline = 10;

/** The lines of a file without their ends; an empty last one is none. */
async function* linesOf(path: string): AsyncGenerator<Uint8Array> {
  if ((await kindOf(path)) === 'folder') throw new CorruptFile({ what: 'a folder where a file was expected', where: path });
  let open: Uint8Array[] = [];
  let openBytes = 0;
  let number = 1;
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: MiB });
  try {
    for await (const chunk of chunks) {
      let start = 0;
      for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
        yield Buffer.concat([...open, chunk.subarray(start, end)]);
        open = [];
        openBytes = 0;
        number++;
        start = end + 1;
      }
      open.push(chunk.subarray(start));
      openBytes += chunk.length - start;
      if (openBytes > lineBytesMax) throw new CorruptFile({ what: `line ${number} is too long`, where: path, value: openBytes, limit: lineBytesMax, hint: 'is it a file of JSON lines?' });
    }
  } catch (error) {
    throw error instanceof WaferstreamError ? error : refused(path, error);
  }
  if (openBytes > 0) yield Buffer.concat(open);
}

const addJsonLines = async (stream: TokenStream, path: string, field: string): Promise<void> => {
  let number = 0;
  for await (const line of linesOf(path)) {
    const where = `${path}, line ${++number}`;
    const value = parseJson(parseUtf8(line, where), where);
    const text = isObject(value) && Object.hasOwn(value, field) ? value[field] : undefined;
    if (typeof text !== 'string') throw new CorruptFile({ what: `no object with a string in its field '${field}'`, where, hint: 'name the field that holds the text' });
    if (!text.isWellFormed()) throw new CorruptFile({ what: `half a character in its field '${field}'`, where });
    stream.add(new TextEncoder().encode(text), where);
  }
};

const addTokenFile = async (stream: TokenStream, path: string): Promise<void> => {
  const bytes = await readWhole(path);
  if (bytes.length % 2 !== 0) throw new CorruptFile({ what: 'an odd number of bytes is no file of 16-bit tokens', where: path, value: bytes.length, hint: 'is the file cut?' });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ids = new Uint16Array(bytes.length / 2);
  for (let i = 0; i < ids.length; i++) ids[i] = view.getUint16(2 * i, true);
  stream.addIds(ids, path);
};

const formatOf = (path: string): TokenFormat => (/\.(jsonl|ndjson)$/i.test(path) ? 'jsonl' : /\.(bin|u16)$/i.test(path) ? 'u16' : 'text');

/**
 * Reads training tokens from a path or several, one after the other.
 *
 * @throws CorruptFile for what is missing, damaged or does not fit the vocabulary, naming path, line or token; InvalidConfig if there is nothing, or too much.
 */
export const readTokens = async (path: string | readonly string[], options: ReadTokensOptions = {}): Promise<Tokens> => {
  const { tokenizer = bytesTokenizer(), vocabulary = tokenizer.vocabulary, format = 'auto', field = 'text' } = options;
  const paths = typeof path === 'string' ? [path] : path;
  if (!Number.isInteger(vocabulary) || vocabulary < 1 || vocabulary > 2 ** 31) throw new InvalidConfig({ what: 'vocabulary', value: vocabulary, limit: '1 … 2^31' });
  const stream = new TokenStream(tokenizer, vocabulary);
  for (const one of paths) {
    const kind = format !== 'auto' ? format : (await kindOf(one)) === 'folder' ? 'text' : formatOf(one);
    if (kind === 'jsonl') await addJsonLines(stream, one, field);
    else if (kind === 'u16') await addTokenFile(stream, one);
    else for await (const { path: file, bytes } of textsAt([one])) stream.add(bytes, file);
  }
  const tokens = stream.result();
  if (tokens.ids.length === 0) throw new InvalidConfig({ what: 'no tokens found', where: paths.join(', '), value: 0, limit: 'at least one', hint: 'name a file with text or tokens' });
  return tokens;
};

/**
 * Cuts a stream in two: the evaluation part is its tail of ⌊length · fraction⌋ ids, the training part all before it. Both are views.
 *
 * @throws InvalidConfig for a fraction outside 0 ≤ fraction < 1, and for one above 0 that leaves no id to evaluate on, or none to train on.
 */
export const splitTokens = <T extends TokenIds>(ids: T, fraction: number): { readonly training: T; readonly evaluation: T } => {
  if (!(fraction >= 0 && fraction < 1)) throw new InvalidConfig({ what: 'the fraction for evaluation', value: fraction, limit: '0 ≤ fraction < 1' });
  const tail = Math.floor(ids.length * fraction);
  if (fraction > 0 && (tail === 0 || tail === ids.length)) throw new InvalidConfig({ what: 'too few tokens to split', value: ids.length, limit: `${fraction} of them for evaluation`, hint: 'give more data or another fraction' });
  return { training: ids.subarray(0, ids.length - tail) as T, evaluation: ids.subarray(ids.length - tail) as T };
};
