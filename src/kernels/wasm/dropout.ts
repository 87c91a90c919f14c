/**
 * Dropout on one panel: each element is kept or not by a word of its own (docs/numerics.md §3; the generator: util/prng.ts).
 *
 *   word = Philox-2x32-10, counters (feature ^ key1, token), key key0        kept where word ≥ threshold: x · scale, else +0
 *
 * A round multiplies four words to 64 bits as two pairs and parts the halves again. The keys of the ten rounds are the same for all elements.
 * Not here: the keys (util/prng.ts, streamKey), the threshold (docs/numerics.md §3).
 */
import { f32x4, i32, i32x4, i64x2, v128, type I32 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { panelRowBytes } from '../types.js';
import { positive } from './build.js';

type Lanes = Local<'v128'>;

const multiplier = 0xd2_56_d1_93 | 0;
const keyStep = 0x9e_37_79_b9 | 0;
const rounds = 10;

/** The keys of the rounds, from the first. */
export const roundKeys = (f: FunctionBuilder, key0: I32): readonly Lanes[] => Array.from({ length: rounds }, (_, round) => f.v128(`key${round}`, i32x4.splat(i32.add(key0, Math.imul(keyStep, round)))));

/** Rounds on several vectors of counters side by side; afterwards x0 is the word. */
export const philox = (f: FunctionBuilder, counters: readonly { readonly x0: Lanes; readonly x1: Lanes }[], keys: readonly Lanes[]): void => {
  const factor = f.lanesI32(multiplier);
  for (const key of keys) {
    for (const { x0, x1 } of counters) {
      const low = f.v128('low pair', i64x2.extmul_low_i32x4_u(x0, factor)), high = f.v128('high pair', i64x2.extmul_high_i32x4_u(x0, factor));
      f.set(x0, v128.xor(v128.xor(v128.shuffle32(low, high, [1, 3, 5, 7]), key), x1));
      f.set(x1, v128.shuffle32(low, high, [0, 2, 4, 6]));
    }
  }
};

export const defineDropout = (m: ModuleBuilder): void => {
  m.function('dropout', {
    dst: 'i32', src: 'i32', features: 'i32', firstFeature: 'i32', firstToken: 'i32', key0: 'i32', key1: 'i32', threshold: 'i32', scale: 'f32',
  }, (f, p) => {
    const keys = roundKeys(f, p.key0);
    const threshold = f.v128('threshold lanes', i32x4.splat(p.threshold)), scale = f.v128('scale lanes', f32x4.splat(p.scale));
    const firstTokens = f.v128('firstTokens', i32x4.add(i32x4.lanes(0, 1, 2, 3), i32x4.splat(p.firstToken)));
    const counters = [0, 16].map((at) => ({ at, x0: f.v128(`x0 at ${at}`), x1: f.v128(`x1 at ${at}`) }));
    const [feature, end, tokens] = [f.v128('feature'), f.i32('end'), f.v128('tokens')];
    f.while(positive(p.features), () => {
      f.set(feature, i32x4.splat(i32.xor(p.firstFeature, p.key1)));
      f.set(tokens, firstTokens);
      f.set(end, i32.add(p.src, panelRowBytes));
      f.doWhile(() => {
        for (const { at, x0, x1 } of counters) {
          f.set(x0, feature);
          f.set(x1, i32x4.add(tokens, f.lanesI32(at / 4)));
        }
        philox(f, counters, keys);
        const values = counters.map(({ at, x0 }) => f.v128('value', v128.and(f32x4.mul(v128.load(p.src, at), scale), i32x4.ge_u(x0, threshold))));
        counters.forEach(({ at }, half) => f.store(p.dst, values[half]!, at));
        f.set(tokens, i32x4.add(tokens, f.lanesI32(8)));
        f.advance(p.src, 32);
        f.advance(p.dst, 32);
      }, i32.ne(p.src, end));
      f.advance(p.firstFeature, 1);
      f.set(p.features, i32.sub(p.features, 1));
    });
  });
};
