/**
 * First weights: each value of its own words of Philox, so that any range can be drawn alone (docs/numerics.md §8; the generator: util/prng.ts).
 *
 *   word(k) = Philox-2x32-10, counters (index ^ key1, k), key key0        uniform: k = 0; normal: the 24 high bits of 12 words, summed as integers
 *
 * Four indices are the lanes of a vector. The first round multiplies the index alone, so its product serves all twelve words; of the last round only the high
 * halves are kept. Sums stay below 2^28: they and what f64 makes of them are exact until the one product with bound or std.
 * Not here: the keys (util/prng.ts, streamKey), which parameter is drawn how (model/).
 */
import { f64x2, f32x4, i32, i32x4, i64x2, v128, type V128 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { positive } from './build.js';

type Lanes = Local<'v128'>;

const multiplier = 0xd2_56_d1_93 | 0;
const keyStep = 0x9e_37_79_b9 | 0;
const rounds = 10;
/** Uniform words in a normal value, and how many of them are drawn side by side: the products of one hide behind those of the others. */
const wordsOfNormal = 12, sideBySide = 4;
const unit = 2 ** -24;

const product = (f: FunctionBuilder, x: V128, factor: Lanes): { readonly low: Lanes; readonly high: Lanes } =>
  ({ low: f.v128('low pair', i64x2.extmul_low_i32x4_u(x, factor)), high: f.v128('high pair', i64x2.extmul_high_i32x4_u(x, factor)) });
const highHalves = ({ low, high }: { readonly low: V128; readonly high: V128 }): V128 => v128.shuffle32(low, high, [1, 3, 5, 7]);
const lowHalves = ({ low, high }: { readonly low: V128; readonly high: V128 }): V128 => v128.shuffle32(low, high, [0, 2, 4, 6]);

/** The words of four indices for each of the sub-counters, one vector a sub-counter. `after`: the first round's halves, without the sub-counter. */
const emitWords = (f: FunctionBuilder, after: { readonly x0: Lanes; readonly x1: Lanes }, subCounters: readonly number[], keys: readonly Lanes[], factor: Lanes): readonly Lanes[] => {
  const states = subCounters.map((k) => ({ x0: f.v128(`x0 of ${k}`, k === 0 ? after.x0 : v128.xor(after.x0, f.lanesI32(k))), x1: f.v128(`x1 of ${k}`, after.x1) }));
  for (let round = 1; round < rounds; round++) {
    for (const { x0, x1 } of states) {
      const pair = product(f, x0, factor);
      f.set(x0, v128.xor(v128.xor(highHalves(pair), keys[round]!), x1));
      if (round + 1 < rounds) f.set(x1, lowHalves(pair));
    }
  }
  return states.map(({ x0 }) => x0);
};

/** Each value: f32((sum of the words' 24 high bits · step − shift) · scale) in f64; all but the last product exact. */
const define = (m: ModuleBuilder, name: string, words: number, { step, shift }: { readonly step: number; readonly shift: number }): void => {
  m.function(name, { dst: 'i32', first: 'i32', count: 'i32', key0: 'i32', key1: 'i32', scale: 'f64' }, (f, p) => {
    const { dst, first, count, key0, key1 } = p;
    const keys = Array.from({ length: rounds }, (_, round) => f.v128(`key${round}`, i32x4.splat(i32.add(key0, Math.imul(keyStep, round)))));
    const fold = f.v128('fold', i32x4.splat(key1)), factor = f.lanesI32(multiplier);
    const scale = f.v128('scale lanes', f64x2.splat(p.scale));
    const stepLanes = f.v128('step', f64x2.const(step)), shiftLanes = f.v128('shift', f64x2.const(shift));
    const index = f.v128('index', i32x4.add(i32x4.lanes(0, 1, 2, 3), i32x4.splat(first)));
    const [sum, values] = [f.v128('sum'), f.v128('values')];
    const pair = (sum: V128): V128 => f32x4.demote_f64x2_zero(f64x2.mul(f64x2.sub(f64x2.mul(f64x2.convert_low_i32x4_s(sum), stepLanes), shiftLanes), scale));
    const draw = (): void => {
      const counter = product(f, v128.xor(index, fold), factor);
      const after = { x0: f.v128('after x0', v128.xor(highHalves(counter), keys[0]!)), x1: f.v128('after x1', lowHalves(counter)) };
      for (let k = 0; k < words; k += sideBySide) {
        const subCounters = Array.from({ length: Math.min(sideBySide, words - k) }, (_, at) => k + at);
        emitWords(f, after, subCounters, keys, factor).forEach((word, at) => {
          const bits = i32x4.shr_u(word, 8);
          f.set(sum, k + at === 0 ? bits : i32x4.add(sum, bits));
        });
      }
      f.set(values, v128.shuffle32(pair(sum), pair(v128.shuffle32(sum, sum, [2, 3, 2, 3])), [0, 1, 4, 5]));
      f.set(index, i32x4.add(index, f.lanesI32(4)));
    };
    f.while(i32.ge_s(count, 4), () => {
      draw();
      f.store(dst, values);
      f.advance(dst, 16);
      f.set(count, i32.sub(count, 4));
    });
    f.if(positive(count), () => {
      draw();
      f.doWhile(() => {
        f.storeLane(dst, values, 0);
        f.set(values, v128.shuffle32(values, values, [1, 2, 3, 3]));
        f.advance(dst, 4);
        f.set(count, i32.sub(count, 1));
      }, count);
    });
  });
};

export const defineInitial = (m: ModuleBuilder): void => {
  define(m, 'initUniform', 1, { step: 2 * unit, shift: 1 });
  define(m, 'initNormal', wordsOfNormal, { step: unit, shift: wordsOfNormal / 2 });
};
