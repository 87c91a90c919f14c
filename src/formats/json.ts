/**
 * Strict JSON of files: one typed error, and no key twice (JSON.parse would silently keep the last).
 * Not here: what the values mean.
 */
import { CorruptFile } from '../util/errors.js';

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

const shownCharactersMax = 120;

/** A value out of a file for an error's sentence: on one line, and short. */
export const shown = (value: unknown): unknown => {
  if (value === undefined) return null;
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  const text = typeof value === 'string' ? JSON.stringify(value).slice(1, -1) : JSON.stringify(value);
  return text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text;
};

/** The first key that an object of a valid JSON text has twice, or null. Walks the text once, without recursion. */
const doubledKey = (text: string): string | null => {
  const open: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '{') open.push(new Set());
    else if (c === '[') open.push(null);
    else if (c === '}' || c === ']') open.pop();
    if (c !== '"') continue;
    const start = i;
    for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
    const keys = open.at(-1);
    if (!(keys instanceof Set)) continue;
    let after = i + 1;
    while (' \t\r\n'.includes(text[after] ?? ':')) after++;
    if (text[after] !== ':') continue;
    const key = String(JSON.parse(text.slice(start, i + 1)));
    if (keys.has(key)) return key;
    keys.add(key);
  }
  return null;
};

/** The value of a JSON text; `where` names it in errors. @throws CorruptFile */
export const parseJson = (text: string, where: string): unknown => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CorruptFile({ what: 'not valid JSON', where, hint: 'is the file damaged, or of another kind?' }, { cause });
  }
  const key = doubledKey(text);
  if (key !== null) throw new CorruptFile({ what: 'a key stands twice in one object', where, value: shown(key), limit: 'once' });
  return value;
};

/** The text of bytes that must be UTF-8. @throws CorruptFile */
export const parseUtf8 = (bytes: Uint8Array, where: string): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new CorruptFile({ what: 'not valid UTF-8', where, hint: 'is the file damaged, or of another kind?' }, { cause });
  }
};

/** The object of a JSON text in UTF-8. @throws CorruptFile */
export const parseJsonObject = (bytes: Uint8Array, where: string): JsonObject => {
  const value = parseJson(parseUtf8(bytes, where), where);
  if (!isObject(value)) throw new CorruptFile({ what: 'not a JSON object', where, value: Array.isArray(value) ? 'an array' : typeof value });
  return value;
};
