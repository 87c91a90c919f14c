/**
 * One plain loop over the same kernels: a training step of a fully connected network without actors, streams, threads or copies between memories.
 *
 *   for each layer: pack, product, bias, ReLU ─▶ softmax ─▶ backwards: gradient, delta, ReLU's delta, SGD ─▶ next step
 *
 * Blocks are the fastest that `tune` finds. It must give the cluster's weights to the bit (step.bench.ts checks). Not here: the products (plain-products.ts).
 */
import { createKernels, type KernelPlan } from '../src/kernels/load.js';
import { panelRowBytes, slabTokens } from '../src/kernels/types.js';
import { floats, MemoryPlan, words } from '../src/tensor/shared-memory.js';
import { roundUp } from '../src/util/units.js';
import { toPanels } from './harness/panels.js';
import { planLayer, products, tune, type Blocking, type LayerPlaces, type LayerShape } from './plain-products.js';

export interface PlainLoop {
  readonly blocking: readonly Blocking[];
  setWeights(layer: number, weight: Float32Array): void;
  /** Rows [tokens][features], as they are drawn. */
  setBatch(rows: Float32Array, labels: Int32Array): void;
  /** One step; returns nothing, for the loss is no part of the race. */
  step(): void;
  /** Weight and bias of a layer after the last step. */
  weights(layer: number): { readonly weight: Float32Array; readonly bias: Float32Array };
  /** All products of a step, as kernels alone. */
  bareProducts(): void;
}

const powerOfTwo = (n: number): boolean => (n & (n - 1)) === 0;

/** @throws if the batch is no power of two of slabs: the loop then would have nodes to merge, which is the cluster's work. */
export const plainLoop = (plan: KernelPlan, sizes: readonly number[], batch: number, learningRate: number, known?: readonly Blocking[]): PlainLoop => {
  const panels = batch / slabTokens;
  if (!powerOfTwo(panels)) throw new Error(`a batch of ${batch} is no power of two of slabs`);
  const memoryPlan = new MemoryPlan('the plain loop');
  const shapes: LayerShape[] = sizes.slice(1).map((outputs, l) => ({ inputs: sizes[l] as number, outputs, panels }));
  const places: LayerPlaces[] = [];
  for (const shape of shapes) places.push(planLayer(memoryPlan, shape, places.at(-1)?.y ?? null));
  const at = (count: number): number => memoryPlan.reserve(count * 4);
  const biases = shapes.map(({ outputs }) => ({ b: [at(outputs), at(outputs)] as const, g: at(roundUp(outputs, 16)) }));
  const [ones, labels, max, sum, chunk, xl, loss] = [slabTokens, batch, slabTokens, slabTokens, slabTokens, slabTokens, slabTokens].map(at) as [number, number, number, number, number, number, number];
  const lossLeaves = at(panels);
  const memory = memoryPlan.create();
  const k = createKernels(plan, memory);
  floats(memory, ones, slabTokens).fill(1);

  const blocking = shapes.map((shape, l) => known?.[l] ?? tune(k, shape, places[l] as LayerPlaces));
  const layers = shapes.map((shape, l) => ({
    ...shape, at: places[l] as LayerPlaces, bias: biases[l] as (typeof biases)[number], run: products(k, shape, places[l] as LayerPlaces, blocking[l] as Blocking), last: l === shapes.length - 1,
  }));
  const classes = sizes.at(-1) as number, rate = Math.fround(learningRate), factor = Math.fround(1 / batch);
  const labelWords = words(memory, labels, batch), gathered = floats(memory, xl, slabTokens), maxima = floats(memory, max, slabTokens);
  const logits = floats(memory, places.at(-1)?.y ?? 0, batch * classes);
  let now: 0 | 1 = 0;

  const lossAndDelta = (y: number): void => {
    for (let p = 0; p < panels; p++) {
      const x = y + p * classes * panelRowBytes, label = labels + p * panelRowBytes;
      maxima.fill(-Infinity);
      k.clear(sum, panelRowBytes);
      k.clear(chunk, panelRowBytes);
      k.softmaxMax(max, x, classes);
      for (let t = 0; t < slabTokens; t++) gathered[t] = logits[(p * classes + (labelWords[p * slabTokens + t] as number)) * slabTokens + t] as number;
      k.softmaxExp(x, sum, chunk, x, max, 0, classes, classes);
      k.softmaxLoss(loss, sum, xl, max);
      k.softmaxDelta(x, x, sum, label, factor, 0, classes, slabTokens);
      k.lossLeaf(lossLeaves + p * 4, loss, label, slabTokens);
    }
  };

  return {
    blocking,
    setWeights(layer, weight) {
      const l = layers[layer] as (typeof layers)[number];
      floats(memory, l.at.w[now], weight.length).set(weight);
      floats(memory, l.bias.b[now], l.outputs).fill(0);
    },
    setBatch(rows, batchLabels) {
      toPanels(floats(memory, places[0]?.x ?? 0, rows.length), rows, sizes[0] as number);
      labelWords.set(batchLabels);
    },
    step() {
      for (const l of layers) {
        l.run.packForward(now);
        l.run.forward();
        k.addBias(l.at.y, l.outputs * panelRowBytes, l.bias.b[now], l.outputs, panels);
        if (!l.last) k.relu(l.at.y, l.at.y, panels * l.outputs * slabTokens);
      }
      lossAndDelta(places.at(-1)?.y ?? 0);
      const next = now === 0 ? 1 : 0;
      for (const [index, l] of [...layers.entries()].toReversed()) {
        l.run.gradient({ ones, g: l.bias.g });
        if (index > 0) {
          l.run.packDelta(now);
          l.run.delta();
          // x of this layer is y of the one below: its delta takes its place.
          k.reluDelta(l.at.x, l.at.dx, l.at.x, panels * l.inputs * slabTokens);
        }
        k.sgd(l.at.w[next], l.at.w[now], l.at.g, 0, l.inputs * l.outputs, rate, 0, 1, 0, 0);
        k.sgd(l.bias.b[next], l.bias.b[now], l.bias.g, 0, l.outputs, rate, 0, 1, 0, 0);
      }
      now = next;
    },
    weights(layer) {
      const l = layers[layer] as (typeof layers)[number];
      return { weight: floats(memory, l.at.w[now], l.inputs * l.outputs), bias: floats(memory, l.bias.b[now], l.outputs) };
    },
    bareProducts() {
      for (const [index, l] of layers.entries()) l.run.bare(index > 0);
    },
  };
};
