/** Tokenizers: text survives them, text comes out as soon as it is certain and no sooner, and a file that is not understood is refused by field. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { cutsAtLines, linePieces } from '../../../src/formats/byte-level.js';
import type { JsonObject } from '../../../src/formats/json.js';
import { readTokenizer, tokenizerOf } from '../../../src/formats/tokenizer-json.js';
import { bytesTokenizer, type Tokenizer } from '../../../src/formats/tokenizer.js';
import { CorruptFile, InvalidConfig } from '../../../src/util/errors.js';
import { byteCharacters, gpt2Like, llama2Like, llama3Like } from './tokenizer-files.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-tokenizer-'));
});
after(() => rm(root, { recursive: true }));

const make = (json: object, config: object | null = null): Tokenizer => tokenizerOf(json as JsonObject, config as JsonObject | null, 'tokenizer.json');
const gpt2 = make(gpt2Like()), llama3 = make(llama3Like()), llama2 = make(llama2Like());
const all: readonly (readonly [string, Tokenizer])[] = [['bytes', bytesTokenizer()], ['GPT-2', gpt2], ['Llama 3', llama3], ['Llama 2', llama2]];

const aText = fc.array(fc.oneof(fc.constantFrom('hello', ' world', 'ä', '\n', '\n\n', ' ', '  ', "it's", '12345', '.', '.\n', '\r\n', '\u{1F600}', '日本', '\t', '\ufeff'), fc.string({ unit: 'grapheme', maxLength: 5 })), { maxLength: 20 }).map((parts) => parts.join('')).filter((text) => text.isWellFormed());

for (const [name, tokenizer] of all) {
  describe(`${name} tokenizer`, () => {
    test('text comes back as it was', () =>
      fc.assert(fc.property(aText, (text) => {
        const ids = tokenizer.encode(text);
        assert.ok(ids.every((id) => id >= 0 && id < tokenizer.vocabulary));
        // Llama 2 puts a space in front, takes one away, marks spaces with a character of its own, and drops a mark of byte order.
        if (name === 'Llama 2') fc.pre(!/[▁\ufeff]/.test(text));
        assert.equal(tokenizer.decode(ids), text);
      }), { seed: 501, numRuns: 300 }));

    test('one id at a time gives the text of all, whatever the ids are', () =>
      fc.assert(fc.property(fc.array(fc.nat(tokenizer.vocabulary - 1), { maxLength: 200 }), (some) => {
        const ids = some.filter((id) => name !== 'Llama 3' || id < 256 + 11 || id >= 300);
        const decoder = tokenizer.decoder();
        const text = ids.map((id) => decoder.push(id)).join('') + decoder.end();
        assert.equal(text, tokenizer.decode(ids));
        assert.equal(ids.map((id) => decoder.push(id)).join('') + decoder.end(), text, 'the decoder is as new after its end');
      }), { seed: 502, numRuns: 300 }));

    test('a character comes when its last byte is there, and no part of it sooner', () => {
      const decoder = tokenizer.decoder();
      const pushed = [...tokenizer.encode('x\u{1F600}y')].map((id) => decoder.push(id)).filter((text) => text !== '');
      assert.deepEqual(pushed.join('|').trim(), 'x|\u{1F600}|y');
      assert.equal(decoder.end(), '');
    });

    test('an id without token is refused', () => {
      for (const id of [-1, tokenizer.vocabulary, 0.5, NaN]) {
        assert.throws(() => tokenizer.decode([id]), InvalidConfig);
        assert.throws(() => tokenizer.decoder().push(id), InvalidConfig);
      }
    });

    test('nothing is nothing', () => {
      assert.deepEqual(tokenizer.encode(''), new Int32Array());
      assert.equal(tokenizer.decode([]), '');
      assert.equal(tokenizer.decoder().end(), '');
    });
  });
}

describe('ids', () => {
  test('bytes are the bytes', () => assert.deepEqual([...bytesTokenizer().encode('aä')], [97, 0xc3, 0xa4]));

  test('merges are taken in their order', () => {
    const id = (token: string): number => (gpt2Like().model.vocab as Record<string, number>)[token] ?? -1;
    assert.deepEqual([...gpt2.encode('hello world hel ä')], [id('hello'), id('Ġworld'), 32, id('he'), 108, 32, id('Ã¤')]);
    assert.deepEqual([...llama3.encode('hello\n\nworld')], [id('hello'), id('ĊĊ'), 119, id('or'), id('ld')]);
    assert.deepEqual([...llama2.encode('hello wo!')].length, 4);
  });

  test('special tokens are found in text, and marks of beginning are not added', () => {
    assert.deepEqual([...gpt2.encode('a<|endoftext|>b')], [97, 267, 98]);
    assert.deepEqual([...llama3.encode('a')], [97]);
  });

  test('beginning and end', () => {
    assert.deepEqual([gpt2.kind, gpt2.vocabulary, gpt2.eos, gpt2.bos], ['bpe', 268, 267, null]);
    assert.deepEqual([llama3.vocabulary, llama3.eos, llama3.bos], [302, 301, 300]);
    assert.deepEqual([llama2.eos, llama2.bos], [2, null]);
    assert.equal(make(llama3Like(), { eos_token: { content: '<|begin_of_text|>' } }).eos, 300);
    assert.equal(make({ ...gpt2Like(), added_tokens: [] }).eos, null);
    assert.throws(() => make(gpt2Like(), { eos_token: '</s>' }), /eos_token: not in the vocabulary \(got '<\/s>'/);
  });

  test('a hole in the vocabulary has no token', () => assert.throws(() => llama3.decode([280]), InvalidConfig));

  test('text in pieces gives the ids of the whole, where pieces are allowed', () => {
    assert.ok(cutsAtLines(gpt2Like().pre_tokenizer) && cutsAtLines(llama3Like().pre_tokenizer));
    assert.ok(!cutsAtLines(llama2Like().pre_tokenizer) && !cutsAtLines({ ...gpt2Like().pre_tokenizer, add_prefix_space: true }));
    fc.assert(fc.property(fc.constantFrom(gpt2, llama3), aText, fc.integer({ min: 1, max: 30 }), (tokenizer, text, length) => {
      const pieces = [...linePieces(text, length)];
      assert.equal(pieces.join(''), text);
      assert.deepEqual(pieces.flatMap((piece) => [...tokenizer.encode(piece)]), [...tokenizer.encode(text)]);
    }), { seed: 503, numRuns: 1000 });
    const long = 'hello world.\nit goes on\n\n'.repeat(25_000);
    assert.equal(gpt2.decode(gpt2.encode(long)), long);
  });
});

describe('readTokenizer', () => {
  test('a folder, or the file in it, with the configuration beside it', async () => {
    const folder = join(root, 'both');
    await mkdir(folder);
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(llama3Like()));
    await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<|begin_of_text|>' }));
    for (const path of [folder, join(folder, 'tokenizer.json')]) assert.equal((await readTokenizer(path)).eos, 300);
    await writeFile(join(folder, 'other.json'), JSON.stringify(gpt2Like()));
    assert.equal((await readTokenizer(join(folder, 'other.json'))).eos, 267);
  });

  test('what is missing or no JSON is refused and named', async () => {
    await assert.rejects(readTokenizer(join(root, 'nothing')), CorruptFile);
    await assert.rejects(readTokenizer(root), /tokenizer\.json: no such file/);
    for (const [i, text] of ['', '[]', '{"model":{}', '{"model":1,"model":2}', 'null'].entries()) {
      const path = join(root, `bad-${i}.json`);
      await writeFile(path, text);
      await assert.rejects(readTokenizer(path), (error: Error) => error instanceof CorruptFile && error.message.includes(path));
    }
  });

  /** A good file with one field replaced. */
  const spoiled = (path: string, value: unknown, from: object = gpt2Like()): object => {
    const copy = structuredClone(from) as Record<string, unknown>;
    const keys = path.split('.');
    let at = copy;
    for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
    at[keys.at(-1) ?? ''] = value;
    return copy;
  };
  const cases: readonly (readonly [string, unknown, RegExp, object?])[] = [
    ['model', 3, /model: missing or no object/],
    ['model.type', 'Unigram', /model\.type: not supported \(got 'Unigram', limit 'BPE'/],
    ['model.vocab', ['a'], /model\.vocab: missing/],
    ['model.vocab.he', -1, /model\.vocab of 'he': no valid id \(got -1/],
    ['model.vocab.he', 1e9, /no valid id/],
    ['model.vocab.he', 7, /model\.vocab of 'he': the id that '\(?.*' has \(got 7/],
    ['model.vocab.日本', 1000, /model\.vocab: a token that is no string of byte characters.*日本/],
    ['model.merges', {}, /model\.merges: missing or no list/],
    ['model.merges.1', 'l', /model\.merges\[1\]: no pair/],
    ['model.merges.1', ['l', 'l'], /model\.merges\[1\]: no pair/],
    ['model.merges.1', 'l q', /model\.merges\[1\]: a token that model\.vocab does not hold \(got 'lq'/],
    ['model.unk_token', '<unk>', /model\.unk_token: not in model\.vocab/],
    ['model.dropout', 0.1, /model\.dropout: not supported/],
    ['model.continuing_subword_prefix', '##', /model\.continuing_subword_prefix: not supported/],
    ['added_tokens', {}, /added_tokens: no list/],
    ['added_tokens.0.id', 'x', /added_tokens\[0\]: no content with a valid id/],
    ['added_tokens.0.id', 3, /added_tokens\[0\]\.id: contradicts/],
    ['normalizer', { type: 'Precompiled' }, /normalizer\.type: not supported \(got 'Precompiled'/],
    ['pre_tokenizer', 'ByteLevel', /pre_tokenizer: no step with a type/],
    ['pre_tokenizer.pretokenizers.0.pattern', {}, /pre_tokenizer\.pretokenizers\[0\]\.pattern: neither a Regex nor a String/, llama3Like()],
    ['pre_tokenizer.pretokenizers.0.pattern', { Regex: '(' }, /the tokenizer cannot be made/, llama3Like()],
    ['pre_tokenizer.pretokenizers.0.behavior', 'MergedWithNext', /pre_tokenizer\.pretokenizers\[0\]\.behavior: not supported/, llama3Like()],
    ['decoder.type', 'CTC', /decoder\.type: not supported/],
    ['decoder.decoders.3.stop', 1, /decoder\.decoders\[3\]\.stop: not supported/, llama2Like()],
    ['post_processor', { type: 'Nothing' }, /the tokenizer cannot be made.*Nothing/],
    ['post_processor.single.0.SpecialToken.id', '<none>', /post_processor: a token that is not in the vocabulary/, llama3Like()],
  ];
  for (const [path, value, words, from] of cases) {
    test(`${path} = ${JSON.stringify(value)} is refused`, () =>
      assert.throws(() => make(spoiled(path, value, from)), (error) => {
        assert.ok(error instanceof CorruptFile && !error.message.includes('\n'), String(error));
        assert.match(error.message, words);
        return true;
      }));
  }

  test('text that would be lost without a word is refused', () => {
    const file = gpt2Like();
    delete (file.model.vocab as Record<string, number>)[byteCharacters[0x7a] ?? ''];
    const tokenizer = make(file);
    assert.deepEqual([...tokenizer.encode('hello')], [...gpt2.encode('hello')]);
    assert.throws(() => tokenizer.encode('zoo'), (error: Error) => error instanceof InvalidConfig && /no token for a byte of the text \(got 122/.test(error.message));
  });
});
