/** safetensors: what is written is read back, in any dtype, cut into files or not; the bytes are the reference implementation's. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { openSafetensors } from '../../../../src/formats/safetensors/open.js';
import { pieceBytesMax } from '../../../../src/formats/safetensors/shard.js';
import { writeSafetensors, type TensorToWrite } from '../../../../src/formats/safetensors/write.js';
import { CorruptFile, InvalidConfig } from '../../../../src/util/errors.js';
import { naiveRead, naiveValues } from './bytes.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-safetensors-'));
});
after(() => rm(root, { recursive: true }));

let folders = 0;
const folder = async (): Promise<string> => {
  const path = join(root, String(folders++));
  await mkdir(path);
  return path;
};
const dtypes = ['F32', 'F16', 'BF16'] as const;
const aName = fc.oneof(fc.stringMatching(/^[a-z.0-9]{1,12}$/), fc.string({ unit: 'grapheme', maxLength: 6 })).filter((name) => name !== '__metadata__' && name.isWellFormed());
// Values that all three dtypes hold exactly.
const aTensor = fc.tuple(aName, fc.array(fc.nat(4), { maxLength: 3 })).chain(([name, shape]) => {
  const length = shape.reduce((a, b) => a * b, 1);
  return fc.array(fc.integer({ min: -64, max: 64 }), { minLength: length, maxLength: length }).map((values): TensorToWrite & { data: Float32Array } => ({ name, shape, data: Float32Array.from(values, (v) => v / 8) }));
});
const tensorsArbitrary = fc.uniqueArray(aTensor, { selector: (t) => t.name, maxLength: 8 });

describe('safetensors round trips', () => {
  test('any tensors in any dtype, cut or whole, come back with names, shapes, bits and metadata', () =>
    fc.assert(
      fc.asyncProperty(tensorsArbitrary, fc.constantFrom(...dtypes), fc.option(fc.integer({ min: 1, max: 200 })), fc.dictionary(fc.string({ maxLength: 4 }), fc.string({ unit: 'grapheme', maxLength: 4 }).filter((s) => s.isWellFormed()), { maxKeys: 3 }), async (tensors, dtype, shardBytesMax, metadata) => {
        const path = join(await folder(), 'model.safetensors');
        const written = await writeSafetensors(path, tensors, { dtype, metadata, ...(shardBytesMax === null ? {} : { shardBytesMax }) });
        await using file = await openSafetensors(dirname(path));
        assert.equal(file.path, written.path);
        assert.deepEqual(file.shards.map((shard) => shard.path), written.files);
        assert.deepEqual(new Set(file.tensors.keys()), new Set(tensors.map((t) => t.name)));
        assert.deepEqual(Object.fromEntries(file.metadata), { ...metadata });
        for (const { name, shape, data } of tensors) {
          const stored = file.tensors.get(name);
          assert.deepEqual(stored?.shape, shape);
          assert.equal(stored?.dtype, dtype);
          assert.equal(stored?.bytes, data.length * (dtype === 'F32' ? 4 : 2));
          const read = new Float32Array(data.length);
          await file.read(name, read);
          assert.deepEqual(read, data);
        }
      }),
      { seed: 401, numRuns: 60 },
    ));

  test('a second implementation reads every file alike, in the order of the data', () =>
    fc.assert(
      fc.asyncProperty(tensorsArbitrary, fc.constantFrom(...dtypes), async (tensors, dtype) => {
        const path = join(await folder(), 'x.safetensors');
        await writeSafetensors(path, tensors, { dtype });
        const naive = naiveRead(await readFile(path));
        assert.ok(naive !== null);
        assert.deepEqual(new Map([...naive].map(([name, t]) => [name, naiveValues(t)])), new Map(tensors.map((t) => [t.name, t.data])));
      }),
      { seed: 402, numRuns: 40 },
    ));

  test('a part is the slice of the whole, over the edges of pieces, into plain and shared memory', async () => {
    const elements = pieceBytesMax / 2 + 1000;
    const data = Float32Array.from({ length: elements }, (_, i) => (i % 251) / 16);
    for (const dtype of dtypes) {
      const path = join(await folder(), 'x.safetensors');
      await writeSafetensors(path, [{ name: 'w', shape: [elements], data }], { dtype });
      await using file = await openSafetensors(path);
      for (const [first, count] of [[0, 0], [0, elements], [elements, 0], [7, 3], [elements - 1, 1], [500, elements - 900]] as const) {
        const into = new Float32Array(new SharedArrayBuffer(4 * count + 8), 4, count);
        await file.readPart('w', first, into);
        assert.ok(Buffer.compare(Buffer.from(into.slice().buffer), Buffer.from(data.slice(first, first + count).buffer)) === 0, `${dtype} from ${first}, ${count}`);
      }
    }
  });

  test('data may lie in shared memory, or be asked for only when its turn comes', async () => {
    const path = join(await folder(), 'x.safetensors');
    const shared = new Float32Array(new SharedArrayBuffer(16), 4, 2);
    shared.set([1, 2]);
    const asked: string[] = [];
    const later = (name: string, value: number): TensorToWrite => ({ name, shape: [], data: async () => { asked.push(name); return Float32Array.of(value); } });
    await writeSafetensors(path, [later('z', 3), { name: 's', shape: [2], data: shared }, later('a', 4)]);
    assert.deepEqual(asked, ['a', 'z']);
    const naive = naiveRead(await readFile(path));
    assert.deepEqual([...(naive ?? [])].map(([name, t]) => [name, ...naiveValues(t)]), [['a', 4], ['s', 1, 2], ['z', 3]]);
  });
});

describe('the layout is the reference implementation\'s', () => {
  /** Written by safetensors 0.8.0 from the tensors below: escapes, an empty tensor, a scalar, names whose order differs between UTF-16 and UTF-8. */
  const golden = {
    F32: '18010000000000007b225f5f6d657461646174615f5f223a7b22666f726d6174223a227074227d2c223130223a7b226474797065223a22463332222c227368617065223a5b315d2c22646174615f6f666673657473223a5b302c345d7d2c2241efbfae223a7b226474797065223a22463332222c227368617065223a5b322c305d2c22646174615f6f666673657473223a5b342c345d7d2c22615c227fe280a85c7530303031f09f9880223a7b226474797065223a22463332222c227368617065223a5b5d2c22646174615f6f666673657473223a5b342c385d7d2c22622e776569676874223a7b226474797065223a22463332222c227368617065223a5b312c335d2c22646174615f6f666673657473223a5b382c32305d7d7d202020202000e07f47b00fa1340000c03f000000c0cdcccc3d',
    F16: '18010000000000007b225f5f6d657461646174615f5f223a7b22666f726d6174223a227074227d2c223130223a7b226474797065223a22463136222c227368617065223a5b315d2c22646174615f6f666673657473223a5b302c325d7d2c2241efbfae223a7b226474797065223a22463136222c227368617065223a5b322c305d2c22646174615f6f666673657473223a5b322c325d7d2c22615c227fe280a85c7530303031f09f9880223a7b226474797065223a22463136222c227368617065223a5b5d2c22646174615f6f666673657473223a5b322c345d7d2c22622e776569676874223a7b226474797065223a22463136222c227368617065223a5b312c335d2c22646174615f6f666673657473223a5b342c31305d7d7d2020202020ff7b0500003e00c0662e',
    BF16: '18010000000000007b225f5f6d657461646174615f5f223a7b22666f726d6174223a227074227d2c223130223a7b226474797065223a2242463136222c227368617065223a5b315d2c22646174615f6f666673657473223a5b302c325d7d2c2241efbfae223a7b226474797065223a2242463136222c227368617065223a5b322c305d2c22646174615f6f666673657473223a5b322c325d7d2c22615c227fe280a85c7530303031f09f9880223a7b226474797065223a2242463136222c227368617065223a5b5d2c22646174615f6f666673657473223a5b322c345d7d2c22622e776569676874223a7b226474797065223a2242463136222c227368617065223a5b312c335d2c22646174615f6f666673657473223a5b342c31305d7d7d208047a134c03f00c0cd3d',
  };
  const tensors: readonly TensorToWrite[] = [
    { name: 'b.weight', shape: [1, 3], data: Float32Array.of(1.5, -2, 0.1) },
    { name: 'a"\u007f\u2028\u0001\u{1F600}', shape: [], data: Float32Array.of(3e-7) },
    { name: 'A\uffee', shape: [2, 0], data: new Float32Array() },
    { name: '10', shape: [1], data: Float32Array.of(65_504) },
  ];
  for (const dtype of dtypes) {
    test(`${dtype}, byte for byte`, async () => {
      const path = join(await folder(), 'x.safetensors');
      await writeSafetensors(path, tensors, { dtype, metadata: { format: 'pt' } });
      assert.equal((await readFile(path)).toString('hex'), golden[dtype]);
    });
  }

  test('names stand in the order of their UTF-8 bytes', async () => {
    const path = join(await folder(), 'x.safetensors');
    await writeSafetensors(path, ['\u{1F600}', '\uffee', 'b', 'B'].map((name) => ({ name, shape: [0], data: new Float32Array() })));
    assert.match((await readFile(path)).toString(), /"B".*"b".*"\uffee".*"\u{1F600}"/u);
  });

  test('no tensors and no metadata: eight bytes of header', async () => {
    const path = join(await folder(), 'x.safetensors');
    await writeSafetensors(path, []);
    assert.equal((await readFile(path)).toString('latin1'), '\x08\0\0\0\0\0\0\0{}      ');
  });

  test('several files and their index', async () => {
    const path = join(await folder(), 'model.safetensors');
    const written = await writeSafetensors(path, ['c', 'a', 'b'].map((name) => ({ name, shape: [4], data: new Float32Array(4) })), { shardBytesMax: 32 });
    assert.deepEqual((await readdir(dirname(path))).toSorted(), ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json']);
    assert.equal(written.bytes, 48);
    assert.equal(
      await readFile(written.path, 'utf8'),
      '{\n  "metadata": {\n    "total_size": 48\n  },\n  "weight_map": {\n    "a": "model-00001-of-00002.safetensors",\n    "b": "model-00002-of-00002.safetensors",\n    "c": "model-00001-of-00002.safetensors"\n  }\n}\n',
    );
  });
});

describe('whole numbers', () => {
  test('of three widths stand as they are beside weights of any type, cut or whole', () =>
    fc.assert(
      fc.asyncProperty(fc.constantFrom(...dtypes), fc.array(fc.nat(255)), fc.array(fc.nat(65_535)), fc.array(fc.nat(4_294_967_295)), fc.option(fc.integer({ min: 1, max: 64 })), async (dtype, u8, u16, u32, shardBytesMax) => {
        const path = join(await folder(), 'model.safetensors');
        const integers = [{ name: 'a', dtype: 'U8', data: Uint8Array.from(u8) }, { name: 'b', dtype: 'U16', data: Uint16Array.from(u16) }, { name: 'c', dtype: 'U32', data: Uint32Array.from(u32) }] as const;
        const tensors = integers.map((tensor) => ({ ...tensor, shape: [tensor.data.length] }));
        const written = await writeSafetensors(path, [...tensors, { name: 'w', shape: [2], data: Float32Array.of(1, -2) }], { dtype, ...(shardBytesMax === null ? {} : { shardBytesMax }) });
        await using file = await openSafetensors(written.path);
        assert.equal(file.tensors.get('w')?.dtype, dtype);
        for (const { name, dtype: width, data } of tensors) {
          const bytes = new Uint8Array(data.byteLength);
          await file.readBytes(name, bytes);
          assert.deepEqual([file.tensors.get(name)?.dtype, bytes], [width, new Uint8Array(data.buffer)]);
          await assert.rejects(file.readBytes(name, new Uint8Array(data.byteLength + 1)), InvalidConfig);
        }
        for (const shard of written.files) assert.ok(naiveRead(await readFile(shard)) !== null);
      }),
      { seed: 403, numRuns: 40 },
    ));

  test('of another width or number than their shape are refused', async () => {
    const path = join(await folder(), 'x.safetensors');
    for (const data of [new Uint8Array(4), new Uint16Array(2), new Uint32Array(1)]) await assert.rejects(writeSafetensors(path, [{ name: 'a', shape: [4], dtype: 'U16', data }]), /another length or width/);
    assert.deepEqual(await readdir(dirname(path)), []);
  });
});

describe('what cannot be written or read is refused', () => {
  const one = (name: string, value = 1): TensorToWrite => ({ name, shape: [1], data: Float32Array.of(value) });
  const refusals: readonly (readonly [string, readonly TensorToWrite[], Parameters<typeof writeSafetensors>[2]])[] = [
    ['given twice', [one('a'), one('a')], {}],
    ['cannot hold', [one('__metadata__')], {}],
    ['cannot hold', [one('\ud800')], {}],
    ['no valid shape', [{ ...one('a'), shape: [-1] }], {}],
    ['no valid shape', [{ ...one('a'), shape: [2 ** 40, 2 ** 40] }], {}],
    ['another length', [{ ...one('a'), shape: [2] }], {}],
    ['too large for F16', [one('a', 65_520)], { dtype: 'F16' }],
    ['too large for BF16', [one('a', -3.4e38)], { dtype: 'BF16' }],
    ['metadata', [], { metadata: { a: '\ud800' } }],
    ['shardBytesMax', [], { shardBytesMax: 0 }],
    ['too many files', Array.from({ length: 600 }, (_, i) => one(String(i))), { shardBytesMax: 1 }],
  ];
  for (const [word, tensors, options] of refusals) {
    test(`${word}: nothing is left, and what was there stays`, async () => {
      const path = join(await folder(), 'x.safetensors');
      await writeFile(path, 'before');
      await assert.rejects(writeSafetensors(path, tensors, options), (error: Error) => error instanceof InvalidConfig && error.message.includes(word) && !error.message.includes('\n'));
      assert.deepEqual(await readdir(dirname(path)), ['x.safetensors']);
      assert.equal(await readFile(path, 'utf8'), 'before');
    });
  }

  test('several files: where one cannot be written, all stay as they were', async () => {
    const path = join(await folder(), 'model.safetensors'), options = { shardBytesMax: 2, dtype: 'F16' } as const;
    const { files } = await writeSafetensors(path, [one('a'), one('b')], options);
    const contents = async (): Promise<string[]> => Promise.all((await readdir(dirname(path))).toSorted().map((name) => readFile(join(dirname(path), name), 'latin1')));
    const before_ = await contents();
    assert.deepEqual([files.length, before_.length], [2, 3]);
    await assert.rejects(writeSafetensors(path, [one('a', 2), one('b', 65_520)], options), /too large for F16/);
    assert.deepEqual(await contents(), before_);
  });

  test('infinities and NaNs are values like others', async () => {
    const path = join(await folder(), 'x.safetensors');
    const data = Float32Array.of(Infinity, -Infinity, NaN, 65_519.996);
    await writeSafetensors(path, [{ name: 'a', shape: [4], data }], { dtype: 'F16' });
    await using file = await openSafetensors(path);
    const read = new Float32Array(4);
    await file.read('a', read);
    assert.deepEqual([...read], [Infinity, -Infinity, NaN, 65_504]);
  });

  test('a folder that is not there, a name of another kind', async () => {
    await assert.rejects(writeSafetensors(join(root, 'nowhere', 'x.safetensors'), []), InvalidConfig);
    await assert.rejects(writeSafetensors(join(root, 'x.bin'), []), InvalidConfig);
  });

  test('reading what is not there: an unknown name, wrong room, parts outside, other types, a closed file', async () => {
    const path = join(await folder(), 'x.safetensors');
    await writeSafetensors(path, [{ name: 'a', shape: [4], data: new Float32Array(4) }]);
    const file = await openSafetensors(path);
    await assert.rejects(file.read('b', new Float32Array(4)), /no such tensor/);
    await assert.rejects(file.read('a', new Float32Array(3)), /another number/);
    for (const first of [-1, 1, 0.5, NaN, 2 ** 53]) await assert.rejects(file.readPart('a', first, new Float32Array(4)), /outside/);
    await file.close();
    await file.close();
    await assert.rejects(file.read('a', new Float32Array(4)), /closed/);
  });

  test('a file that becomes shorter while it is open is a CorruptFile', async () => {
    const path = join(await folder(), 'x.safetensors');
    await writeSafetensors(path, [{ name: 'a', shape: [400], data: new Float32Array(400) }]);
    await using file = await openSafetensors(path);
    await writeFile(path, (await readFile(path)).subarray(0, 200));
    await assert.rejects(file.read('a', new Float32Array(400)), (error: Error) => error instanceof CorruptFile && error.message.includes('shorter'));
  });
});
