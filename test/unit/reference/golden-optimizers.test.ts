/** The oracle's optimizers over eight steps against PyTorch in float64 (RMSprop, SGD, Adam, AdamW) and against plain lines of numpy (Lion, Lamb, Adafactor): test/golden/make_optimizers.py. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { momentNames, momentSizes } from '../../../src/model/moments.js';
import { adafactor, adam, adamW, lamb, lion, rmsProp, sgd, type Optimizer } from '../../../src/model/optimizer.js';
import { referenceUpdate } from '../../../src/reference/update.js';
import { projectRoot } from '../../support/golden.js';

interface Golden {
  readonly tensors: readonly { readonly shape: readonly number[]; readonly start: readonly number[]; readonly gradients: readonly (readonly number[])[] }[];
  readonly runs: readonly { readonly optimizer: { readonly kind: Optimizer['kind']; readonly learningRate?: number }; readonly ends: readonly { readonly weight: readonly number[]; readonly moments: readonly (readonly number[])[] }[] }[];
}
const golden = JSON.parse(readFileSync(join(projectRoot(), 'test/golden/optimizers.json'), 'utf8')) as Golden;

const make = ({ kind, ...options }: Golden['runs'][number]['optimizer']): Optimizer =>
  kind === 'sgd' ? sgd({ learningRate: 0, ...options }) : { adam, adamW, lamb, lion, rmsProp, adafactor }[kind](options);

for (const [number, { optimizer: described, ends }] of golden.runs.entries()) {
  test(`run ${number}, ${JSON.stringify(described)}`, () => {
    const optimizer = make(described);
    for (const [i, { shape, start, gradients }] of golden.tensors.entries()) {
      const names = ['weight', ...momentNames(optimizer, { shape })], end = ends[i];
      let weight = Float64Array.from(Float32Array.from(start)), moments = momentSizes(optimizer, { shape }).map((size) => new Float64Array(size));
      for (const [step, gradient] of gradients.entries()) {
        const next = referenceUpdate(optimizer, step, { weight, moments, shape }, Float32Array.from(gradient));
        [weight, moments] = [next.weight.value as Float64Array<ArrayBuffer>, next.moments.map(({ value }) => value as Float64Array<ArrayBuffer>)];
      }
      const expected = [end?.weight ?? [], ...(end?.moments ?? [])];
      assert.equal(expected.length, names.length);
      for (const [t, values] of [weight, ...moments].entries()) {
        const wanted = expected[t] ?? [];
        assert.equal(wanted.length, values.length);
        // Both are f64, some hundred roundings from each other.
        values.forEach((value, k) => assert.ok(Math.abs(value - (wanted[k] ?? NaN)) <= 1e-12 * Math.max(1e-20, Math.abs(value)) + 1e-14, `${names[t]} of [${shape.join(', ')}] at ${k}: ${value}, golden ${wanted[k]}`));
      }
    }
  });
}
