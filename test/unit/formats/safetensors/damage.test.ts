/** safetensors: whatever is done to a file, it opens to exactly what it says or is refused with a typed error; never other data, never another error. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { openSafetensors } from '../../../../src/formats/safetensors/open.js';
import { writeSafetensors } from '../../../../src/formats/safetensors/write.js';
import { CorruptFile, InvalidConfig } from '../../../../src/util/errors.js';
import { fileOf, naiveRead, naiveValues } from './bytes.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-damage-'));
});
after(() => rm(root, { recursive: true }));

const isTyped = (error: unknown): error is Error => (error instanceof CorruptFile || error instanceof InvalidConfig) && !error.message.includes('\n') && error.message.includes(root) && error.message.length < 1000;

/** Opens the bytes and compares with what the naive reader sees. Returns whether the file was opened. */
const opensOrRefuses = async (bytes: Uint8Array): Promise<boolean> => {
  const path = join(root, 'damaged.safetensors');
  await writeFile(path, bytes);
  const naive = naiveRead(bytes);
  let file;
  try {
    file = await openSafetensors(path);
  } catch (error) {
    assert.ok(isTyped(error), String(error));
    return false;
  }
  try {
    assert.ok(naive !== null, 'opened, though the naive reader refuses it');
    assert.deepEqual(new Set(file.tensors.keys()), new Set(naive.keys()));
    for (const [name, tensor] of naive) {
      const stored = file.tensors.get(name);
      assert.deepEqual([stored?.dtype, stored?.shape, stored?.bytes], [tensor.dtype, tensor.shape, tensor.data.length]);
      const into: Float32Array = new Float32Array(stored?.elements ?? 0);
      if (['F32', 'F16', 'BF16'].includes(tensor.dtype)) {
        await file.read(name, into);
        assert.deepEqual(into, naiveValues(tensor));
      } else {
        await assert.rejects(file.read(name, into), (error) => isTyped(error) && error.message.includes(tensor.dtype));
      }
    }
  } finally {
    await file.close();
  }
  return true;
};

const data = Uint8Array.from({ length: 28 }, (_, i) => 3 * i);
const goodHeader = {
  __metadata__: { format: 'pt' },
  a: { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] },
  b: { dtype: 'BF16', shape: [3], data_offsets: [16, 22] },
  c: { dtype: 'F16', shape: [], data_offsets: [22, 24] },
  e: { dtype: 'F16', shape: [0, 3], data_offsets: [24, 24] },
  i: { dtype: 'I16', shape: [2, 1], data_offsets: [24, 28] },
};
const good = fileOf(JSON.stringify(goodHeader), data);

describe('damaged files', () => {
  test('the file that is damaged below opens when it is whole', async () => assert.ok(await opensOrRefuses(good)));

  test('cut anywhere, it is refused', async () => {
    for (let length = 0; length < good.length; length++) assert.equal(await opensOrRefuses(good.subarray(0, length)), false, `opened with ${length} bytes`);
  });

  test('with anything behind it, it is refused', () =>
    fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 20 }), async (tail) => assert.equal(await opensOrRefuses(Uint8Array.from([...good, ...tail])), false)), { seed: 411, numRuns: 30 }));

  test('with any bytes changed, it opens to what it then says or is refused', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(good.length - 1), fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('0123456789-.eE,:[]{}"\\ ')))), { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = good.slice();
        for (const [at, byte] of changes) bytes[at] = byte;
        await opensOrRefuses(bytes);
      }),
      { seed: 412, numRuns: 1500 },
    ));

  test('with header bytes taken out, put in or swapped, the same', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(300), fc.nat(8), fc.string({ maxLength: 8 }), fc.boolean(), async (at, out, put, honest) => {
        const text = JSON.stringify(goodHeader);
        const json = text.slice(0, at) + put + text.slice(at + out);
        await opensOrRefuses(fileOf(json, data, honest ? undefined : BigInt(text.length)));
      }),
      { seed: 413, numRuns: 500 },
    ));

  test('with lies in one tensor\'s description, the same', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom('a', 'b', 'c', 'e', 'i'),
        fc.constantFrom('dtype', 'shape', 'data_offsets'),
        fc.oneof(
          fc.constantFrom('F32', 'BF16', 'F16', 'I16', 'BOOL', 'F64', 'F33', 'toString', ''),
          fc.array(fc.oneof(fc.nat(30), fc.integer(), fc.constantFrom(2 ** 53, 2 ** 63, 1e300, 0.5, -0)), { maxLength: 3 }),
          fc.tuple(fc.nat(28), fc.nat(28)),
          fc.jsonValue(),
        ),
        async (name, key, lie) => {
          const header = { ...goodHeader, [name]: { ...goodHeader[name as 'a'], [key]: lie } };
          await opensOrRefuses(fileOf(JSON.stringify(header), data));
        },
      ),
      { seed: 414, numRuns: 1000 },
    ));
});

describe('what is wrong is named', () => {
  const tensor = (description: string): string => `{"w":${description}}`;
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['an empty file', new Uint8Array(), /length of the header \(got 0/],
    ['a header as long as an exabyte', fileOf('{}', data, 2n ** 63n), /longer than a header may be \(got 9223372036854775808, limit 100000000/],
    ['a header longer than the file', fileOf('{}', new Uint8Array(), 3n), /its length lies \(got 3, limit 2/],
    ['no header', fileOf('', new Uint8Array()), /does not begin with \{/],
    ['a header that is a list', fileOf('[]', new Uint8Array()), /does not begin with \{/],
    ['a header with a space in front', fileOf(' {}', new Uint8Array()), /does not begin with \{/],
    ['a header that is no JSON', fileOf('{"w":', new Uint8Array()), /not valid JSON/],
    ['a header that is no UTF-8', Uint8Array.from([4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0xff, 0x22]), /not valid UTF-8/],
    ['a tensor given twice', fileOf('{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0077":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', data.subarray(0, 1)), /key stands twice in one object \(got 'w'/],
    ['a key given twice', fileOf(tensor('{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}'), data.subarray(0, 1)), /twice in one object \(got 'dtype'/],
    ['an unknown dtype', fileOf(tensor('{"dtype":"F33","shape":[1],"data_offsets":[0,4]}'), data.subarray(0, 4)), /tensor 'w': unknown dtype \(got 'F33', limit 'BOOL/],
    ['a negative size', fileOf(tensor('{"dtype":"U8","shape":[-1,-1],"data_offsets":[0,1]}'), data.subarray(0, 1)), /tensor 'w': shape is no list of sizes \(got '\[-1,-1\]'/],
    ['half an element', fileOf(tensor('{"dtype":"F16","shape":[0.5],"data_offsets":[0,1]}'), data.subarray(0, 1)), /tensor 'w': shape is no list of sizes/],
    ['a shape that overflows', fileOf(tensor('{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}'), new Uint8Array()), /tensor 'w': shape overflows/],
    ['offsets that do not fit', fileOf(tensor('{"dtype":"F32","shape":[2],"data_offsets":[0,4]}'), data.subarray(0, 4)), /tensor 'w': data_offsets do not fit F32 of shape \[2\] \(got '\[0,4\]', limit '8 bytes'/],
    ['one offset', fileOf(tensor('{"dtype":"F32","shape":[0],"data_offsets":[0]}'), new Uint8Array()), /no pair of positions/],
    ['a gap in front', fileOf(tensor('{"dtype":"U8","shape":[1],"data_offsets":[1,2]}'), data.subarray(0, 2)), /tensor 'w': its data leaves a gap behind the tensor before it \(got 1, limit 0/],
    ['two tensors in one place', fileOf('{"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}', data.subarray(0, 3)), /tensor 'w': its data overlaps the tensor before it \(got 1, limit 2/],
    ['data outside the file', fileOf(tensor('{"dtype":"U8","shape":[9],"data_offsets":[0,9]}'), data.subarray(0, 8)), /tensor 'w': its data ends outside the file: truncated\? \(got 9, limit 8/],
    ['bytes left over', fileOf(tensor('{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'), data.subarray(0, 3)), /left over behind the last tensor \(got 3, limit 1/],
    ['metadata that is no text', fileOf('{"__metadata__":{"a":1}}', new Uint8Array()), /__metadata__ must map names to strings \(got 'a'/],
    ['an unknown key', fileOf(tensor('{"dtype":"U8","shape":[1],"data_offsets":[0,1],"layout":"F"}'), data.subarray(0, 1)), /tensor 'w': an unknown key \(got 'layout'/],
    ['a name over lines, without end', fileOf(`{"${'x\\n'.repeat(5000)}":1}`, new Uint8Array()), /tensor 'x\\nx\\n.*…': not described by an object/],
  ];
  for (const [what, bytes, words] of cases) {
    test(what, async () => {
      const path = join(root, 'named.safetensors');
      await writeFile(path, bytes);
      await assert.rejects(openSafetensors(path), (error) => {
        assert.ok(error instanceof CorruptFile && isTyped(error), String(error));
        assert.match(error.message, words);
        return true;
      });
    });
  }
});

describe('several files', () => {
  let count = 0;
  /** A folder with tensors a, b, c, each in a file of its own, and an index that `change` may spoil. */
  const checkpoint = async (change: (map: Record<string, unknown>) => unknown = (map) => ({ weight_map: map })): Promise<string> => {
    const folder = join(root, `several-${count++}`);
    await mkdir(folder);
    await writeSafetensors(join(folder, 'model.safetensors'), ['a', 'b', 'c'].map((name, i) => ({ name, shape: [1], data: Float32Array.of(i) })), { shardBytesMax: 4 });
    const file = (n: number): string => `model-0000${n}-of-00003.safetensors`;
    await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify(change({ a: file(1), b: file(2), c: file(3) })));
    return folder;
  };
  const refused = async (path: string, words: RegExp, kind: typeof CorruptFile | typeof InvalidConfig = CorruptFile): Promise<void> =>
    assert.rejects(openSafetensors(path), (error) => {
      assert.ok(error instanceof kind && isTyped(error), String(error));
      assert.match(error.message, words);
      return true;
    });

  test('open by folder, by index and one by one', async () => {
    const folder = await checkpoint();
    for (const path of [folder, join(folder, 'model.safetensors.index.json')]) {
      await using file = await openSafetensors(path);
      assert.deepEqual([...file.tensors].map(([name, t]) => [name, t.shard]), [['a', 'model-00001-of-00003.safetensors'], ['b', 'model-00002-of-00003.safetensors'], ['c', 'model-00003-of-00003.safetensors']]);
      const value = new Float32Array(1);
      await file.read('c', value);
      assert.equal(value[0], 2);
    }
    await using single = await openSafetensors(join(folder, 'model-00002-of-00003.safetensors'));
    assert.deepEqual([...single.tensors.keys()], ['b']);
  });

  test('an index that does not fit its files is refused', async () => {
    await refused(await checkpoint(({ a, b }) => ({ weight_map: { a, b, c: 'model-00004-of-00003.safetensors' } })), /model-00004-of-00003.safetensors: no such file/);
    await refused(await checkpoint((map) => ({ weight_map: { ...map, d: map['a'] } })), /tensor 'd': the index assigns it to this file, which does not hold it/);
    await refused(await checkpoint((map) => ({ weight_map: { ...map, a: map['b'], b: map['a'] } })), /tensor 'a': in this file, but the index assigns it to another/);
    const folder = await checkpoint((map) => ({ weight_map: map }));
    await writeSafetensors(join(folder, 'model-00001-of-00003.safetensors'), ['a', 'x'].map((name) => ({ name, shape: [1], data: new Float32Array(1) })));
    await refused(folder, /tensor 'x': in this file, but the index does not know it/);
  });

  test('an index that points elsewhere is refused before a file is opened', async () => {
    for (const name of ['../x.safetensors', '/etc/x', 'sub/x.safetensors', '..', '.', '', 'a\\b', 'C:x', 'a\0b', 3, null, ['x'], { toString: 'x' }]) {
      await refused(await checkpoint((map) => ({ weight_map: { ...map, b: name } })), /weight_map of tensor 'b': not the plain name/);
    }
  });

  test('an index that is none, names nothing or too much is refused', async () => {
    await refused(await checkpoint(() => []), /not a JSON object/);
    await refused(await checkpoint(() => ({})), /weight_map is missing/);
    await refused(await checkpoint(() => ({ weight_map: [] })), /weight_map is missing/);
    await refused(await checkpoint(() => ({ weight_map: {} })), /names no tensor/);
    await refused(await checkpoint(() => ({ weight_map: Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`t${i}`, `f${i}`])) })), /too many files \(got 513, limit 512/, InvalidConfig);
  });

  test('a folder with none, or with both, and paths to nothing', async () => {
    const empty = join(root, 'empty');
    await mkdir(empty);
    await refused(empty, /no model.safetensors and no model.safetensors.index.json/);
    const both = await checkpoint();
    await writeSafetensors(join(both, 'model.safetensors'), []);
    await refused(both, /both one whole file and the index/, InvalidConfig);
    await refused(join(root, 'nothing'), /no such file/);
    await symlink('loop.safetensors', join(root, 'loop.safetensors'));
    await refused(join(root, 'loop.safetensors'), /too many links/);
  });
});
