/**
 * Updates of RMSprop, Lion, Lamb and Adafactor over contiguous ranges of any count (docs/numerics.md §6).
 *
 *   one sweep    rmsProp, lion                                       w, g, moments ─▶ wNext, moments
 *   two sweeps   lambDirection ─sums of squares─▶ lambStep           moments, then wNext
 *   Adafactor    squaredMoment, overRoot (vectors) or overFactors (matrices) ─▶ u ─sums of squares─▶ directedStep, directedMomentumStep
 *
 * Each combination of flags that differs has a loop of its own. Not here: SGD, Adam, AdamW (optimizers.ts), the sums (squares.ts), the scalars (memoryx/).
 */
import { f32, f32x4, i32, v128, type V128 } from '../assembler/expressions.js';
import type { ModuleBuilder } from '../assembler/module.js';
import { overFloats, positive } from './build.js';
import { onFlags, spread } from './optimizers.js';

const { add, sub, mul, div, sqrt } = f32x4;

export const defineAdaptiveOptimizers = (m: ModuleBuilder): void => {
  m.function('rmsProp', {
    wNext: 'i32', w: 'i32', g: 'i32', v: 'i32', a: 'i32', b: 'i32', count: 'i32', lr: 'f32', alpha: 'f32', oneMinusAlpha: 'f32', epsilon: 'f32', momentum: 'f32', weightDecay: 'f32', flags: 'i32',
  }, (f, p) => {
    const lr = spread(f, 'lr', p.lr), alpha = spread(f, 'alpha', p.alpha), fresh = spread(f, 'oneMinusAlpha', p.oneMinusAlpha);
    const epsilon = spread(f, 'epsilon', p.epsilon), momentum = spread(f, 'momentum', p.momentum), decay = spread(f, 'weightDecay', p.weightDecay);
    const [w, g, v, a, b] = [f.v128('w'), f.v128('g'), f.v128('v'), f.v128('a'), f.v128('b')];
    onFlags(f, p.flags, 1 | 2 | 4, [0, 1, 2, 3, 4, 5, 6, 7], (kind) => {
      const [decays, hasMomentum, isCentered] = [1, 2, 4].map((bit) => (kind & bit) !== 0);
      overFloats(f, [p.wNext, p.w, p.g, p.v, ...(isCentered === true ? [p.a] : []), ...(hasMomentum === true ? [p.b] : [])], p.count, (load, store) => {
        f.set(w, load(p.w));
        f.set(g, load(p.g));
        if (decays === true) f.set(g, add(g, mul(decay, w)));
        f.set(v, add(mul(alpha, load(p.v)), mul(mul(fresh, g), g)));
        store(p.v, v);
        let variance: V128 = v;
        if (isCentered === true) {
          f.set(a, add(mul(alpha, load(p.a)), mul(fresh, g)));
          store(p.a, a);
          variance = f32x4.max(sub(v, mul(a, a)), v128.zero());
        }
        f.set(b, div(g, add(sqrt(variance), epsilon)));
        if (hasMomentum === true) {
          f.set(b, add(mul(momentum, load(p.b)), b));
          store(p.b, b);
        }
        store(p.wNext, sub(w, mul(lr, b)));
      });
    });
  });

  m.function('lion', {
    wNext: 'i32', w: 'i32', g: 'i32', m: 'i32', count: 'i32', lr: 'f32', beta1: 'f32', oneMinusBeta1: 'f32', beta2: 'f32', oneMinusBeta2: 'f32', decay: 'f32',
  }, (f, p) => {
    const lr = spread(f, 'lr', p.lr), decay = spread(f, 'decay', p.decay);
    const beta1 = spread(f, 'beta1', p.beta1), fresh1 = spread(f, 'oneMinusBeta1', p.oneMinusBeta1), beta2 = spread(f, 'beta2', p.beta2), fresh2 = spread(f, 'oneMinusBeta2', p.oneMinusBeta2);
    const zero = f.lanes(0), one = f.lanes(1), minus = f.lanes(-1);
    const [g, old, c] = [f.v128('g'), f.v128('m'), f.v128('c')];
    overFloats(f, [p.wNext, p.w, p.g, p.m], p.count, (load, store) => {
      f.set(g, load(p.g));
      f.set(old, load(p.m));
      f.set(c, add(mul(beta1, old), mul(fresh1, g)));
      store(p.m, add(mul(beta2, old), mul(fresh2, g)));
      // ±0 and NaN stay as they are.
      f.set(c, v128.bitselect(one, c, f32x4.gt(c, zero)));
      f.set(c, v128.bitselect(minus, c, f32x4.lt(c, zero)));
      store(p.wNext, sub(mul(load(p.w), decay), mul(lr, c)));
    });
  });

  defineLamb(m);
  defineAdafactor(m);
};

const defineLamb = (m: ModuleBuilder): void => {
  m.function('lambDirection', {
    u: 'i32', w: 'i32', g: 'i32', m: 'i32', v: 'i32', count: 'i32', beta1: 'f32', oneMinusBeta1: 'f32', beta2: 'f32', oneMinusBeta2: 'f32',
    epsilon: 'f32', kappa: 'f32', rootBias2: 'f32', weightDecay: 'f32',
  }, (f, p) => {
    const beta1 = spread(f, 'beta1', p.beta1), fresh1 = spread(f, 'oneMinusBeta1', p.oneMinusBeta1), beta2 = spread(f, 'beta2', p.beta2), fresh2 = spread(f, 'oneMinusBeta2', p.oneMinusBeta2);
    const epsilon = spread(f, 'epsilon', p.epsilon), kappa = spread(f, 'kappa', p.kappa), rootBias2 = spread(f, 'rootBias2', p.rootBias2), decay = spread(f, 'weightDecay', p.weightDecay);
    const [g, m1, v1] = [f.v128('g'), f.v128('m'), f.v128('v')];
    overFloats(f, [p.u, p.w, p.g, p.m, p.v], p.count, (load, store) => {
      f.set(g, load(p.g));
      f.set(m1, add(mul(beta1, load(p.m)), mul(fresh1, g)));
      f.set(v1, add(mul(beta2, load(p.v)), mul(mul(fresh2, g), g)));
      store(p.m, m1);
      store(p.v, v1);
      store(p.u, add(mul(kappa, div(m1, add(div(sqrt(v1), rootBias2), epsilon))), mul(decay, load(p.w))));
    });
  });

  m.function('lambStep', {
    wNext: 'i32', w: 'i32', m: 'i32', v: 'i32', count: 'i32', epsilon: 'f32', kappa: 'f32', rootBias2: 'f32', weightDecay: 'f32', factor: 'f32',
  }, (f, p) => {
    const epsilon = spread(f, 'epsilon', p.epsilon), kappa = spread(f, 'kappa', p.kappa), rootBias2 = spread(f, 'rootBias2', p.rootBias2);
    const decay = spread(f, 'weightDecay', p.weightDecay), factor = spread(f, 'factor', p.factor);
    const w = f.v128('w');
    overFloats(f, [p.wNext, p.w, p.m, p.v], p.count, (load, store) => {
      f.set(w, load(p.w));
      store(p.wNext, sub(w, mul(factor, add(mul(kappa, div(load(p.m), add(div(sqrt(load(p.v)), rootBias2), epsilon))), mul(decay, w)))));
    });
  });
};

const defineAdafactor = (m: ModuleBuilder): void => {
  m.function('squaredMoment', { v: 'i32', g: 'i32', count: 'i32', beta: 'f32', oneMinusBeta: 'f32', epsilon: 'f32' }, (f, p) => {
    const beta = spread(f, 'beta', p.beta), fresh = spread(f, 'oneMinusBeta', p.oneMinusBeta), epsilon = spread(f, 'epsilon', p.epsilon), g = f.v128('g');
    overFloats(f, [p.v, p.g], p.count, (load, store) => {
      f.set(g, load(p.g));
      store(p.v, add(mul(beta, load(p.v)), mul(fresh, add(mul(g, g), epsilon))));
    });
  });

  m.function('overRoot', { u: 'i32', g: 'i32', v: 'i32', count: 'i32' }, (f, p) => {
    overFloats(f, [p.u, p.g, p.v], p.count, (load, store) => store(p.u, div(load(p.g), sqrt(load(p.v)))));
  });

  m.function('overFactors', { u: 'i32', g: 'i32', r: 'i32', c: 'i32', first: 'i32', cols: 'i32', count: 'i32', mean: 'f32' }, (f, p) => {
    const [row, here, floats] = [f.v128('row'), f.i32('here'), f.i32('floats')];
    f.while(positive(p.count), () => {
      f.set(row, f32x4.splat(f32.div(f32.const(1), f32.sqrt(f32.div(f32.load(p.r), p.mean)))));
      f.set(here, i32.add(p.c, i32.shl(p.first, 2)));
      f.set(floats, i32.min_s(p.count, i32.sub(p.cols, p.first)));
      f.set(p.count, i32.sub(p.count, floats));
      overFloats(f, [p.u, p.g, here], floats, (load, store) => store(p.u, mul(mul(row, load(here)), load(p.g))));
      f.advance(p.r, 4);
      f.set(p.first, i32.const(0));
    });
  });

  m.function('directedStep', { wNext: 'i32', w: 'i32', u: 'i32', count: 'i32', factor: 'f32', decay: 'f32' }, (f, p) => {
    const factor = spread(f, 'factor', p.factor), decay = spread(f, 'decay', p.decay);
    overFloats(f, [p.wNext, p.w, p.u], p.count, (load, store) => store(p.wNext, sub(mul(load(p.w), decay), mul(factor, load(p.u)))));
  });

  m.function('directedMomentumStep', { wNext: 'i32', w: 'i32', u: 'i32', m: 'i32', count: 'i32', factor: 'f32', decay: 'f32', beta1: 'f32', oneMinusBeta1: 'f32' }, (f, p) => {
    const factor = spread(f, 'factor', p.factor), decay = spread(f, 'decay', p.decay), beta1 = spread(f, 'beta1', p.beta1), fresh1 = spread(f, 'oneMinusBeta1', p.oneMinusBeta1);
    const m1 = f.v128('m');
    overFloats(f, [p.wNext, p.w, p.u, p.m], p.count, (load, store) => {
      f.set(m1, add(mul(beta1, load(p.m)), mul(fresh1, mul(factor, load(p.u)))));
      store(p.m, m1);
      store(p.wNext, sub(mul(load(p.w), decay), m1));
    });
  });
};
