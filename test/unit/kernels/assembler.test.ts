/**
 * The assembler: numbers encode as the format wants, small functions compute what they say, the kernels' modules are valid by two validators.
 *
 * Not here: what the kernels compute (test/laws/kernels.test.ts).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { signed, text, unsigned } from '../../../src/kernels/assembler/encode.js';
import { f32, f32x4, i32, i32x4, v128 } from '../../../src/kernels/assembler/expressions.js';
import { ModuleBuilder } from '../../../src/kernels/assembler/module.js';
import { buildModule } from '../../../src/kernels/wasm/module.js';
import { watOf } from './wat.js';

const seed = 20_261_124;

/** LEB128 decoded by its definition. */
const decode = (bytes: readonly number[], isSigned: boolean): number => {
  const value = bytes.reduce((sum, byte, i) => sum + BigInt(byte & 0x7f) * 2n ** BigInt(7 * i), 0n);
  const negative = isSigned && (bytes.at(-1)! & 0x40) !== 0;
  return Number(negative ? value - 2n ** BigInt(7 * bytes.length) : value);
};
const isLeb = (bytes: readonly number[]): boolean => bytes.every((byte, i) => byte < 256 && (byte >= 0x80) === i < bytes.length - 1);

test('LEB128 numbers decode to themselves', () => {
  const anInteger = fc.oneof(fc.integer(), fc.constantFrom(0, 63, 64, 127, 128, -1, -64, -65, 2 ** 31 - 1, -(2 ** 31)));
  fc.assert(
    fc.property(anInteger, (value) => {
      assert.ok(isLeb(signed(value)) && isLeb(unsigned(value)));
      assert.equal(decode(signed(value), true), value);
      assert.equal(decode(unsigned(value), false), value >>> 0);
    }),
    { seed, numRuns: 300 },
  );
});

test('names are their length in bytes and UTF-8', () => assert.deepEqual(text('aé'), [3, 97, 0xc3, 0xa9]));

const page = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
const instantiate = (m: ModuleBuilder, memory = page()): Record<string, (...args: number[]) => number> =>
  new WebAssembly.Instance(new WebAssembly.Module(m.bytes()), { env: { memory } }).exports as Record<string, (...args: number[]) => number>;

test('loops, branches and calls run as written', () => {
  const m = new ModuleBuilder();
  const square = m.function('square', { x: 'i32' }, (f, p) => f.result(i32.mul(p.x, p.x)), { export: false, result: 'i32' });
  m.function('sumOfSquares', { n: 'i32' }, (f, p) => {
    const [sum, i] = [f.i32('sum', 0), f.i32('i')];
    f.for(i, 0, p.n, 1, () => f.set(sum, i32.add(sum, f.callI32(square, i))));
    f.result(sum);
  }, { result: 'i32' });
  m.function('halvings', { n: 'i32' }, (f, p) => {
    const count = f.i32('count');
    f.whileTopTested(i32.gt_s(p.n, 1), () => {
      f.if(i32.and(p.n, 1), () => f.set(p.n, i32.sub(p.n, 1)), () => {
        f.set(p.n, i32.shr_u(p.n, 1));
        f.advance(count, 1);
      });
    });
    f.result(count);
  }, { result: 'i32' });
  const { sumOfSquares, halvings } = instantiate(m);
  assert.equal(sumOfSquares!(5), 30);
  assert.equal(sumOfSquares!(0), 0);
  assert.equal(halvings!(37), 5);
  assert.equal(halvings!(0), 0);
});

test('lanes load, shuffle, select and store', () => {
  const m = new ModuleBuilder();
  m.function('lanes', {}, (f) => {
    const a = f.v128('a', v128.load(0)), b = f.v128('b', v128.load(16));
    f.store(32, v128.shuffle32(a, b, [0, 4, 3, 7]));
    f.store(48, v128.bitselect(a, b, f32x4.lt(a, b)));
    f.store(64, f32x4.add(f.lanes(0.5), v128.load32_splat(4)));
    f.store(80, i32x4.shl(i32x4.lanes(1, 2, 3, 4), 2));
    f.storeLane(96, a, 2);
    f.storeF32(100, f32.sqrt(f32.load(12)));
  });
  const memory = page(), floats = new Float32Array(memory.buffer), words = new Int32Array(memory.buffer);
  floats.set([1, 2, 3, 16, 4, 1, 2, 50]);
  instantiate(m, memory)['lanes']!();
  assert.deepEqual(floats.slice(8, 20), Float32Array.of(1, 4, 16, 50, 1, 1, 2, 16, 2.5, 2.5, 2.5, 2.5));
  assert.deepEqual(words.slice(20, 24), Int32Array.of(4, 8, 12, 16));
  assert.deepEqual(floats.slice(24, 26), Float32Array.of(3, 4));
});

for (const width of ['128', '256'] as const) {
  test(`the ${width}-bit build is valid by the engine and by wabt, and imports the shared memory`, async () => {
    const bytes = buildModule({ width, names: true });
    assert.ok(WebAssembly.validate(bytes));
    const wat = await watOf(bytes);
    assert.match(wat, /\(import "env" "memory" \(memory \(;0;\) 0 65536 shared\)\)/);
    assert.match(wat, /\(export "gradientSegment"/);
    assert.match(wat, /local\.get \$sum0\.1/, 'locals keep their names in the dump');
    assert.doesNotMatch(wat, /relaxed|f32x4\.madd|fma/i, 'no fused operation');
  });
}

test('a salt changes the bytes and nothing that is computed', () => {
  const [plain, salted] = [buildModule({ width: '128' }), buildModule({ width: '128', salt: 'another' })];
  assert.notDeepEqual(plain, salted);
  // Up to the salt's own section (its id, its size, two short names) the rest is the same.
  assert.deepEqual(plain.slice(8 + 2 + 5 + 1), salted.slice(8 + 2 + 5 + 1 + 'another'.length));
});
