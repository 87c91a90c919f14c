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
import { numericsVersion, slabsPerSample, type Logits, type BlockPlan, type Numbers, type Program, type Recompute, type Rectangle, type SramPlan, type StreamedPlan } from './program.js';
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
  const choices = recomputeChoices(model);
  for (const choice of choices.slice(0, -1)) {
    try {
      return compileWith(model, options, choice);
    } catch (error) {
      if (!(error instanceof DoesNotFit)) throw error;
    }
  }
  return compileWith(model, options, choices[choices.length - 1] as Recompute);
};

/** What 'auto' tries, the least recomputation first. */
export const recomputeChoices = ({ layers }: Model): readonly Recompute[] => {
  const isBlocked = layers.some((layer) => layer.block !== null);
  return [layers.some((layer) => layer.kind === 'attention') ? 'attention' : 'none', ...(isBlocked ? ['block', 'offload'] as const : [])];
};

/** Buffers that hold f32 whatever activations are: logits, statistics, scores, deltas before they are whole. */
const wideBuffers = ({ buffers, streamed, attentions, passes }: StreamOrder): ReadonlySet<number> => new Set([
  ...streamed.flatMap((plan) => (plan.kind === 'norm' ? [plan.stats] : plan.kind === 'head' ? [plan.y, plan.stats] : [])),
  ...attentions.flatMap(({ stats, scores }) => (scores === null ? [stats] : [stats, scores])),
  ...passes.flatMap(({ locals }) => locals.flatMap((step) => (step.op === 'loss' ? [step.x] : []))),
  ...buffers.flatMap(({ scratch }, i) => (scratch ? [i] : [])),
]);

/** Of the blocks' inputs that wait off the wafer three are there at a time: what a block reads, what it makes, and one on its way. */
const residentOffloads = 3;

/** A stream order and what it asks of tiles, for any number of tokens and any rectangle. */
export interface Prepared {
  readonly recompute: Recompute;
  readonly logits: Logits;
  readonly order: StreamOrder;
  readonly widest: number;
  readonly sram: (tokens: number, rectangle: Rectangle) => SramPlan;
}

/** @throws InvalidModel */
export const prepare = (model: Model, { spec, logits = 'held', numbers = fullPrecision }: Pick<CompileOptions, 'spec' | 'logits' | 'numbers'>, recompute: Recompute): Prepared => {
  const places = slabsPerSample(model, slabTokens) * slabTokens;
  const order = orderStreams(model, recompute, places, logits, numbers.activations);
  const attentions = distinct(order.attentions.map((attention) => ({ ...attention, places })), ({ heads, kvHeads, headSize }) => `${heads}/${kvHeads}/${headSize}`);
  const wide = wideBuffers(order), left = new Map<number, number>();
  const held = order.buffers.map(({ features }, i) => ({ features, i })).filter(({ features, i }) => {
    if (!order.offloaded.has(i)) return true;
    const there = left.get(features) ?? 0;
    left.set(features, there + 1);
    return there < residentOffloads;
  });
  const widths = held.map(({ features }) => features);
  const bytes = { weight: numberFormats[numbers.weights].bytes, of: held.map(({ i }) => (wide.has(i) ? 4 : numberFormats[numbers.activations].bytes)) };
  return {
    recompute, logits, order, widest: order.buffers.reduce((most, { features }) => Math.max(most, features), 0),
    sram: (tokens, rectangle) => planSram(widths, tokens, slabTokens, rectangle, spec, attentions, bytes),
  };
};

/** One of each kind. */
const distinct = <T>(list: readonly T[], kindOf: (item: T) => string): readonly T[] => [...new Map(list.map((item) => [kindOf(item), item])).values()];

const compileWith = (model: Model, options: CompileOptions, recompute: Recompute): Program => {
  const { tokens, wafer, spec } = options, prepared = prepare(model, options, recompute);
  const plan = (rectangle: Rectangle): SramPlan => prepared.sram(tokens, rectangle);
  const rectangle = wafer === 'auto' ? smallestRectangle(tokens, prepared.widest, spec, plan) : { rows: wafer.rows, cols: wafer.cols };
  checkRectangle(rectangle, spec, plan);
  return programOf(model, options, prepared, rectangle);
};

/** The program of a stream order on a rectangle that it fits. */
export const programOf = (model: Model, { tokens, numbers = fullPrecision }: Pick<CompileOptions, 'tokens' | 'numbers'>, { recompute, logits, order, sram }: Prepared, rectangle: Rectangle): Program => {
  const edges = new Map<number, readonly number[]>();
  const edgesOf = (features: number): readonly number[] => {
    const found = edges.get(features) ?? evenEdges(features, rectangle.cols);
    edges.set(features, found);
    return found;
  };
  return {
    numericsVersion,
    model,
    rectangle,
    recompute,
    logits,
    numbers: { weights: numbers.weights, activations: numbers.activations },
    slabs: ceilDiv(tokens, slabTokens),
    rowEdges: rowEdges(tokens, rectangle.rows, slabTokens),
    buffers: order.buffers.map(({ name, features, scratch }) => ({ name, features, scratch, featureEdges: edgesOf(features) })),
    streamed: order.streamed,
    attentions: order.attentions,
    passes: order.passes,
    sram: sram(tokens, rectangle),
    blockFloatsMax: blockFloatsMax(order.streamed),
  };
};

/** Floats of the largest packed block; layers of one shape share their lists of blocks. */
const blockFloatsMax = (streamed: readonly StreamedPlan[]): number => {
  let most = 0;
  const widest = (blocks: readonly BlockPlan[], floatsOf: number): void => {
    most = Math.max(most, (blocks[0]?.count ?? 0) * floatsOf);
  };
  for (const plan of streamed) {
    if (plan.kind === 'norm') most = Math.max(most, 2 * plan.inputs);
    else if (plan.kind === 'head') widest(plan.forwardBlocks, 2 * plan.inputs + 1);
    else {
      widest(plan.forwardBlocks, plan.inputs + 1);
      widest(plan.deltaBlocks, plan.outputs);
    }
  }
  return most;
};
