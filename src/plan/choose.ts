/**
 * The choices of a plan: which rectangle, what is computed again, and how many samples a CS-2 holds at a time.
 *
 *   for each kind of recomputation: the largest micro-batch that fits the tiles' SRAM ─▶ the kind whose step is estimated shortest
 *
 * The estimate weighs products done again against weights and gradients that stream more often, by the rates of the wafer alone; a price (timing/) knows better. Not here: what a tile must hold (compiler/sram.ts), what a run chooses (emulator/plan.ts).
 */
import { dealBatch, lanesIn, slabsPerWafer, type BatchShape } from '../cluster/deal.js';
import { compile, prepare, programOf, recomputeChoices, type Prepared } from '../compiler/compile.js';
import { checkRectangle } from '../compiler/rectangle.js';
import type { Program, Recompute, Rectangle } from '../compiler/program.js';
import { slabTokens } from '../kernels/types.js';
import type { Model } from '../model/graph.js';
import { fullPrecision, numberFormats, type Precision } from '../model/precision.js';
import { specs, type WaferSpec } from '../spec/wafer.js';
import { DoesNotFit } from '../util/errors.js';
import { ceilDiv } from '../util/units.js';
import { chooseLogits } from './logits.js';
import type { PlanOptions } from './types.js';

export interface Chosen {
  readonly program: Program;
  /** Slabs that one wafer holds at a time, and samples. */
  readonly slabs: number;
  readonly microBatchSize: number;
  readonly microBatchSizeMax: number;
}

/** Samples that are dealt out together: where a sample is one token, a slab of them. */
const unitOf = (model: Model): number => (model.tokensPerSample === 1 ? slabTokens : 1);

const shapeOf = (model: Model, { batchSize, numCsx = 1 }: PlanOptions, microBatchSize: number): BatchShape => ({
  samples: batchSize, tokensPerSample: model.tokensPerSample, numCsx, slabTokens,
  slabsPerWafer: slabsPerWafer(batchSize, numCsx, slabTokens, microBatchSize, model.tokensPerSample),
});
/** Lanes of the fullest wafer in any micro-batch. */
const lanesOf = (shape: BatchShape): number => dealBatch(shape).reduce((most, { wafers }) => wafers.reduce((max, range) => Math.max(max, lanesIn(range, shape)), most), 0);

/** Without drawing up the deal: lanes of so many samples. */
const lanesFor = (model: Model, samples: number): number =>
  model.tokensPerSample === 1 ? samples : (samples * ceilDiv(model.tokensPerSample, slabTokens) - 1) * slabTokens + (((model.tokensPerSample - 1) % slabTokens) + 1);

/** The most samples, in whole units, that fit; 0 where one does not. */
const largest = (model: Model, share: number, fits: (samples: number) => boolean): number => {
  const unit = unitOf(model), units = ceilDiv(share, unit), samples = (count: number): number => Math.min(share, count * unit);
  if (!fits(samples(1))) return 0;
  let low = 1, high = units;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(samples(middle))) low = middle;
    else high = middle - 1;
  }
  return samples(low);
};

/**
 * About how long a step takes: forward and delta products at half the peak or weights at the wafer's input, whichever is longer; then gradients likewise at its output, fp32.
 * What waits off the wafer goes out and comes back.
 */
const estimate = (model: Model, recompute: Recompute, share: number, microBatchSize: number, spec: WaferSpec, { weights, activations }: Precision): number => {
  const passes = recompute === 'block' || recompute === 'offload' ? 3 : 2, tokens = share * model.tokensPerSample, bytes = numberFormats[weights].bytes, microBatches = ceilDiv(share, microBatchSize);
  const product = (model.parameterCount * tokens) / (spec.rowsMax * spec.colsMax * spec.clockHz * (bytes < 4 ? 4 : 1) * 0.5);
  const off = recompute === 'offload' ? (blockFeatures(model, (features) => features) * tokens * numberFormats[activations].bytes) / spec.ioBytesPerSecond : 0;
  const down = (microBatches * model.parameterCount * bytes) / spec.ioBytesPerSecond, up = (microBatches * model.parameterCount * 4) / spec.ioBytesPerSecond;
  return Math.max(passes * product, passes * down + off) + Math.max(product, up) + off;
};

const rectangleOf = ({ wafer = 'whole' }: PlanOptions, spec: WaferSpec): Rectangle | null => (wafer === 'whole' ? { rows: spec.rowsMax, cols: spec.colsMax } : wafer === 'auto' ? null : { rows: wafer.rows, cols: wafer.cols });

/** What is compiled for one plan serves the next one of a curve: stream orders and programs, which know nothing of how many systems there are. */
export class ChoiceCache {
  readonly prepared = new Map<string, Prepared>();
  readonly programs = new Map<string, Program>();
}

/** Σ over blocks of what `of` makes of the features that they give. */
const blockFeatures = ({ layers }: Pick<Model, 'layers'>, of: (features: number) => number): number =>
  layers.reduce((sum, layer, i) => sum + (layer.block !== null && layers[i + 1]?.block !== layer.block ? of(layer.features) : 0), 0);

/** Kinds of recomputation that one sample rules out before anything is compiled: what they keep for its delta pass, of linear layers or of blocks, fills a tile by itself. */
const isHopeless = (model: Model, kind: Recompute, { rows, cols }: Rectangle, spec: WaferSpec, bytes: number): boolean => {
  const own = (features: number): number => Math.floor(features / cols), tokens = ceilDiv(lanesFor(model, unitOf(model)), rows);
  const kept = kind === 'offload' ? 0 : kind === 'block' ? blockFeatures(model, own) : model.layers.reduce((sum, layer) => sum + (layer.kind === 'linear' && layer.block !== null ? own(layer.features) : 0), 0);
  return kept * tokens * bytes + spec.codeBytesPerTile > spec.sramBytesPerTile;
};

/** `cache`: for plans of one model, wafer and precision. @throws InvalidModel, InvalidConfig, NotEmulated, DoesNotFit */
export const choose = (model: Model, options: PlanOptions, isSparse: (parameter: number) => boolean, cache = new ChoiceCache()): Chosen => {
  const { spec = specs.wse2, precision = fullPrecision, numCsx = 1, batchSize, recompute = 'auto', logits: wanted = 'auto', microBatchSize: asked = 'largest' } = options;
  const rectangle = rectangleOf(options, spec), unit = unitOf(model), share = Math.min(batchSize, ceilDiv(ceilDiv(batchSize, unit), numCsx) * unit);
  const lanesAll = (samples: number): number => numCsx * shapeOf(model, options, samples).slabsPerWafer * slabTokens;
  const logitsFor = (samples: number): Program['logits'] => chooseLogits(model, wanted, lanesAll(samples), isSparse);
  if (rectangle === null) {
    const samples = asked === 'largest' ? share : asked, shape = shapeOf(model, options, samples);
    const program = compile(model, { tokens: lanesOf(shape), wafer: 'auto', spec, recompute, logits: logitsFor(samples), numbers: precision });
    return { program, slabs: shape.slabsPerWafer, microBatchSize: Math.min(samples, share), microBatchSizeMax: share };
  }
  const { prepared } = cache, all = recompute === 'auto' ? recomputeChoices(model) : [recompute];
  const possible = all.filter((kind) => !isHopeless(model, kind, rectangle, spec, numberFormats[precision.activations].bytes)), kinds = possible.length > 0 ? possible : all;
  const preparedOf = (kind: Recompute, samples: number): Prepared => {
    const logits = logitsFor(samples), key = `${kind}/${logits}`, found = prepared.get(key) ?? prepare(model, { spec, logits, numbers: precision }, kind);
    prepared.set(key, found);
    return found;
  };
  const fits = (kind: Recompute) => (samples: number): boolean => {
    const sram = preparedOf(kind, samples).sram(lanesFor(model, samples), rectangle);
    return sram.totalBytes <= sram.limitBytes;
  };
  const found = kinds.map((kind) => {
    // As many micro-batches as the largest leaves, evenly.
    const most = largest(model, share, fits(kind)), even = most === 0 ? 0 : ceilDiv(ceilDiv(share, ceilDiv(share, most)), unit) * unit, size = asked === 'largest' ? Math.min(share, even) : Math.min(asked, share);
    return { kind, most, size, isPossible: size > 0 && (asked === 'largest' || size <= most), time: size > 0 ? estimate(model, kind, share, size, spec, precision) : Infinity };
  });
  const best = found.filter(({ isPossible }) => isPossible).toSorted((a, b) => a.time - b.time)[0];
  if (best === undefined) return refuse(model, preparedOf(kinds[kinds.length - 1] as Recompute, asked === 'largest' ? unit : asked), rectangle, spec, asked === 'largest' ? Math.min(unit, share) : Math.min(asked, share));
  const shape = shapeOf(model, options, best.size), lanes = lanesOf(shape), ready = preparedOf(best.kind, best.size);
  checkRectangle(rectangle, spec, () => ready.sram(lanes, rectangle));
  const key = `${best.kind}/${ready.logits}/${lanes}/${rectangle.rows}x${rectangle.cols}`, program = cache.programs.get(key) ?? programOf(model, { tokens: lanes, numbers: precision }, ready, rectangle);
  cache.programs.set(key, program);
  return { program, slabs: shape.slabsPerWafer, microBatchSize: best.size, microBatchSizeMax: Math.max(...found.map(({ most }) => most)) };
};

/** Says what of a tile does not fit with so many samples. @throws DoesNotFit, InvalidConfig for a rectangle that the wafer does not have */
const refuse = (model: Model, prepared: Prepared, rectangle: Rectangle, spec: WaferSpec, samples: number): never => {
  const { totalBytes, limitBytes, activationBytes, streamBytes, codeBytes } = checkAnyway(prepared, rectangle, spec, lanesFor(model, samples));
  throw new DoesNotFit({
    what: `a tile of ${spec.name}'s ${rectangle.rows} × ${rectangle.cols} rectangle with ${samples === 1 ? 'one sample' : `${samples} samples`} a CS-2 (code ${codeBytes}, activations ${activationBytes}, streams ${streamBytes})`,
    where: 'the fullest tile', needBytes: totalBytes, haveBytes: limitBytes, hint: "use a smaller microBatchSize, a shorter context, narrower layers, narrower numbers (precision), or recompute: 'offload'",
  });
};

/** The need, once it is sure that the wafer has such a rectangle. */
const checkAnyway = (prepared: Prepared, rectangle: Rectangle, spec: WaferSpec, lanes: number): ReturnType<Prepared['sram']> => {
  const sram = prepared.sram(lanes, rectangle);
  checkRectangle(rectangle, spec, () => ({ ...sram, totalBytes: 0 }));
  return sram;
};
