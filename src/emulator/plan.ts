/**
 * Planning a run: model, data and options become a program, addresses and memories. What can be refused is refused here, before a thread starts.
 *
 * Not here: threads and actors (cluster.ts), the steps (cluster/coordinator/).
 */
import { totalmem } from 'node:os';
import { constrainedMemory } from 'node:process';
import { compile } from '../compiler/compile.js';
import type { Program } from '../compiler/program.js';
import { dealBatch, lanesIn, slabsPerWafer, type BatchShape } from '../cluster/deal.js';
import { journalWords, type ClusterLayout, type MemoryXPlan, type TierPlan } from '../cluster/layout.js';
import { makeMaskTable } from '../cluster/masks.js';
import { planMemoryX, type MemoryXNeed } from '../cluster/memoryx/places.js';
import { planTieredMemoryX } from '../cluster/memoryx/tiered-places.js';
import { fabricFloats } from '../cluster/tile/fabric-row.js';
import { planArena } from '../cluster/wafer/arena.js';
import { devicesOf } from '../cluster/wiring.js';
import type { KernelPlan } from '../kernels/load.js';
import { slabTokens } from '../kernels/types.js';
import { checkRunnable } from '../model/build.js';
import { checkData, sampleAt, samplesOf, streamOf, type TrainingData } from '../model/data.js';
import type { Model } from '../model/graph.js';
import { checkOptimizer } from '../model/optimizer.js';
import { fullPrecision } from '../model/precision.js';
import { chooseLogits } from '../plan/logits.js';
import { rotaryTables } from '../model/rotary.js';
import { specs } from '../spec/wafer.js';
import { MemoryPlan, floats } from '../tensor/shared-memory.js';
import { DoesNotFit, InvalidConfig, NotEmulated } from '../util/errors.js';
import { roundUp } from '../util/units.js';
import { makeCounters } from '../trace/counts.js';
import { checkTrainOptions, type ClusterOptions, type MemoryXOptions, type TrainOptions } from './options.js';
import type { RunPlan } from './run.js';
import { planSparsity, type PlannedSparsity } from './sparsity.js';

export interface PlannedRun {
  readonly layout: ClusterLayout;
  readonly summary: RunPlan;
  readonly stateBytes: number;
  readonly microBatches: number;
  readonly sparsity: PlannedSparsity;
}

/** @throws InvalidModel, InvalidConfig, NotEmulated, DoesNotFit */
export const planRun = (model: Model, o: TrainOptions, cluster: ClusterOptions, threads: number, kernels: KernelPlan): PlannedRun => {
  checkRunnable(model);
  checkTrainOptions(o);
  checkOptimizer(o.optimizer);
  checkData(model, o.data);
  if (o.evaluation !== undefined) checkData(model, o.evaluation.data);
  if (o.inspect === true && cluster.memoryX?.flashDir !== undefined) {
    throw new InvalidConfig({ what: 'an inspection of a run whose gradients may be on flash', where: 'inspect', hint: 'leave memoryX.flashDir out: the same bits without it' });
  }
  const numCsx = cluster.numCsx ?? 1;
  const { tokensPerSample } = model;
  const share = slabsPerWafer(o.batchSize, numCsx, slabTokens, o.microBatchSize, tokensPerSample);
  const batch: BatchShape = { samples: o.batchSize, tokensPerSample, numCsx, slabsPerWafer: share, slabTokens };
  const microBatches = dealBatch(batch);
  const tokens = Math.max(...microBatches.flatMap((microBatch) => microBatch.wafers.map((range) => lanesIn(range, batch))));
  const sparsity = planSparsity(model, o.sparsity, o.masks, o.steps, o.seed ?? 0, o.weights);
  if (o.optimizer.kind === 'adafactor' && sparsity.plans.length > 0) {
    throw new NotEmulated({ what: 'Adafactor of sparse weights', where: 'optimizer', hint: 'see docs/not-emulated.md; train sparse weights with another optimizer' });
  }
  const wafer = cluster.wafer ?? 'auto', { precision = fullPrecision } = o;
  const logits = chooseLogits(model, o.logits ?? 'auto', numCsx * share * slabTokens, (parameter) => sparsity.plans.some((plan) => plan.parameter === parameter), cluster.sweep === 'tile');
  const program: Program = compile(model, { tokens, wafer, spec: wafer === 'auto' ? specs.wse2 : (wafer.spec ?? specs.wse2), recompute: o.recompute ?? 'auto', logits, numbers: precision });

  const fabric = cluster.sweep === 'tile' ? fabricFloats(program) : 0;
  const arenaPlan = new MemoryPlan('the wafers');
  const memoryX = planState({ program, optimizer: o.optimizer, batch, units: threads, clips: o.clipNorm !== undefined, sparse: sparsity.plans, plainForms: cluster.sweep === 'tile', byChance: precision.stochasticRounding }, cluster.memoryX);
  const arena = planArena(program, batch, threads, fabric, arenaPlan, memoryX.plan.parameters, o.inspect === true);
  checkHostMemory(arenaPlan.bytes + memoryX.plan.memoryBytes.reduce((sum, bytes) => sum + bytes, 0));
  const layout: ClusterLayout = {
    program,
    optimizer: o.optimizer,
    clipNorm: o.clipNorm ?? null,
    precision,
    seed: o.seed ?? 0,
    batch,
    kernels,
    arena,
    arenaMemory: arenaPlan.create(),
    memoryX: memoryX.plan,
    memoryXMemories: memoryX.create(),
    tiers: memoryX.tiers,
    journal: new SharedArrayBuffer(model.parameters.length * threads * journalWords * 4),
    masks: makeMaskTable(sparsity.plans.length),
    forms: cluster.sweep === 'tile' ? 'stored' : 'fastest',
    counts: makeCounters(devicesOf(arena.bands.length, numCsx, cluster.fanIn ?? 4, threads)),
  };
  fillRotary(model, layout, roundUp(tokensPerSample, slabTokens));
  const allocatedBytes = layout.arenaMemory.buffer.byteLength + layout.memoryXMemories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
  return {
    layout,
    stateBytes: memoryX.stateBytes,
    microBatches: microBatches.length,
    sparsity,
    summary: {
      rows: program.rectangle.rows,
      cols: program.rectangle.cols,
      tiles: program.rectangle.rows * program.rectangle.cols,
      sramBytesMax: program.sram.totalBytes,
      sramLimitBytes: program.sram.limitBytes,
      microBatches: microBatches.length,
      microBatchSize: Math.min(o.batchSize, tokensPerSample === 1 ? share * slabTokens : share / (roundUp(tokensPerSample, slabTokens) / slabTokens)),
      recompute: program.recompute,
      blocks: program.streamed.reduce((sum, plan) => sum + plan.forwardBlocks.length, 0),
      allocatedBytes,
    },
  };
};

/** MemoryX all in DRAM, or in two tiers where there is flash. @throws DoesNotFit beyond its DRAM */
const planState = (need: MemoryXNeed, { dramBytes = Number.MAX_SAFE_INTEGER, flashDir }: MemoryXOptions = {}): { readonly plan: MemoryXPlan; readonly tiers: TierPlan | null; readonly create: () => WebAssembly.Memory[]; readonly stateBytes: number } => {
  if (flashDir !== undefined) return planTieredMemoryX(need, dramBytes);
  const planned = planMemoryX(need), needBytes = planned.plan.memoryBytes.reduce((sum, bytes) => sum + bytes, 0);
  if (needBytes > dramBytes) throw new DoesNotFit({ what: 'the state in MemoryX', where: 'memoryX.dramBytes', needBytes, haveBytes: dramBytes, hint: 'give memoryX.flashDir: what exceeds the DRAM then lies in files' });
  return { ...planned, tiers: null };
};

/** The angles of rotary positions into the arena: every wafer reads the same ones. */
const fillRotary = (model: Model, layout: ClusterLayout, places: number): void => {
  for (const { layer, cos, sin } of layout.arena.rotary) {
    const found = model.layers[layer];
    if (found?.kind !== 'rotary') continue;
    const tables = rotaryTables({ headSize: found.headSize, places, theta: found.theta, ...(found.scaling === null ? {} : { scaling: found.scaling }) });
    floats(layout.arenaMemory, cos, tables.cos.length).set(tables.cos);
    floats(layout.arenaMemory, sin, tables.sin.length).set(tables.sin);
  }
};

/** @throws DoesNotFit where the host has less memory than the emulated machine would touch */
const checkHostMemory = (needBytes: number): void => {
  const limit = constrainedMemory();
  const haveBytes = Math.min(totalmem(), limit > 0 ? limit : Number.POSITIVE_INFINITY);
  if (needBytes > haveBytes) throw new DoesNotFit({ what: 'the emulated memories on this host', needBytes, haveBytes, hint: 'use a smaller model, an optimizer with fewer moments, or a smaller microBatchSize' });
};

const shared = <A extends Float32Array | Int32Array | Uint16Array | Uint8Array>(array: A): A => {
  if (array.buffer instanceof SharedArrayBuffer) return array;
  const make = array.constructor as new (buffer: SharedArrayBuffer) => A;
  const copy = new make(new SharedArrayBuffer(array.byteLength));
  copy.set(array as never);
  return copy;
};

/** The same data over shared memory, so that input workers read it in place. */
export const shareData = (data: TrainingData): TrainingData => {
  switch (data.kind) {
    case 'features':
      return { ...data, inputs: shared(data.inputs), labels: shared(data.labels) };
    case 'tokens':
      return { ...data, ids: shared(data.ids), labels: shared(data.labels) };
    case 'text':
      return { ...data, bytes: shared(data.bytes) };
    case 'sequence':
      return { ...data, ids: shared(data.ids), ...(data.labels === undefined ? {} : { labels: shared(data.labels) }) };
  }
};

/** The loss factor of every step: f32(1 / valid labels of its global batch); 0 where every label is masked. */
export const lossFactor = (model: Model, data: TrainingData, batchSize: number, seed: number): ((step: number) => number) => {
  const tokens = model.tokensPerSample, stream = tokens > 1 ? streamOf(data) : null;
  const whole = Math.fround(1 / (batchSize * tokens));
  const labels = stream !== null ? stream.labels : data.kind === 'features' || data.kind === 'tokens' ? data.labels : null;
  if (labels === null || !labels.includes(-1)) return () => whole;
  const samples = samplesOf(model, data);
  const cache = new Map<number, number>();
  return (step) => {
    const known = cache.get(step);
    if (known !== undefined) return known;
    let valid = 0;
    for (let i = 0; i < batchSize; i++) {
      const first = sampleAt(samples, batchSize, step, i, seed) * tokens;
      for (let t = 0; t < tokens; t++) if ((labels[first + t] as number) >= 0) valid++;
    }
    const factor = valid === 0 ? 0 : Math.fround(1 / valid);
    cache.clear();
    cache.set(step, factor);
    return factor;
  };
};
