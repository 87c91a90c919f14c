/**
 * The plan of a generation: every stage of every step counted without being run, in the numbers in which a generation runs (fp32).
 *
 *   model + prompts' lengths + new tokens ─▶ stages (cluster/generation/stages.ts) × steps of lanes (lanes.ts) ─▶ counts, Work
 *
 * In its Work one "micro-batch" is the mean step. Not here: choosing tokens; trainings (plan.ts).
 */
import { cacheBytes, panelsFor, waferOf } from '../cluster/generation/plan.js';
import { stagesOf } from '../cluster/generation/stages.js';
import { planTree } from '../cluster/swarmx/tree.js';
import type { Stage } from '../cluster/generation-layout.js';
import { compile, prepare, programOf } from '../compiler/compile.js';
import { checkRectangle } from '../compiler/rectangle.js';
import type { Program } from '../compiler/program.js';
import { slabTokens } from '../kernels/types.js';
import { inputOf, isSequence, type LayerOf, type Model } from '../model/graph.js';
import { specs } from '../spec/wafer.js';
import { actions, at, count, type Counts } from '../trace/counts.js';
import { workCounts, type PassOp, type PassWork, type Work } from '../trace/work.js';
import { DoesNotFit, InvalidConfig, InvalidModel, assert } from '../util/errors.js';
import { checkCluster, whole } from './check.js';
import { contextOf, type PlanContext } from './context.js';
import { generationTile } from './generation-tile.js';
import { laneSteps, type LaneStep } from './lanes.js';
import type { GenerationPlanOptions, Plan } from './types.js';

const floatBytes = 4;

interface StageContext {
  readonly context: PlanContext;
  readonly numCsx: number;
  readonly links: number;
  readonly table: LayerOf<'embedding'>;
}

/** Bytes that a stage streams. */
const bytesOf = ({ context: { program } }: StageContext, stage: Stage): number => {
  const normBytes = (number: number): number => {
    const plan = program.streamed[number];
    return plan === undefined ? 0 : plan.inputs * (plan.bias === null ? 1 : 2) * floatBytes;
  };
  if (stage.kind === 'norm') return normBytes(stage.norm);
  if (stage.kind !== 'features') return 0;
  const plan = stage.linear === null ? undefined : program.streamed[stage.linear];
  return stage.norms.reduce((sum, number) => sum + normBytes(number), 0) + (plan === undefined ? 0 : (plan.inputs + (plan.bias === null ? 0 : 1)) * plan.outputs * floatBytes);
};

/** Adds one stage of one step. `isLast`: behind it only lanes that are asked for matter. */
const countStage = (to: Float64Array, of: StageContext, stage: Stage, step: LaneStep, isLast: boolean): void => {
  const { context: { program }, table, links, numCsx } = of, lanes = stage.wantedOnly ? step.asked : step.lanes;
  const norm = (number: number): void => {
    const plan = program.streamed[number];
    if (plan?.kind === 'norm') count(to, 'elementwise', (plan.centered ? 3 : 2) * plan.inputs * lanes);
  };
  switch (stage.kind) {
    case 'gather': {
      const tables = table.positions === null ? 1 : 2;
      count(to, 'gatheredRows', tables * lanes);
      count(to, 'weightBytesOut', tables * table.dim * floatBytes * lanes);
      break;
    }
    case 'features': {
      stage.norms.forEach(norm);
      const plan = stage.linear === null ? undefined : program.streamed[stage.linear];
      if (plan !== undefined) {
        count(to, 'macs', plan.inputs * plan.outputs * lanes);
        if (plan.bias !== null) count(to, 'biasAdds', plan.outputs * lanes);
      }
      for (const local of stage.locals) if (local.op !== 'dropout') count(to, 'elementwise', stage.features * lanes);
      break;
    }
    case 'norm':
      norm(stage.norm);
      break;
    case 'rotary':
      count(to, 'elementwise', (stage.step.heads + stage.step.kvHeads) * stage.step.headSize * lanes);
      break;
    case 'attention': {
      const a = program.attentions[stage.attention];
      assert(a !== undefined, 'the attention is in the program');
      if (stage.rotary !== null) count(to, 'elementwise', (a.heads + a.kvHeads) * a.headSize * step.lanes);
      const attending = isLast ? step.asked : step.lanes, places = isLast ? step.askedPlaces : step.places;
      count(to, 'macs', 2 * a.heads * a.headSize * places);
      count(to, 'elementwise', a.heads * (places + a.headSize * attending));
      break;
    }
    default:
      stage satisfies never;
  }
  const bytes = bytesOf(of, stage);
  count(to, 'weightBytesOut', bytes);
  count(to, 'linkDownBytes', bytes * links);
  count(to, 'ioInBytes', bytes * numCsx);
};

const opOf = ({ program }: PlanContext, stage: Stage): PassOp =>
  stage.kind === 'gather' ? 'gather' : stage.kind === 'attention' ? 'attention' : stage.kind === 'features' && stage.linear !== null && program.streamed[stage.linear]?.kind === 'linear' ? 'linear.forward'
  : stage.kind === 'norm' || (stage.kind === 'features' && stage.norms.length > 0) ? 'norm.forward' : 'locals';
const layerOf = ({ program }: PlanContext, stage: Stage, table: number): number =>
  (stage.kind === 'gather' ? table : stage.kind === 'attention' ? program.attentions[stage.attention]?.layer : stage.kind === 'norm' ? program.streamed[stage.norm]?.layer : stage.kind === 'rotary' ? stage.step.layer
  : (program.streamed[stage.linear ?? stage.norms[0] ?? -1]?.layer ?? stage.locals[0]?.layer)) ?? 0;

const check = (model: Model, o: GenerationPlanOptions): void => {
  checkCluster(o);
  if (!isSequence(model) || inputOf(model).kind !== 'tokens') throw new InvalidModel({ what: 'a model that cannot generate', where: model.name, value: `${inputOf(model).kind} input`, limit: 'sequence({ vocabulary, context })' });
  whole('newTokens', o.newTokens, 1, model.tokensPerSample);
  if (o.prompts.length === 0) throw new InvalidConfig({ what: 'prompts of a plan', where: 'prompts', value: 0, limit: 'at least one length' });
  o.prompts.forEach((length, p) => whole(`prompts[${p}]`, length, 1, model.tokensPerSample - o.newTokens));
};

const compiled = (model: Model, { wafer = 'whole', spec = specs.wse2 }: GenerationPlanOptions, lanes: number): Program => {
  if (wafer === 'auto') return compile(model, { tokens: lanes, wafer, spec, recompute: 'block' });
  const rectangle = wafer === 'whole' ? { rows: spec.rowsMax, cols: spec.colsMax } : { rows: wafer.rows, cols: wafer.cols }, prepared = prepare(model, { spec }, 'block');
  checkRectangle(rectangle, spec, () => prepared.sram(lanes, rectangle));
  return programOf(model, { tokens: lanes }, prepared, rectangle);
};

/** Keys and values of each wafer's sequences fit what its tiles have left. @throws DoesNotFit */
const checkCaches = (program: Program, { wafer = 'whole', spec = specs.wse2, numCsx = 1, prompts, newTokens }: GenerationPlanOptions): void => {
  const { rows, cols } = program.rectangle, { sram } = program, tiles = wafer === 'auto' ? spec.rowsMax * spec.colsMax : rows * cols;
  const haveBytes = tiles * (sram.limitBytes - sram.codeBytes) - rows * cols * (sram.totalBytes - sram.codeBytes), need = new Map<number, number>();
  prompts.forEach((length, s) => {
    const on = waferOf(s, prompts.length, numCsx);
    need.set(on, (need.get(on) ?? 0) + cacheBytes(program, length + newTokens - 1));
  });
  for (const [on, needBytes] of need) if (needBytes > haveBytes) throw new DoesNotFit({ what: `the keys and values of wafer ${on}'s sequences`, needBytes, haveBytes, hint: 'use more systems, more tiles, fewer prompts or fewer tokens' });
};

/**
 * Plans a generation, no sequence of which ends early.
 *
 * @throws InvalidModel, InvalidConfig as a generation would; DoesNotFit for tiles or caches
 */
export const planGeneration = (model: Model, options: GenerationPlanOptions): Plan => {
  check(model, options);
  const { numCsx = 1, fanIn = 4, prompts, newTokens } = options, program = compiled(model, options, panelsFor(prompts.map((prompt) => ({ prompt })), 1) * slabTokens);
  checkCaches(program, options);
  const tree = planTree(numCsx, fanIn), links = tree.reduce((sum, node) => sum + (node.tier === 0 ? node.wafers : node.children.length), 0);
  const tableId = model.layers.findIndex(({ kind }) => kind === 'embedding'), table = model.layers[tableId];
  assert(table?.kind === 'embedding', 'a sequence model has a table');
  const context = contextOf(program, { samples: prompts.length, tokensPerSample: model.tokensPerSample, numCsx, slabsPerWafer: 1, slabTokens }, fanIn);
  const of: StageContext = { context, numCsx, links, table }, steps = laneSteps(prompts, newTokens, numCsx);
  const logits = program.passes.flatMap(({ locals }) => locals).find((local) => local.op === 'loss');
  assert(logits?.op === 'loss', 'a model has a loss');
  const stages = stagesOf(program, logits.x), last = program.attentions.length - 1;
  const mean = (value: (step: LaneStep) => number): number => steps.reduce((sum, step) => sum + value(step), 0) / steps.length;
  const passes = stages.map((stage): PassWork => {
    const counts = new Float64Array(actions.length), isLast = stage.kind === 'attention' && stage.attention === last, doing = steps.filter(({ asked }) => asked > 0 || !stage.wantedOnly);
    for (const step of doing) countStage(counts, of, stage, step, isLast);
    const fraction = doing.length / steps.length, lanes = mean(({ fullest, asked, lanes: all }) => (stage.wantedOnly ? (fullest * asked) / all : fullest)), rows = Math.min(program.rectangle.rows, Math.max(1, Math.ceil(lanes)));
    const bytes = bytesOf(of, stage) * fraction, some: Partial<Counts> = {};
    for (const action of actions) if (counts[at[action]] !== 0) some[action] = counts[at[action]] as number;
    const rowBytes = stage.kind === 'gather' ? lanes * table.dim * (table.positions === null ? 1 : 2) * floatBytes : 0;
    return {
      op: opOf(context, stage), phase: 'forward', times: steps.length, counts: some, tile: generationTile(context, stage, Math.ceil(lanes / rows), mean(({ places, lanes: all }) => places / all), bytes / floatBytes), columns: program.rectangle.cols, rows,
      blocks: bytes > 0 ? 1 : 0, inBytes: bytes + rowBytes, outBytes: 0, memoryXOutBytes: (counts[at.weightBytesOut] as number) / steps.length, memoryXInBytes: 0, denseMacs: (counts[at.macs] as number) / steps.length,
    };
  });
  const tokens = mean(({ lanes }) => lanes), fullest = mean((step) => step.fullest), rows = Math.min(program.rectangle.rows, Math.ceil(fullest)), zeros = Array.from({ length: program.rectangle.cols }, () => 0), idle = program.rowEdges.slice(1).map(() => 0);
  const work: Work = {
    format: 1, kind: 'generation', steps: steps.length, model: { name: model.name, parameterCount: model.parameterCount }, samples: prompts.length, tokens, numCsx, fanIn, rectangle: program.rectangle, numbers: program.numbers, sram: program.sram,
    stateBytes: model.parameterCount * floatBytes, verdict: false, layers: model.layers.map(({ name }) => name), passes,
    microBatches: [{ times: 1, tokens: fullest, tokensOfRow: Math.ceil(fullest / rows), rows, busyCsx: Math.min(numCsx, prompts.length), order: stages.map((stage, pass) => ({ pass, layer: layerOf(context, stage, tableId) })) }],
    updates: [], updateCounts: {}, map: { products: zeros, scores: zeros, south: zeros, east: zeros, activationBytes: zeros, tokens: idle, pairs: idle, heldTokens: idle },
  };
  const some = workCounts(work);
  return {
    counts: Object.fromEntries(actions.map((action) => [action, some[action] ?? 0])) as Counts, work, rectangle: { rows: program.rectangle.rows, cols: program.rectangle.cols, tiles: program.rectangle.rows * program.rectangle.cols }, tiles: numCsx * rows * program.rectangle.cols,
    microBatches: 1, microBatchSize: Math.ceil(prompts.length / numCsx), microBatchSizeMax: Math.ceil(prompts.length / numCsx), recompute: program.recompute, logits: program.logits, sram: program.sram,
    memoryX: { stateBytes: work.stateBytes, dramBytes: work.stateBytes, flashBytes: 0 },
  };
};
