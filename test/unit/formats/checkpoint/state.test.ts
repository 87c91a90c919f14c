/** state.json: every state comes back as it was, every changed byte is found, what it cannot hold is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkCheckpointState, decodeState, encodeState, type CheckpointState, type ListedFile } from '../../../../src/formats/checkpoint/state.js';
import { crc32 } from '../../../../src/storage/crc.js';
import { CorruptFile, InvalidConfig } from '../../../../src/util/errors.js';
import { someState } from '../../../support/checkpoints.js';

const count = fc.nat(), f64 = fc.double();
const plain = fc.jsonValue({ noUnicodeString: false }).filter((value) => !/-0(?![.\d])|__proto__/.test(JSON.stringify(value, (_, inner: unknown) => (Object.is(inner, -0) ? '-0' : inner))));
const shape = fc.array(fc.nat(1000), { maxLength: 3 });
const aState: fc.Arbitrary<CheckpointState> = fc.record({
  step: count, seed: fc.maxSafeNat(), batchSize: count, samplesSeen: fc.maxSafeNat(), numericsVersion: count,
  model: fc.record({ name: fc.string(), parameters: fc.array(fc.record({ name: fc.string({ unit: 'binary' }), shape }, { noNullPrototype: true })) }, { noNullPrototype: true }),
  optimizer: plain, clipNorm: fc.option(fc.double({ noDefaultInfinity: true, noNaN: true, min: 1e-300 })), sparsity: plain, precision: plain, lossScaling: plain,
  evaluations: fc.array(fc.record({ step: count, loss: f64, perplexity: f64, batches: count }, { noNullPrototype: true })),
  losses: fc.option(fc.array(f64)),
}, { noNullPrototype: true });
const crc = fc.nat().map((n) => n.toString(16).padStart(8, '0'));
const someFiles: fc.Arbitrary<ListedFile[]> = fc.array(fc.record({
  name: fc.constantFrom('model.safetensors', 'optimizer.safetensors'), bytes: fc.maxSafeNat(), crc32: crc, header: crc,
  tensors: fc.array(fc.record({ name: fc.string(), crc32: crc }, { noNullPrototype: true })),
}, { noNullPrototype: true }), { maxLength: 2 });

test('a state comes back as it was, to the last bit of every number', () => {
  fc.assert(fc.property(aState, someFiles, (state, files) => {
    assert.deepEqual(decodeState(encodeState(state, files), 'x'), { state, files });
  }));
});

test('every byte that is changed, lost or added is found', () => {
  const bytes = encodeState(someState(3), []);
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [1, 0x20, 0x80]) {
      const other = Uint8Array.from(bytes);
      other[at] = (other[at] ?? 0) ^ flip;
      assert.throws(() => decodeState(other, 'x/state.json'), (error) => error instanceof CorruptFile && error.message.startsWith('x/state.json: field crc32'));
    }
    assert.throws(() => decodeState(bytes.subarray(0, at), 'x'), CorruptFile);
  }
  assert.throws(() => decodeState(Buffer.concat([bytes, Buffer.from('\n')]), 'x'), CorruptFile);
});

/** The state with other text in it, and a checksum that fits. */
const edited = (from: RegExp | string, to: string): Uint8Array => {
  const text = Buffer.from(encodeState(someState(3), [])).toString('utf8').replace(/,\n {2}"crc32": "[0-9a-f]{8}"\n\}\n$/, ''), body = Buffer.from(text.replace(from, to));
  assert.notEqual(body.toString(), text);
  return Buffer.concat([body, Buffer.from(`,\n  "crc32": "${crc32(body).toString(16).padStart(8, '0')}"\n}\n`)]);
};

test('a file that says what it may not is refused by its field, though its checksum fits', () => {
  for (const [from, to, said] of [
    ['"format": 1', '"format": 2', /field format: a checkpoint of another format \(got 2, limit 1\); use the version/],
    ['"step": 3', '"step": -3', /field step \(got -3, limit 'a whole number from 0'\)/],
    ['"seed": 7', '"seed": 7.5', /field seed /],
    ['"batchSize": 32,\n', '', /field batchSize/],
    ['"clipNorm": 1', '"clipNorm": "1"', /field clipNorm/],
    ['"shape":[40,30]', '"shape":[40,null]', /field model\.parameters\.0\.shape\.1/],
    ['"loss":1.5', '"loss":"much"', /field evaluations\.0\.loss/],
    ['"seed": 7', '"seed": 7,\n  "weed": 8', /field weed/],
    ['"seed": 7', '"seed": 7,\n  "seed": 7', /a key stands twice/],
    ['"files": []', '"files": [{"name":"model.safetensors","bytes":1,"crc32":"00","header":"00000000","tensors":[]}]', /field files\.0\.crc32/],
  ] as const) assert.throws(() => decodeState(edited(from, to), 'x/state.json'), (error) => error instanceof CorruptFile && said.test(error.message) && error.message.startsWith('x/state.json: '), to);
});

test('what JSON would not give back is refused before it is lost', () => {
  for (const [field, value, said] of [
    ['optimizer', { learningRate: { value: Number.NaN } }, /field optimizer\.learningRate\.value/],
    ['optimizer', { momentum: -0 }, /field optimizer\.momentum/],
    ['sparsity', [{ init: () => new Uint8Array() }], /field sparsity\[0\]\.init.*a function cannot be saved/],
    ['precision', undefined, /field precision/],
    ['lossScaling', { scales: new Float32Array(2) }, /field lossScaling\.scales/],
    ['step', 0.5, /field step/],
    ['samplesSeen', 2 ** 53, /field samplesSeen/],
    ['clipNorm', Number.POSITIVE_INFINITY, /field clipNorm/],
  ] as const) assert.throws(() => checkCheckpointState({ ...someState(1), [field]: value }), (error) => error instanceof InvalidConfig && said.test(error.message), field);
  checkCheckpointState(someState(0));
});
