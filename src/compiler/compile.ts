/**
 * The compiler's front: model + wafer + micro-batch → Program.
 *
 *   stream-order ─▶ rectangle (sram, placement) ─▶ Program
 *
 * Refuses here, before any thread starts, what cannot run. Not here: how many systems run it.
 */
import { slabTokens } from '../kernels/types.js';
import type { Model } from '../model/graph.js';
import { fullPrecision, numberFormats } from '../model/precision.js';
import { checkSpec, type WaferSpec } from '../spec/wafer.js';
import { DoesNotFit } from '../util/errors.js';
import { ceilDiv } from '../util/units.js';
import { evenEdges, rowEdges } from './placement.js';
import { numericsVersion, slabsPerSample, type Logits, type Numbers, type Program, type Recompute, type Rectangle, type StreamedPlan } from './program.js';
import { checkRectangle, smallestRectangle } from './rectangle.js';
import { planSram } from './sram.js';
import { orderStreams, type StreamOrder } from './stream-order.js';

export interface CompileOptions {
  /** Lanes that one wafer holds at a time: its share of a micro-batch, 32 a slab. */
  readonly tokens: number;
  readonly wafer: 'auto' | Rectangle;
  readonly spec: WaferSpec;
  /** 'auto' (default): the least that fits, beginning with 'attention'. */
  readonly recompute?: Recompute | 'auto';
  /** 'held' unless given. */
  readonly logits?: Logits;
  /** All f32 unless given. */
  readonly numbers?: Numbers;
}

/** @throws InvalidModel, InvalidConfig, DoesNotFit */
export const compile = (model: Model, options: CompileOptions): Program => {
  checkSpec(options.spec);
  const { recompute = 'auto' } = options;
  if (recompute !== 'auto') return compileWith(model, options, recompute);
  const choices: readonly Recompute[] = model.layers.some((layer) => layer.kind === 'attention') ? ['attention', 'block'] : model.layers.some((layer) => layer.block !== null) ? ['none', 'block'] : ['none'];
  for (const choice of choices.slice(0, -1)) {
    try {
      return compileWith(model, options, choice);
    } catch (error) {
      if (!(error instanceof DoesNotFit)) throw error;
    }
  }
  return compileWith(model, options, choices[choices.length - 1] as Recompute);
};

/** Buffers that hold f32 whatever activations are: logits, statistics, scores, deltas before they are whole. */
const wideBuffers = ({ buffers, streamed, attentions, passes }: StreamOrder): ReadonlySet<number> => new Set([
  ...streamed.flatMap((plan) => (plan.kind === 'norm' ? [plan.stats] : plan.kind === 'head' ? [plan.y, plan.stats] : [])),
  ...attentions.flatMap(({ stats, scores }) => (scores === null ? [stats] : [stats, scores])),
  ...passes.flatMap(({ locals }) => locals.flatMap((step) => (step.op === 'loss' ? [step.x] : []))),
  ...buffers.flatMap(({ scratch }, i) => (scratch ? [i] : [])),
]);

const compileWith = (model: Model, { tokens, wafer, spec, logits = 'held', numbers = fullPrecision }: CompileOptions, recompute: Recompute): Program => {
  const places = slabsPerSample(model, slabTokens) * slabTokens;
  const order = orderStreams(model, recompute, places, logits, numbers.activations);
  const widths = order.buffers.map((buffer) => buffer.features);
  const attentions = order.attentions.map((attention) => ({ ...attention, places }));
  const wide = wideBuffers(order), bytes = { weight: numberFormats[numbers.weights].bytes, of: widths.map((_, i) => (wide.has(i) ? 4 : numberFormats[numbers.activations].bytes)) };
  const plan = (rectangle: Rectangle) => planSram(widths, tokens, slabTokens, rectangle, spec, attentions, bytes);
  const rectangle = wafer === 'auto' ? smallestRectangle(tokens, Math.max(...widths), spec, plan) : { rows: wafer.rows, cols: wafer.cols };
  const sram = checkRectangle(rectangle, spec, plan);
  const floatsOf = (plan: StreamedPlan): number[] => (plan.kind === 'norm' ? [2 * plan.inputs] : plan.kind === 'head' ? plan.forwardBlocks.map((block) => (2 * plan.inputs + 1) * block.count) : [...plan.forwardBlocks.map((block) => (plan.inputs + 1) * block.count), ...plan.deltaBlocks.map((block) => plan.outputs * block.count)]);
  return {
    numericsVersion,
    model,
    rectangle,
    recompute,
    logits,
    numbers: { weights: numbers.weights, activations: numbers.activations },
    slabs: ceilDiv(tokens, slabTokens),
    rowEdges: rowEdges(tokens, rectangle.rows, slabTokens),
    buffers: order.buffers.map(({ name, features, scratch }) => ({ name, features, scratch, featureEdges: evenEdges(features, rectangle.cols) })),
    streamed: order.streamed,
    attentions: order.attentions,
    passes: order.passes,
    sram,
    blockFloatsMax: Math.max(0, ...order.streamed.flatMap(floatsOf)),
  };
};
