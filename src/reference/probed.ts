/**
 * Bounds through deep models, by probes: how far the roundings of all layers before can move a value, measured instead of added up at their worst.
 *
 *   the step in f64, worst-case bounds          one run
 *   probes: every layer's output and delta is displaced at random, its own bound in the root mean square, and read so by those behind
 *   bound = the value's own worst case given exact inputs + factor · spread of the probes        (never above the worst case of the whole)
 *
 * This is stochastic arithmetic (Parker, "Monte Carlo arithmetic", 1997; Vignes' CESTAC) with displacements that are larger than roundings: a sum of n terms
 * errs by some √n roundings, its bound is n of them and more. Worst cases grow by the absolute row sums of every matrix on the way, some √width each; twice
 * a dozen of those leave nothing to compare with. What one layer does, given the machine's own bits before it, is judged strictly by anchors (step.ts).
 * ReLU turns over where a probe may not look: models that have it keep their worst cases. Not here: any kernel's code.
 */
import type { Model } from '../model/graph.js';
import { purposes, streamKey, streamWord } from '../util/prng.js';
import { type Bounded, exact, type Values } from './bounded.js';
import { asMade, checkBatch, f64, type Settle } from './forward.js';
import { boundaryOf, type Boundary } from './narrow.js';
import { type ReferenceBatch, type ReferenceStep, stepWith } from './step.js';

export interface Probing {
  /** Displaced runs; 4 unless given. */
  readonly probes?: number;
  /** Times the root mean square of the probes' displacements; 8 unless given. */
  readonly factor?: number;
  readonly seed?: number;
}

/** One tensor in all probes. */
interface Spread {
  readonly squares: Float64Array;
  readonly local: Float64Array;
}

/** A byte as a displacement in bounds: evenly spread, of root mean square 1. */
const steps = Float64Array.from({ length: 256 }, (_, byte) => (byte - 127.5) / Math.sqrt((256 ** 2 - 1) / 12));

const displacing = (seed: number, probe: number): Settle => {
  let call = 0;
  return (_of, _layer, made) => {
    const out = exact(made.value), key = streamKey(seed, purposes.testData, probe);
    call++;
    for (let i = 0, word = 0; i < out.value.length; i++, word >>>= 8) {
      if (i % 4 === 0) word = streamWord(key, i / 4, call);
      out.value[i] = (out.value[i] as number) + (steps[word & 255] as number) * (made.bound[i] as number);
    }
    return out;
  };
};

const collect = (into: Spread, base: Bounded, probe: Bounded): void => {
  for (let i = 0; i < base.value.length; i++) {
    into.squares[i] = (into.squares[i] as number) + ((probe.value[i] as number) - (base.value[i] as number)) ** 2;
    into.local[i] = Math.max(into.local[i] as number, probe.bound[i] as number);
  }
};

/** `width`: values of a row, whose mean displacement stands in for half of each element's own. */
const boundOf = (base: Bounded, { squares, local }: Spread, width: number, probes: number, factor: number): Bounded => {
  const bound = new Float64Array(squares.length);
  for (let first = 0; first < squares.length; first += width) {
    let row = 0;
    for (let i = first; i < first + width; i++) row += squares[i] as number;
    for (let i = first; i < first + width; i++) {
      const spread = Math.sqrt((0.5 * ((squares[i] as number) + row / width)) / probes), worst = base.bound[i] as number;
      const measured = (local[i] as number) + factor * spread;
      bound[i] = measured < worst ? measured : worst;
    }
  }
  return { value: base.value, bound };
};

/**
 * A step as `referenceStep` gives it, with bounds that stay useful through deep models.
 *
 * @throws InvalidConfig if parameters or batch do not have the model's sizes.
 */
export const probedStep = (model: Model, parameters: readonly Values[], batch: ReferenceBatch, { probes = 4, factor = 8, seed = 0 }: Probing = {}): ReferenceStep => {
  checkBatch(model, parameters, batch);
  // Where nothing is displaced, what is rounded may be followed along the staircase.
  const isWorstCase = model.layers.some((layer) => layer.kind === 'relu'), boundary = (): Boundary => boundaryOf(batch.activations ?? 'float32', isWorstCase ? 'snap' : 'smooth');
  const weights = f64(parameters), base = stepWith(model, weights, batch, boundary(), asMade);
  if (isWorstCase) return base;
  const tensors = (step: ReferenceStep): readonly Bounded[] => [step.loss, step.tokenLosses, ...step.activations, ...step.deltas, ...step.gradients];
  const widths = [1, 1, ...model.layers.map((l) => l.features), ...model.layers.map((l) => l.features), ...model.parameters.map((p) => p.shape.at(-1) ?? 1)];
  const all = tensors(base), spreads = all.map(({ value }): Spread => ({ squares: new Float64Array(value.length), local: new Float64Array(value.length) }));
  for (let probe = 0; probe < probes; probe++) {
    for (const [index, tensor] of tensors(stepWith(model, weights, batch, boundary(), displacing(seed, probe))).entries()) collect(spreads[index] as Spread, all[index] as Bounded, tensor);
  }
  const bounds = all.map((tensor, index) => boundOf(tensor, spreads[index] as Spread, widths[index] ?? 1, probes, factor));
  const layers = model.layers.length, [loss, tokenLosses] = bounds as [Bounded, Bounded];
  return { loss, tokenLosses, kinks: base.kinks, overflows: base.overflows, activations: bounds.slice(2, 2 + layers), deltas: bounds.slice(2 + layers, 2 + 2 * layers), gradients: bounds.slice(2 + 2 * layers) };
};
