/**
 * Additions and optimizer updates over contiguous ranges of any count (docs/numerics.md §6).
 *
 *   sgd    w, g, v     ─▶ wNext, v        flags: 1 weight decay, 2 momentum, 4 first step, 8 nesterov
 *   adam   w, g, m, v  ─▶ wNext, m, v     flags: 1 weight decay as L2, 2 decoupled decay
 *
 * Each combination of flags that differs has a loop of its own, so that no loop asks. Not here: RMSprop, Lion, Lamb, Adafactor
 * (optimizers-adaptive.ts), the scalars (model/schedule, memoryx/).
 */
import { f32x4, i32, type F32 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { overFloats } from './build.js';

const { add, sub, mul, div, sqrt } = f32x4;

/** A scalar in all lanes, as a local. */
export const spread = (f: FunctionBuilder, name: string, value: F32): Local<'v128'> => f.v128(`${name} lanes`, f32x4.splat(value));

/** Emits `body` once for each case, behind `(flags & mask) = value`. */
export const onFlags = (f: FunctionBuilder, flags: Local<'i32'>, mask: number, values: readonly number[], body: (value: number) => void): void => {
  for (const value of values) f.if(i32.eq(i32.and(flags, mask), value), () => body(value));
};

export const defineOptimizers = (m: ModuleBuilder): void => {
  m.function('add', { dst: 'i32', a: 'i32', b: 'i32', count: 'i32' }, (f, p) => {
    overFloats(f, [p.dst, p.a, p.b], p.count, (load, store) => store(p.dst, add(load(p.a), load(p.b))));
  });

  m.function('sgd', {
    wNext: 'i32', w: 'i32', g: 'i32', v: 'i32', count: 'i32', lr: 'f32', momentum: 'f32', oneMinusDampening: 'f32', weightDecay: 'f32', flags: 'i32',
  }, (f, p) => {
    const lr = spread(f, 'lr', p.lr), momentum = spread(f, 'momentum', p.momentum);
    const fresh = spread(f, 'oneMinusDampening', p.oneMinusDampening), decay = spread(f, 'weightDecay', p.weightDecay);
    const [w, g, v, d] = [f.v128('w'), f.v128('g'), f.v128('v'), f.v128('d')];
    onFlags(f, p.flags, 1, [0, 1], (decayed) => {
      const gradient = (load: (pointer: Local<'i32'>) => Local<'v128'> | ReturnType<typeof add>): void => {
        f.set(w, load(p.w));
        f.set(g, load(p.g));
        if (decayed === 1) f.set(g, add(g, mul(decay, w)));
      };
      f.if(i32.eqz(i32.and(p.flags, 2)), () =>
        overFloats(f, [p.wNext, p.w, p.g], p.count, (load, store) => {
          gradient(load);
          store(p.wNext, sub(w, mul(lr, g)));
        }));
      onFlags(f, p.flags, 2 | 4 | 8, [2, 2 | 4, 2 | 8, 2 | 4 | 8], (kind) =>
        overFloats(f, [p.wNext, p.w, p.g, p.v], p.count, (load, store) => {
          gradient(load);
          f.set(v, (kind & 4) === 0 ? add(mul(momentum, load(p.v)), mul(fresh, g)) : g);
          store(p.v, v);
          f.set(d, (kind & 8) === 0 ? v : add(g, mul(momentum, v)));
          store(p.wNext, sub(w, mul(lr, d)));
        }));
    });
  });

  m.function('adam', {
    wNext: 'i32', w: 'i32', g: 'i32', m: 'i32', v: 'i32', count: 'i32', beta1: 'f32', oneMinusBeta1: 'f32', beta2: 'f32', oneMinusBeta2: 'f32',
    epsilon: 'f32', stepSize: 'f32', rootBias2: 'f32', weightDecay: 'f32', decay: 'f32', flags: 'i32',
  }, (f, p) => {
    const beta1 = spread(f, 'beta1', p.beta1), fresh1 = spread(f, 'oneMinusBeta1', p.oneMinusBeta1);
    const beta2 = spread(f, 'beta2', p.beta2), fresh2 = spread(f, 'oneMinusBeta2', p.oneMinusBeta2);
    const epsilon = spread(f, 'epsilon', p.epsilon), stepSize = spread(f, 'stepSize', p.stepSize), rootBias2 = spread(f, 'rootBias2', p.rootBias2);
    const weightDecay = spread(f, 'weightDecay', p.weightDecay), decay = spread(f, 'decay', p.decay);
    const [w, g, m1, v1] = [f.v128('w'), f.v128('g'), f.v128('m'), f.v128('v')];
    onFlags(f, p.flags, 1 | 2, [0, 1, 2, 3], (kind) =>
      overFloats(f, [p.wNext, p.w, p.g, p.m, p.v], p.count, (load, store) => {
        f.set(w, load(p.w));
        f.set(g, load(p.g));
        if ((kind & 1) !== 0) f.set(g, add(g, mul(weightDecay, w)));
        f.set(m1, add(mul(beta1, load(p.m)), mul(fresh1, g)));
        f.set(v1, add(mul(beta2, load(p.v)), mul(mul(fresh2, g), g)));
        store(p.m, m1);
        store(p.v, v1);
        const step = mul(stepSize, div(m1, add(div(sqrt(v1), rootBias2), epsilon)));
        store(p.wNext, sub((kind & 2) === 0 ? w : mul(w, decay), step));
      }));
  });
};
