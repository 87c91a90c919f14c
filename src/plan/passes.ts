/**
 * Counting one pass over one micro-batch by all devices, in closed form: the same formulas by which tile hosts count, and what wafers, SwarmX and MemoryX add.
 *
 *   pass + what it streams + shares of the wafers ─▶ counted actions
 *
 * Law (test/laws/plan.test.ts): over a run they add up to the run's counts, exactly. Not here: the fullest tile (tile-work.ts), steps (tally.ts).
 */
import { countAttention, countAttentionDelta } from '../cluster/tile/count-attention.js';
import { countDelta, countForward, countGradient, countHead, countLocal, countNorm, countNormDelta, countNormGradient, countOffload } from '../cluster/tile/count.js';
import type { AttentionPlan, PassStep, StreamedPlan } from '../compiler/program.js';
import { inputOf } from '../model/graph.js';
import { actions, at, count } from '../trace/counts.js';
import type { PassOp, Phase } from '../trace/work.js';
import { assert } from '../util/errors.js';
import type { PlanContext } from './context.js';
import type { MicroBatchGroup, Ways } from './shares.js';
import { headStreamed, linearStreamed, normStreamed, type SparseStream, type Streamed } from './streams.js';

export const streamedPlan = ({ program }: PlanContext, pass: PassStep): StreamedPlan | null => ('streamed' in pass ? (program.streamed[pass.streamed] ?? null) : null);
export const attentionPlan = ({ program }: PlanContext, pass: PassStep): AttentionPlan | null => ('attention' in pass ? (program.attentions[pass.attention] ?? null) : null);

const headOps = { headMax: 'head.max', headSum: 'head.sum', headDelta: 'head.delta' } as const;

export const opOf = (context: PlanContext, pass: PassStep): PassOp => {
  const kind = streamedPlan(context, pass)?.kind;
  switch (pass.op) {
    case 'forward':
    case 'delta':
    case 'gradient':
      return `${kind === 'norm' ? 'norm' : 'linear'}.${pass.op}`;
    case 'headMax':
    case 'headSum':
    case 'headDelta':
      return headOps[pass.op];
    case 'attentionDelta':
      return 'attention.delta';
    case 'input':
    case 'gather':
    case 'attention':
    case 'locals':
    case 'scatter':
      return pass.op;
  }
};

export const phaseOf = (op: PassOp, { backward, locals }: PassStep): Phase => {
  if (!backward) return 'forward';
  if (op.endsWith('.gradient')) return 'gradient';
  if (op === 'locals') return locals.some((step) => step.op.endsWith('Delta') || ('direction' in step && step.direction === -1)) ? 'delta' : 'recompute';
  return op.endsWith('.forward') || op === 'attention' ? 'recompute' : 'delta';
};

/** What a pass streams; null where it streams nothing. */
export const streamedOf = (context: PlanContext, op: PassOp, pass: PassStep, sparse: SparseStream | null): Streamed | null => {
  const plan = streamedPlan(context, pass);
  if (plan === null) return null;
  if (plan.kind === 'norm') return normStreamed(context, op as 'norm.forward', plan);
  if (plan.kind === 'head') return headStreamed(context, op === 'head.delta', plan);
  return linearStreamed(context, op as 'linear.forward', plan, sparse);
};

/** A block that goes down to every wafer, and values that come up from all. */
const countWays = (to: Float64Array, { down, up }: Streamed, ways: Ways): void => {
  count(to, 'weightBytesOut', down);
  count(to, 'linkDownBytes', down * ways.links);
  count(to, 'ioInBytes', down * ways.wafers);
  count(to, 'ioOutBytes', up * 4 * ways.senders);
  count(to, 'contractOverhead', up * ways.overhead);
  count(to, 'linkUpBytes', up * 4 * ways.linksUp);
  count(to, 'reduceAdds', up * ways.adds);
  count(to, 'gradientBytesIn', up * 4 * ways.nodes);
};

/** Counts of one execution over a micro-batch of a group; a layout of `actions`. */
export const countPass = (context: PlanContext, op: PassOp, pass: PassStep, streamed: Streamed | null, group: MicroBatchGroup): Float64Array => {
  const { program, batch, weightBytes, activationBytes } = context, { model } = program, total = new Float64Array(actions.length);
  const plan = streamedPlan(context, pass), attention = attentionPlan(context, pass);
  for (const { share, wafers } of group.shares) {
    const to = new Float64Array(actions.length);
    if (plan !== null && streamed !== null) {
      const { run } = streamed;
      if (plan.kind === 'head') countHead(to, program, share, plan, run, streamed.blocks, op === 'head.delta');
      else if (plan.kind === 'norm') (op === 'norm.forward' ? countNorm : op === 'norm.delta' ? countNormDelta : countNormGradient)(to, program, share, plan);
      else (op === 'linear.forward' ? countForward : op === 'linear.delta' ? countDelta : countGradient)(to, program, share, plan, run);
    }
    if (attention !== null) (op === 'attention' ? countAttention : countAttentionDelta)(to, program, batch, share, attention);
    const input = inputOf(model);
    if (pass.op === 'input' || pass.op === 'gather') count(to, 'ioInBytes', share.tokens * (4 + (input.kind === 'features' ? input.features * activationBytes : 0)));
    if (pass.op === 'gather') {
      const table = model.layers[pass.layer];
      assert(table?.kind === 'embedding', 'rows are gathered from a table');
      const tables = table.positions === null ? 1 : 2, rows = share.tokens * table.context * tables;
      count(to, 'gatheredRows', rows);
      count(to, 'weightBytesOut', rows * table.dim * weightBytes);
    }
    if (pass.returns !== undefined) countOffload(to, program, share, pass.returns, 'ioInBytes');
    for (const step of pass.locals) countLocal(to, program, share, step);
    if (pass.leaves !== undefined) countOffload(to, program, share, pass.leaves, 'ioOutBytes');
    for (const action of actions) total[at[action]] = (total[at[action]] ?? 0) + (to[at[action]] ?? 0) * wafers;
  }
  if (streamed !== null) countWays(total, streamed, group.ways);
  return total;
};
