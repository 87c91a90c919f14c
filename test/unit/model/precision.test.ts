/** Precision as plain data: what it is unless given, and every way in which it is refused. Not here: what it does (test/laws/precision.test.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPrecision, fullPrecision, numberFormats, precision, type PrecisionOptions } from '../../../src/model/precision.js';
import { InvalidConfig } from '../../../src/util/errors.js';
import { firstScaling, LossScaler } from '../../../src/cluster/coordinator/loss-scaler.js';
import { scalingAfter, scalingBefore } from '../../../src/emulator/judged-scaling.js';

test('what is not given follows the type', () => {
  assert.deepEqual(precision({ weights: 'float32' }), fullPrecision);
  assert.deepEqual(precision({ weights: 'bfloat16' }), { weights: 'bfloat16', activations: 'float32', lossScale: { kind: 'none' }, stochasticRounding: false });
  assert.deepEqual(precision({ weights: 'float16' }).lossScale, { kind: 'dynamic', initial: 2 ** 15, max: 2 ** 15, min: 2 ** -14, growthInterval: 2000 });
  assert.deepEqual(precision({ weights: 'cbfloat16' }).lossScale, { kind: 'dynamic', initial: 2 ** 31, max: 2 ** 31, min: 2 ** -14, growthInterval: 2000 });
  assert.deepEqual(precision({ weights: 'bfloat16', lossScale: 'dynamic' }).lossScale, { kind: 'dynamic', initial: 2 ** 15, max: 2 ** 15, min: 2 ** -14, growthInterval: 2000 });
  assert.deepEqual(precision({ weights: 'float16', lossScale: { initial: 4, growthInterval: 3 } }).lossScale, { kind: 'dynamic', initial: 4, max: 2 ** 15, min: 2 ** -14, growthInterval: 3 });
  assert.deepEqual(precision({ weights: 'float16', lossScale: 0.25 }).lossScale, { kind: 'fixed', scale: 0.25 });
  assert.deepEqual(precision({ weights: 'float16', lossScale: 'none' }).lossScale, { kind: 'none' });
});

test('types fill their bytes', () => {
  for (const { exponentBits, mantissaBits, bytes } of Object.values(numberFormats)) assert.equal(1 + exponentBits + mantissaBits, 8 * bytes);
});

test('what makes no sense is refused by name', () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ weights: 'float8' }, /precision\.weights.*'float8'.*cbfloat16/],
    [{ weights: 'bfloat16', activations: 'float16' }, /precision\.activations.*'float16'.*float32 or bfloat16/],
    [{ weights: 'float32', activations: 'bfloat16' }, /precision\.activations/],
    [{ weights: 'float32', stochasticRounding: true }, /stochasticRounding/],
    [{ weights: 'bfloat16', stochasticRounding: 1 }, /stochasticRounding.*true or false/],
    [{ weights: 'float16', lossScale: 3 }, /precision\.lossScale.*3.*power of two/],
    [{ weights: 'float16', lossScale: 0 }, /power of two/],
    [{ weights: 'float16', lossScale: 2 ** 41 }, /power of two/],
    [{ weights: 'float16', lossScale: NaN }, /power of two/],
    [{ weights: 'float16', lossScale: 'always' }, /precision\.lossScale.*'always'/],
    [{ weights: 'float16', lossScale: { initial: 2 ** 16 } }, /initial.*65536.*32768/],
    [{ weights: 'float16', lossScale: { initial: 2 ** -15 } }, /initial/],
    [{ weights: 'float16', lossScale: { growthInterval: 0 } }, /growthInterval/],
    [{ weights: 'float16', lossScale: { min: 5 } }, /min.*5.*power of two/],
  ];
  for (const [options, says] of cases) assert.throws(() => precision(options as PrecisionOptions), (error) => error instanceof InvalidConfig && says.test(error.message), JSON.stringify(options));
  assert.throws(() => checkPrecision({ ...fullPrecision, lossScale: { kind: 'sometimes' } as never }), InvalidConfig);
});

test('the scale of a run follows its rules, as the verdict follows them, also when steps are done again', () => {
  for (const lossScale of [{ initial: 2 ** 5, max: 2 ** 6, min: 2 ** -3, growthInterval: 3 }, 'dynamic', 2 ** 7] as const) {
    const rules = precision({ weights: 'float16', lossScale }), scaler = new LossScaler(rules.lossScale, firstScaling(rules.lossScale), 0);
    let state = scalingBefore(rules);
    assert.ok(state !== null);
    const verdicts = [true, true, true, true, false, false, true, false, true, true, true, true, true, true];
    verdicts.forEach((isFinite, step) => {
      assert.deepEqual(scaler.before(step), state);
      for (let again = 0; again < 2; again++) scaler.settle(step, isFinite);
      assert.equal(scaler.skipped(step), !isFinite);
      state = scalingAfter(rules.lossScale, state as NonNullable<typeof state>, isFinite);
    });
    assert.deepEqual(scaler.before(verdicts.length), state);
    assert.deepEqual([state.updates, state.skipped], [11, 3]);
    scaler.forgetBefore(verdicts.length);
    assert.throws(() => scaler.before(0));
  }
});
