/**
 * A tokenizer out of a Hugging Face tokenizer.json: byte-level BPE as of GPT-2 and Llama 3, and BPE over characters as of Llama 2.
 *
 *   readTokenizer(file or folder) ──▶ checked (tokenizer-check.ts) ──▶ the library encodes and decodes ──▶ Tokenizer
 *
 * Text is decoded as it is: no spaces are cleaned up, special tokens stay visible. Not here: chat templates, truncation, padding.
 */
import { access } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Tokenizer as Library } from '@huggingface/tokenizers';
import { CorruptFile, InvalidConfig } from '../util/errors.js';
import { bytesOfToken, bytesWithoutToken, cutsAtLines, linePieces } from './byte-level.js';
import { kindOf, readWhole } from './files.js';
import { isObject, parseJsonObject, shown, type JsonObject } from './json.js';
import { checkTokenizer, type TokenizerFile } from './tokenizer-check.js';
import { utf8Decoder, type IncrementalDecoder, type Tokenizer } from './tokenizer.js';

/** What is used of the library. */
interface LibraryTokenizer {
  encode(text: string, options: { readonly add_special_tokens: boolean }): { readonly ids: readonly unknown[] };
  decode(ids: readonly number[], options: { readonly clean_up_tokenization_spaces: boolean }): string;
}

/** Longest text that is given to the library at once where text can be cut. */
const pieceLength = 1 << 18;
/** Longest text where it cannot. */
const wholeLengthMax = 1 << 26;
const replacement = '\ufffd';
/** Ends of documents, where no configuration names one. */
const eosNames = ['<|endoftext|>', '<|end_of_text|>', '</s>'];

interface Parts {
  readonly where: string;
  readonly file: TokenizerFile;
  readonly library: LibraryTokenizer;
}

const tokenOf = ({ file, where }: Parts, id: number): string => {
  const token = file.tokens.get(id);
  if (token === undefined) throw new InvalidConfig({ what: 'an id without token', where, value: id, limit: file.vocabulary - 1, hint: 'does the tokenizer belong to the model?' });
  return token;
};

const decodeWith = (parts: Parts, ids: readonly number[]): string => {
  for (const id of ids) tokenOf(parts, id);
  return ids.length === 0 ? '' : parts.library.decode(ids, { clean_up_tokenization_spaces: false });
};

/** Tokens are bytes: exact and without looking back. An added token ends whatever character was open. */
const byteLevelDecoder = (parts: Parts): IncrementalDecoder => {
  const utf8 = utf8Decoder();
  return {
    push: (id) => {
      const token = tokenOf(parts, id);
      return parts.file.added.has(token) ? utf8.decode() + token : utf8.decode(bytesOfToken(token) ?? new Uint8Array(), { stream: true });
    },
    end: () => utf8.decode(),
  };
};

/** Ids kept as context, more than the bytes of one character; and the most that are kept while nothing is certain. */
const contextIds = 8;
const windowIdsMax = 64;

/** Any decoder: a window of ids is decoded again, and what goes beyond the text already given is given, but for an open character at its end. */
const windowDecoder = (parts: Parts): IncrementalDecoder => {
  let ids: number[] = [];
  let given = 0;
  const certain = (text: string): number => (text.endsWith(replacement) ? text.length - 1 : text.length);
  return {
    push: (id) => {
      tokenOf(parts, id);
      ids.push(id);
      const text = decodeWith(parts, ids);
      const out = text.slice(given, certain(text));
      given = Math.max(given, certain(text));
      if (ids.length >= windowIdsMax) {
        ids = ids.slice(-contextIds);
        given = certain(decodeWith(parts, ids));
      }
      return out;
    },
    end: () => {
      const rest = decodeWith(parts, ids).slice(given);
      ids = [];
      given = 0;
      return rest;
    },
  };
};

const encoder = (parts: Parts): ((text: string) => Int32Array) => {
  const { file, library, where } = parts;
  const missing = isByteLevel(file) && file.unknown === null ? bytesWithoutToken(new Set(file.tokens.values())) : new Set<number>();
  const cuttable = cutsAtLines(file.json['pre_tokenizer']) && file.json['normalizer'] === null && !file.stripsLeft && ![...file.added.keys()].some((token) => token.includes('\n'));
  const whole = (text: string): Int32Array => {
    const ids = library.encode(text, { add_special_tokens: false }).ids;
    const bad = ids.findIndex((id) => typeof id !== 'number');
    if (bad >= 0) throw new InvalidConfig({ what: 'the text has a piece that the tokenizer has no token for', where, hint: 'does the tokenizer belong to the text?' });
    return Int32Array.from(ids as readonly number[]);
  };
  return (text) => {
    if (missing.size > 0) {
      const lost = new TextEncoder().encode(text).find((byte) => missing.has(byte));
      if (lost !== undefined) throw new InvalidConfig({ what: 'the tokenizer has no token for a byte of the text', where, value: lost, hint: 'use a tokenizer with all 256 bytes' });
    }
    if (text.length <= pieceLength) return whole(text);
    if (cuttable) return joined([...linePieces(text, pieceLength)].map(whole));
    if (text.length > wholeLengthMax) throw new InvalidConfig({ what: 'a text too long for this tokenizer, which cannot take it in pieces', where, value: text.length, limit: wholeLengthMax, hint: 'give it as several documents, in files of their own or as JSON lines' });
    return whole(text);
  };
};

const joined = (parts: readonly Int32Array[]): Int32Array => {
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

const isByteLevel = (file: TokenizerFile): boolean => isObject(file.json['decoder']) && file.json['decoder']['type'] === 'ByteLevel';

/** The end of documents: what the configuration names, or a special token with a usual name. */
const eosOf = (file: TokenizerFile, config: JsonObject | null, where: string): number | null => {
  const named = config?.['eos_token'] ?? null;
  if (named === null) {
    const usual = eosNames.find((name) => file.special.includes(name));
    return usual === undefined ? null : (file.added.get(usual) ?? null);
  }
  const content = isObject(named) ? named['content'] : named;
  const id = [...file.tokens].find(([, token]) => token === content)?.[0];
  if (id === undefined) throw new CorruptFile({ what: 'eos_token: not in the vocabulary', where, value: shown(content) });
  return id;
};

/** Makes a tokenizer of a parsed tokenizer.json and, where there is one, tokenizer_config.json. @throws CorruptFile naming the field */
export const tokenizerOf = (json: JsonObject, config: JsonObject | null, where: string): Tokenizer => {
  const file = checkTokenizer(json, where);
  if (isByteLevel(file)) {
    const odd = [...file.tokens.values()].find((token) => !file.added.has(token) && bytesOfToken(token) === null);
    if (odd !== undefined) throw new CorruptFile({ what: 'model.vocab: a token that is no string of byte characters, though decoder is ByteLevel', where, value: shown(odd) });
  }
  let parts: Parts, plain: readonly unknown[], marked: readonly unknown[];
  try {
    const library: LibraryTokenizer = new Library(file.json, { clean_up_tokenization_spaces: false });
    parts = { where, file, library };
    plain = library.encode('a', { add_special_tokens: false }).ids;
    marked = library.encode('a', { add_special_tokens: true }).ids;
  } catch (cause) {
    throw new CorruptFile({ what: 'the tokenizer cannot be made', where, value: shown(cause instanceof Error ? cause.message : String(cause)), hint: 'is the file damaged?' }, { cause });
  }
  const [bos] = marked;
  if (marked.length > plain.length && marked.some((id) => typeof id !== 'number')) throw new CorruptFile({ what: 'post_processor: a token that is not in the vocabulary', where });
  const eos = eosOf(file, config, where);
  return {
    kind: 'bpe',
    vocabulary: file.vocabulary,
    eos,
    bos: typeof bos === 'number' && marked.length > plain.length && bos !== plain[0] ? bos : null,
    encode: encoder(parts),
    decode: (ids) => decodeWith(parts, [...ids]),
    decoder: () => (isByteLevel(file) ? byteLevelDecoder(parts) : windowDecoder(parts)),
  };
};

/**
 * Reads a tokenizer: a tokenizer.json, or a folder that holds one. A tokenizer_config.json beside it names the end of documents.
 *
 * @throws CorruptFile for what is missing, damaged or not supported, naming the field.
 */
export const readTokenizer = async (path: string): Promise<Tokenizer> => {
  const file = (await kindOf(path)) === 'folder' ? join(path, 'tokenizer.json') : path;
  const json = parseJsonObject(await readWhole(file), file);
  const configPath = join(dirname(file), 'tokenizer_config.json');
  const hasConfig = basename(file) === 'tokenizer.json' && (await access(configPath).then(() => true, () => false));
  return tokenizerOf(json, hasConfig ? parseJsonObject(await readWhole(configPath), configPath) : null, file);
};
