/** IDX: what is written is read back; every damage is a CorruptFile, never a wrong array, never another error. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { findIdxPair, parseIdx, readIdx, readIdxPair } from '../../../src/formats/idx.js';
import { CorruptFile, InvalidConfig, WaferstreamError } from '../../../src/util/errors.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-idx-'));
});
after(() => rm(root, { recursive: true }));

const types = {
  u8: { code: 0x08, size: 1, value: fc.integer({ min: 0, max: 255 }), set: 'setUint8' },
  i8: { code: 0x09, size: 1, value: fc.integer({ min: -128, max: 127 }), set: 'setInt8' },
  i16: { code: 0x0b, size: 2, value: fc.integer({ min: -32768, max: 32767 }), set: 'setInt16' },
  i32: { code: 0x0c, size: 4, value: fc.integer(), set: 'setInt32' },
  f32: { code: 0x0d, size: 4, value: fc.float(), set: 'setFloat32' },
  f64: { code: 0x0e, size: 8, value: fc.double(), set: 'setFloat64' },
} as const;
type Type = keyof typeof types;

const write = (type: Type, shape: readonly number[], values: readonly number[]): Uint8Array => {
  const { code, size, set } = types[type];
  const bytes = new Uint8Array(4 + 4 * shape.length + values.length * size);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, code, shape.length]);
  for (const [i, n] of shape.entries()) view.setUint32(4 + 4 * i, n);
  for (const [i, value] of values.entries()) view[set](4 + 4 * shape.length + i * size, value);
  return bytes;
};
const anIdx = fc
  .tuple(fc.constantFrom(...(Object.keys(types) as Type[])), fc.array(fc.nat(4), { minLength: 1, maxLength: 4 }))
  .chain(([type, shape]) => {
    const length = shape.reduce((a, b) => a * b, 1);
    return fc.record({ type: fc.constant(type), shape: fc.constant(shape), values: fc.array<number>(types[type].value, { minLength: length, maxLength: length }) });
  });

describe('parseIdx', () => {
  test('reads back what is written, for every type and shape, at any offset of a buffer', () =>
    fc.assert(
      fc.property(anIdx, fc.nat(7), ({ type, shape, values }, offset) => {
        const bytes = write(type, shape, values);
        const buffer = new Uint8Array(bytes.length + offset);
        buffer.set(bytes, offset);
        const read = parseIdx(buffer.subarray(offset));
        assert.equal(read.dtype, type);
        assert.deepEqual(read.shape, shape);
        assert.deepEqual([...read.data], values);
      }),
      { seed: 21, numRuns: 300 },
    ));

  test('cut anywhere, or with anything behind it, it is a CorruptFile that tells the bytes there and the bytes needed', () =>
    fc.assert(
      fc.property(anIdx, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 9 }), ({ type, shape, values }, cut, more) => {
        const bytes = write(type, shape, values);
        const short = bytes.subarray(0, cut % bytes.length);
        assert.throws(() => parseIdx(short, 'file'), (error) => error instanceof CorruptFile && error.details.value === short.length && error.message.startsWith('file: '));
        assert.throws(() => parseIdx(Buffer.concat([bytes, more]), 'file'), (error) => error instanceof CorruptFile && error.details.limit === bytes.length);
      }),
      { seed: 22, numRuns: 300 },
    ));

  test('any damage gives a CorruptFile or an array of the size that the header promises; huge sizes allocate nothing', () =>
    fc.assert(
      fc.property(anIdx, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }), ({ type, shape, values }, damage) => {
        const bytes = write(type, shape, values);
        for (const [at, value] of damage) bytes[at % bytes.length] = value;
        try {
          const read = parseIdx(bytes);
          assert.equal(read.data.length, read.shape.reduce((a, b) => a * b, 1));
          assert.deepEqual([bytes[0], bytes[1]], [0, 0]);
        } catch (error) {
          assert.ok(error instanceof CorruptFile, String(error));
        }
      }),
      { seed: 23, numRuns: 500 },
    ));

  test('lying sizes, wrong magic numbers and no dimensions are refused', () => {
    const huge = new Uint8Array(4 + 4 * 255).fill(0xff);
    huge.set([0, 0, 8, 255]);
    for (const bytes of [huge, write('u8', [2 ** 32 - 1, 2 ** 32 - 1], []), write('u8', [], []), Uint8Array.of(0, 0, 8, 0, 1), Uint8Array.of(1, 0, 8, 1, 0, 0, 0, 0), Uint8Array.of(0, 0, 10, 1, 0, 0, 0, 0), new Uint8Array()]) {
      assert.throws(() => parseIdx(bytes), CorruptFile);
    }
    assert.throws(() => parseIdx(Buffer.from('<html>')), /3c 68 74 6d/);
  });
});

describe('readIdx', () => {
  test('reads bytes, files and packed files alike, and refuses damaged packing', async () => {
    const bytes = write('i16', [2, 2], [1, -2, 3, -4]);
    await writeFile(join(root, 'plain'), bytes);
    await writeFile(join(root, 'packed.gz'), gzipSync(bytes));
    const expected = parseIdx(bytes);
    for (const source of [bytes, join(root, 'plain'), join(root, 'packed.gz')]) assert.deepEqual(await readIdx(source), expected);
    const packed = gzipSync(bytes);
    for (const damaged of [bytes, packed.subarray(0, packed.length - 3), new Uint8Array()]) {
      await writeFile(join(root, 'damaged.gz'), damaged);
      await assert.rejects(readIdx(join(root, 'damaged.gz')), (error: Error) => error instanceof CorruptFile && error.message.includes('damaged.gz'));
    }
    await assert.rejects(readIdx(join(root, 'none')), CorruptFile);
    await assert.rejects(readIdx(root), CorruptFile);
  });
});

const pair = async (name: string, images: Uint8Array, labels: Uint8Array, end = ''): Promise<string> => {
  const folder = join(root, name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `train-images-idx3-ubyte${end}`), end === '' ? images : gzipSync(images));
  await writeFile(join(folder, `train-labels-idx1-ubyte${end}`), end === '' ? labels : gzipSync(labels));
  return folder;
};
const readPair = async (name: string, a: Uint8Array, b: Uint8Array): Promise<unknown> => {
  const { images: i, labels: l } = await findIdxPair(await pair(name, a, b));
  return readIdxPair(i, l);
};

describe('training pairs', () => {
  const images = write('u8', [2, 2, 2], [0, 1, 2, 51, 128, 254, 255, 85]);
  const labels = write('u8', [2], [7, 3]);

  test('are found in a folder, and pixels become f32(value / 255)', async () => {
    for (const end of ['', '.gz']) {
      const found = await findIdxPair(await pair(`good${end}`, images, labels, end));
      const data = await readIdxPair(found.images, found.labels);
      assert.deepEqual([...data.labels], [7, 3]);
      assert.deepEqual([...data.inputs], [0, 1, 2, 51, 128, 254, 255, 85].map((v) => Math.fround(v / 255)));
    }
  });

  test('that do not belong together are refused', async () => {
    await assert.rejects(readPair('count', images, write('u8', [3], [1, 2, 3])), CorruptFile);
    await assert.rejects(readPair('exchanged', labels, images), InvalidConfig);
    await assert.rejects(readPair('float', images, write('f32', [2], [1, 2])), InvalidConfig);
    await assert.rejects(readPair('none', write('u8', [0, 2, 2], []), write('u8', [0], [])), InvalidConfig);
    await assert.rejects(findIdxPair(root), (error: Error) => error instanceof CorruptFile && error.message.includes('train-images-idx3-ubyte'));
    await assert.rejects(findIdxPair(join(root, 'count', 'train-images-idx3-ubyte')), WaferstreamError);
    await assert.rejects(findIdxPair(join(root, 'nowhere')), CorruptFile);
  });
});
