/** Training tokens: the same stream from text, JSON lines and token files; bad lines and ids are named; the split keeps every id. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '../../../src/formats/json.js';
import { readText } from '../../../src/formats/text.js';
import { tokenizerOf } from '../../../src/formats/tokenizer-json.js';
import { readTokens, splitTokens } from '../../../src/formats/tokens.js';
import { CorruptFile, InvalidConfig } from '../../../src/util/errors.js';
import { gpt2Like } from './tokenizer-files.js';

let root = '';
let count = 0;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-tokens-'));
});
after(() => rm(root, { recursive: true }));

const file = async (ending: string, content: string | Uint8Array): Promise<string> => {
  const path = join(root, `${count++}${ending}`);
  await writeFile(path, content);
  return path;
};
const refused = (promise: Promise<unknown>, kind: typeof CorruptFile | typeof InvalidConfig, words: RegExp): Promise<void> =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof kind && !error.message.includes('\n'), String(error));
    assert.match(error.message, words);
    return true;
  });
const tokenizer = tokenizerOf(gpt2Like() as unknown as JsonObject, null, 'tokenizer.json');
const eos = 267;

describe('text', () => {
  test('without an end of documents, bytes are those of readText', async () => {
    const folder = join(root, 'folder');
    await mkdir(join(folder, 'deep'), { recursive: true });
    for (const [name, text] of [['b.txt', 'two\n'], ['a.txt', 'öne'], ['deep/c.txt', 'three']] as const) await writeFile(join(folder, name), text);
    const tokens = await readTokens(folder);
    assert.deepEqual(tokens, { ids: Uint8Array.from((await readText(folder)).bytes), documents: 3 });
    assert.deepEqual((await readTokens([folder, folder])).documents, 6);
  });

  test('each file is a document, with the end behind it', async () => {
    const paths = [await file('.txt', 'hello'), await file('.md', ' world')];
    const [hello, world] = [tokenizer.encode('hello'), tokenizer.encode(' world')];
    assert.deepEqual(await readTokens(paths, { tokenizer }), { ids: Uint16Array.of(...hello, eos, ...world, eos), documents: 2 });
  });

  test('a file of any bytes is bytes, but no text for a tokenizer', async () => {
    const path = await file('.txt', Uint8Array.of(65, 255));
    assert.deepEqual([...(await readTokens(path)).ids], [65, 255]);
    await refused(readTokens(path, { tokenizer }), CorruptFile, /\.txt: not valid UTF-8/);
  });

  test('nothing is refused', async () => {
    await refused(readTokens(await file('.txt', '')), InvalidConfig, /no tokens found/);
    await refused(readTokens([]), InvalidConfig, /no tokens found/);
    await refused(readTokens(join(root, 'nothing')), CorruptFile, /no such file/);
  });
});

describe('JSON lines', () => {
  test('any documents come through, one a line, over the edges of chunks', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' }).filter((s) => s.isWellFormed()), { minLength: 1, maxLength: 10 }), fc.boolean(), fc.constantFrom('\n', '\r\n'), async (documents, last, end) => {
        const path = await file('.jsonl', documents.map((text, i) => JSON.stringify({ id: i, text, more: { text: 'other' } })).join(end) + (last ? end : ''));
        const tokens = await readTokens(path, { tokenizer });
        assert.deepEqual(tokens, { ids: Uint16Array.from(documents.flatMap((text) => [...tokenizer.encode(text), eos])), documents: documents.length });
      }),
      { seed: 601, numRuns: 60 },
    ));

  test('lines longer than a chunk', async () => {
    const text = 'ä'.repeat(700_000);
    const path = await file('.ndjson', `${JSON.stringify({ text })}\n${JSON.stringify({ text: 'b' })}\n`);
    const { ids, documents } = await readTokens(path);
    assert.equal(documents, 2);
    assert.equal(Buffer.compare(Buffer.from(ids as Uint8Array), Buffer.from(`${text}\nb`)), 0);
  });

  test('the field and the format can be named', async () => {
    const path = await file('.data', '{"body":"x"}\n');
    assert.deepEqual([...(await readTokens(path, { format: 'jsonl', field: 'body' })).ids], [120]);
  });

  test('a bad line is named by its number', async () => {
    const good = '{"text":"x"}\n';
    for (const [bad, words] of [
      ['{"text":', /line 3: not valid JSON/],
      ['', /line 3: not valid JSON/],
      ['["x"]', /line 3: no object with a string in its field 'text'/],
      ['{"txt":"x"}', /line 3: no object/],
      ['{"text":3}', /line 3: no object/],
      ['{"text":"x","text":"y"}', /line 3: a key stands twice/],
      ['{"text":"\\ud800"}', /line 3: half a character/],
    ] as const) await refused(readTokens(await file('.jsonl', `${good}${good}${bad}\n${good}`)), CorruptFile, words);
    await refused(readTokens(await file('.jsonl', Buffer.from([...Buffer.from(good), 0x22, 0xff, 0x22]))), CorruptFile, /line 2: not valid UTF-8/);
    await refused(readTokens(await file('.jsonl', `${good}{"text":"x"} tail`)), CorruptFile, /line 2: not valid JSON/);
    await refused(readTokens(root, { format: 'jsonl' }), CorruptFile, /a folder where a file was expected/);
    await refused(readTokens(join(root, 'none.jsonl')), CorruptFile, /none\.jsonl: no such file/);
  });
});

describe('16-bit token files', () => {
  const pack = (ids: readonly number[]): Uint8Array => {
    const bytes = Buffer.alloc(2 * ids.length);
    for (const [i, id] of ids.entries()) bytes.writeUInt16LE(id, 2 * i);
    return bytes;
  };

  test('ids come through as they are, in the type that the vocabulary needs', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.nat(65_535), { minLength: 1, maxLength: 50 }), fc.constantFrom('.bin', '.u16'), async (ids, ending) => {
        const path = await file(ending, pack(ids));
        assert.deepEqual(await readTokens(path, { vocabulary: 65_536 }), { ids: Uint16Array.from(ids), documents: 1 });
        assert.deepEqual((await readTokens(path, { vocabulary: 65_537 })).ids, Int32Array.from(ids));
      }),
      { seed: 602, numRuns: 30 },
    ));

  test('documents are counted by the end of documents', async () => {
    assert.equal((await readTokens(await file('.bin', pack([1, eos, 2, 3, eos])), { tokenizer })).documents, 2);
    assert.equal((await readTokens(await file('.bin', pack([eos, 1, eos, 2])), { tokenizer })).documents, 3);
  });

  test('ids outside the vocabulary and odd bytes are refused', async () => {
    const path = await file('.bin', pack([5, 267, 268]));
    await refused(readTokens(path, { tokenizer }), CorruptFile, /token 2: outside the vocabulary \(got 268, limit 267/);
    await refused(readTokens(path), CorruptFile, /token 1: outside the vocabulary \(got 267, limit 255/);
    await refused(readTokens(await file('.bin', Uint8Array.of(1, 0, 2)), { tokenizer }), CorruptFile, /odd number of bytes .*\(got 3/);
    await refused(readTokens(await file('.bin', '')), InvalidConfig, /no tokens/);
    for (const vocabulary of [0, 0.5, NaN, 2 ** 32]) await refused(readTokens(path, { vocabulary }), InvalidConfig, /vocabulary/);
  });
});

describe('splitTokens', () => {
  test('training and evaluation are the stream, cut once', () =>
    fc.assert(
      fc.property(fc.uint16Array({ minLength: 2, maxLength: 100 }), fc.double({ min: 0, max: 1, noNaN: true }), (ids, fraction) => {
        const tail = Math.floor(ids.length * fraction);
        if (fraction === 1 || (fraction > 0 && (tail === 0 || tail === ids.length))) return assert.throws(() => splitTokens(ids, fraction), InvalidConfig);
        const { training, evaluation } = splitTokens(ids, fraction);
        assert.equal(evaluation.length, tail);
        assert.deepEqual(Uint16Array.of(...training, ...evaluation), ids);
        assert.equal(training.buffer, ids.buffer);
      }),
      { seed: 603, numRuns: 300 },
    ));

  test('no fraction is refused', () => {
    for (const fraction of [-0.1, 1, 2, NaN, Infinity]) assert.throws(() => splitTokens(Uint8Array.of(1, 2, 3), fraction), InvalidConfig);
  });
});
