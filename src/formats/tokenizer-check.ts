/**
 * Checks of a Hugging Face tokenizer.json before the library sees it.
 *
 * The library trusts its input: an unknown pattern only warns, an id out of range makes a hole, a character without token is dropped. Here every
 * field that this project relies on is checked and every one that it does not support is refused, by name.
 * Not here: encoding (tokenizer-json.ts).
 */
import { CorruptFile } from '../util/errors.js';
import { isObject, shown, type JsonObject } from './json.js';

/** Ids that a vocabulary may have. */
export const vocabularyMax = 1 << 22;

/** What the file says, as far as it is used. */
export interface TokenizerFile {
  /** For the library: the file with the defaults of older writers filled in. */
  readonly json: JsonObject;
  /** Every token, added ones included, by id; holes are possible. */
  readonly tokens: ReadonlyMap<number, string>;
  readonly added: ReadonlyMap<string, number>;
  /** Added tokens whose text is special, in the order of the file. */
  readonly special: readonly string[];
  /** What stands for text without token, or null. */
  readonly unknown: string | null;
  /** Added tokens that take white space in front of them along. */
  readonly stripsLeft: boolean;
  readonly vocabulary: number;
}

const refuse = (where: string, field: string, what: string, value?: unknown, limit?: unknown): CorruptFile =>
  new CorruptFile({ what: `${field}: ${what}`, where, ...(value === undefined ? {} : { value: shown(value) }), ...(limit === undefined ? {} : { limit }), hint: 'give the tokenizer.json of a GPT-2 or Llama model' });

const isId = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0 && Number(value) < vocabularyMax;

const normalizers = new Set(['Sequence', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'Strip', 'StripAccents', 'Prepend', 'Replace']);
const preTokenizers = new Set(['Sequence', 'ByteLevel', 'Split', 'Metaspace', 'Digits', 'Punctuation', 'Whitespace', 'WhitespaceSplit']);
const decoders = new Set(['Sequence', 'ByteLevel', 'Metaspace', 'Replace', 'Fuse', 'Strip', 'ByteFallback']);

const checkPattern = (pattern: unknown, where: string, field: string): void => {
  if (!isObject(pattern) || typeof (pattern['Regex'] ?? pattern['String']) !== 'string') throw refuse(where, field, 'neither a Regex nor a String', pattern);
};

/** A step of normalizer, pre_tokenizer or decoder, and the steps in it. */
const checkStep = (step: unknown, types: ReadonlySet<string>, where: string, field: string): void => {
  if (!isObject(step) || typeof step['type'] !== 'string') throw refuse(where, field, 'no step with a type', step);
  const { type } = step;
  if (!types.has(type)) throw refuse(where, `${field}.type`, 'not supported', type, [...types].join(' '));
  if (type === 'Split' || type === 'Replace') checkPattern(step['pattern'], where, `${field}.pattern`);
  if (type === 'Split' && !(step['behavior'] === 'Removed' || (step['behavior'] === 'Isolated' && step['invert'] !== true))) throw refuse(where, `${field}.behavior`, 'not supported', step['behavior'], 'Isolated, not inverted, or Removed');
  if (type === 'Strip' && types === decoders && (step['stop'] ?? 0) !== 0) throw refuse(where, `${field}.stop`, 'not supported', step['stop'], 0);
  if (type !== 'Sequence') return;
  for (const key of ['normalizers', 'pretokenizers', 'decoders']) {
    const steps = step[key];
    if (steps === undefined) continue;
    if (!Array.isArray(steps)) throw refuse(where, `${field}.${key}`, 'no list', steps);
    for (const [i, inner] of steps.entries()) checkStep(inner, types, where, `${field}.${key}[${i}]`);
  }
};

const checkMerges = (merges: unknown, vocab: JsonObject, where: string): void => {
  if (!Array.isArray(merges)) throw refuse(where, 'model.merges', 'missing or no list', merges);
  const [first] = merges;
  for (const [i, merge] of merges.entries()) {
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    if (!Array.isArray(pair) || pair.length !== 2 || typeof merge !== typeof first || !pair.every((part) => typeof part === 'string' && part !== '')) throw refuse(where, `model.merges[${i}]`, 'no pair of tokens', merge);
    for (const token of [...pair, pair.join('')]) if (!Object.hasOwn(vocab, token)) throw refuse(where, `model.merges[${i}]`, 'a token that model.vocab does not hold', token);
  }
};

/** Model fields that change what tokens mean and that the library does not follow. */
const unsupported: Readonly<Record<string, readonly unknown[]>> = { dropout: [undefined, null, 0], continuing_subword_prefix: [undefined, null, ''], end_of_word_suffix: [undefined, null, ''] };

/** Checks a parsed tokenizer.json. @throws CorruptFile naming the field */
export const checkTokenizer = (file: JsonObject, where: string): TokenizerFile => {
  const { model, added_tokens: addedTokens = [], normalizer = null, pre_tokenizer: preTokenizer = null, decoder = null, post_processor: postProcessor = null } = file;
  if (!isObject(model)) throw refuse(where, 'model', 'missing or no object');
  const { type = 'BPE', vocab, merges, unk_token: unknown = null } = model;
  if (type !== 'BPE') throw refuse(where, 'model.type', 'not supported', type, 'BPE');
  for (const [field, values] of Object.entries(unsupported)) if (!values.includes(model[field])) throw refuse(where, `model.${field}`, 'not supported', model[field]);
  if (!isObject(vocab)) throw refuse(where, 'model.vocab', 'missing or no object');
  const tokens = new Map<number, string>();
  for (const [token, id] of Object.entries(vocab)) {
    if (!isId(id)) throw refuse(where, `model.vocab of '${String(shown(token))}'`, 'no valid id', id, vocabularyMax - 1);
    const other = tokens.get(id);
    if (other !== undefined) throw refuse(where, `model.vocab of '${String(shown(token))}'`, `the id that '${String(shown(other))}' has`, id);
    tokens.set(id, token);
  }
  checkMerges(merges, vocab, where);
  if (unknown !== null && (typeof unknown !== 'string' || !Object.hasOwn(vocab, unknown))) throw refuse(where, 'model.unk_token', 'not in model.vocab', unknown);
  if (!Array.isArray(addedTokens)) throw refuse(where, 'added_tokens', 'no list', addedTokens);
  const added = new Map<string, number>();
  const special: string[] = [];
  for (const [i, token] of addedTokens.entries()) {
    if (!isObject(token) || typeof token['content'] !== 'string' || token['content'] === '' || !isId(token['id'])) throw refuse(where, `added_tokens[${i}]`, 'no content with a valid id', token);
    const { content, id } = token;
    if ((tokens.get(id) ?? content) !== content || (added.get(content) ?? id) !== id || (Object.hasOwn(vocab, content) && vocab[content] !== id)) throw refuse(where, `added_tokens[${i}].id`, 'contradicts another token', id);
    tokens.set(id, content);
    added.set(content, id);
    if (token['special'] === true) special.push(content);
  }
  if (tokens.size === 0) throw refuse(where, 'model.vocab', 'empty');
  if (normalizer !== null) checkStep(normalizer, normalizers, where, 'normalizer');
  if (preTokenizer !== null) checkStep(preTokenizer, preTokenizers, where, 'pre_tokenizer');
  if (decoder !== null) checkStep(decoder, decoders, where, 'decoder');
  return {
    json: { ...file, model: { ...model, type, unk_token: unknown }, added_tokens: addedTokens, normalizer, pre_tokenizer: preTokenizer, decoder, post_processor: postProcessor },
    tokens,
    added,
    special,
    unknown,
    stripsLeft: addedTokens.some((token) => isObject(token) && token['lstrip'] === true),
    vocabulary: [...tokens.keys()].reduce((a, b) => Math.max(a, b)) + 1,
  };
};
