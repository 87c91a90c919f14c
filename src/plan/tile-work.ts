/**
 * What the fullest tile of the fullest wafer does in one execution of a pass: the tile of the fullest column and the fullest row.
 *
 *   features of a column × tokens of a row ─▶ vectors, travelling sums, elements, wavelets on its links
 *
 * An instruction over a vector is one weight (or key) times the tokens of the row. Sums over a row are counted where more than one column takes part. Assumptions beyond
 * the counted actions stand in docs/timing.md. Not here: sums over all tiles (passes.ts).
 */
import type { AttentionPlan, HeadPlan, LinearPlan, LocalStep, NormPlan, PassStep } from '../compiler/program.js';
import type { PassOp, TileWork } from '../trace/work.js';
import { ceilDiv } from '../util/units.js';
import type { PlanContext } from './context.js';
import { attentionPlan, streamedPlan } from './passes.js';
import type { SharedBy } from './shares.js';
import type { SparseStream, Streamed } from './streams.js';

type Work = { -readonly [K in keyof TileWork]: TileWork[K] };

const nothing = (): Work => ({ vectors: 0, macs: 0, rowVectors: 0, rowValues: 0, columnValues: 0, elements: 0, elementVectors: 0, tasks: 0, waveletsSouth: 0, waveletsEast: 0, waveletsNorth: 0 });

const products = (to: Work, vectors: number, length: number): void => {
  to.vectors += vectors;
  to.macs += vectors * length;
  to.tasks += vectors;
};
const rowSums = (to: Work, vectors: number, length: number, columns: number): void => {
  if (columns <= 1) return;
  to.rowVectors += vectors;
  to.rowValues += vectors * length;
  to.waveletsEast += vectors * length;
  to.tasks += vectors;
};
const elements = (to: Work, vectors: number, length: number): void => {
  to.elementVectors += vectors;
  to.elements += vectors * length;
};

const linear = (to: Work, context: PlanContext, op: PassOp, plan: LinearPlan, tokens: number, { run }: Streamed, sparse: SparseStream | null): void => {
  const isDelta = op === 'linear.delta', buffer = isDelta ? plan.y : plan.x, columns = context.columns(buffer), contracted = isDelta ? plan.outputs : plan.inputs;
  // All of its features, or what the mask stores there: the mean over columns times the fullest one's excess.
  const isDense = sparse === null || run.stored === contracted * run.results;
  const mine = isDense ? context.fullest(buffer) * run.results : Math.min(run.stored, (run.stored / columns) * sparse.imbalance);
  products(to, mine, tokens);
  to.waveletsSouth += (run.wavelets / Math.max(1, run.stored)) * mine;
  if (op === 'linear.gradient') {
    to.tasks += run.results - mine;
    to.columnValues += mine;
    to.waveletsNorth += mine;
    // The deltas of the row's tokens go along the row.
    if (columns > 1) to.waveletsEast += run.results * tokens;
  } else rowSums(to, run.results, tokens, columns);
  if (plan.bias !== null && !isDelta) {
    const own = context.fullestOf(plan.outputs);
    elements(to, own, tokens);
    if (op === 'linear.gradient') to.columnValues += own;
  }
};

const norm = (to: Work, context: PlanContext, op: PassOp, plan: NormPlan, tokens: number): void => {
  const columns = context.columns(plan.x), own = context.fullest(plan.x), sums = op === 'norm.gradient' ? 0 : plan.centered ? 2 : 1, tensors = plan.bias === null ? 1 : 2;
  elements(to, (op === 'norm.gradient' ? tensors : sums + 1) * own, tokens);
  rowSums(to, 2 * sums, tokens, columns);
  to.waveletsSouth += op === 'norm.gradient' ? 0 : Math.ceil((own * (op === 'norm.delta' ? 1 : tensors) * context.weightBytes) / 4);
  if (op === 'norm.gradient') {
    to.columnValues += own * tensors;
    to.waveletsNorth += own * tensors;
  }
};

const head = (to: Work, context: PlanContext, op: PassOp, plan: HeadPlan, tokens: number, { run, blocks }: Streamed): void => {
  const columns = context.columns(plan.x), own = context.fullest(plan.x), outputs = context.columns(plan.y), classes = Math.ceil((plan.outputs * context.fullest(plan.y)) / (context.program.buffers[plan.y]?.features ?? 1)), isDelta = op === 'head.delta';
  products(to, own * run.results, tokens);
  rowSums(to, run.results, tokens, columns);
  elements(to, classes * (isDelta ? 2 : 1), tokens);
  to.waveletsSouth += (run.wavelets / Math.max(1, run.stored)) * own * run.results;
  if (!isDelta) return;
  products(to, own * run.results, tokens);
  to.columnValues += own * run.results;
  to.waveletsNorth += own * run.results;
  if (columns > 1) to.waveletsEast += run.results * tokens;
  if (plan.dx === null) return;
  products(to, classes * plan.inputs, tokens);
  rowSums(to, blocks * plan.inputs, tokens, outputs);
};

/** Scores are sums along the columns of a head; keys and values of the sample's earlier rows pass by. */
const attention = (to: Work, context: PlanContext, op: PassOp, a: AttentionPlan, { rowTokens: tokens, rowPairs: pairs }: SharedBy): void => {
  const features = a.heads * a.headSize, own = context.fullest(a.o), share = own / features, again = op === 'attention.delta' && a.scores === null ? 1 : 0, isDelta = op === 'attention.delta';
  const macs = (isDelta ? 4 + again : 2) * pairs * own, heads = Math.max(1, own / a.headSize), isSplit = own < a.headSize;
  products(to, Math.ceil(macs / Math.max(1, tokens)), tokens);
  elements(to, Math.ceil(((1 + (isDelta ? again : 0)) * a.heads * pairs * share) / Math.max(1, tokens)) + own, tokens);
  if (isSplit) rowSums(to, Math.ceil((2 * (1 + again) * heads * pairs) / Math.max(1, tokens)), tokens, 2);
  const earlier = Math.max(0, context.batch.tokensPerSample - tokens) * 2 * own * (a.kvHeads / a.heads);
  to.waveletsSouth += earlier;
  if (isDelta) to.waveletsNorth += earlier;
};

const local = (to: Work, context: PlanContext, step: LocalStep, tokens: number): void => {
  if (step.op === 'round') return;
  const features = step.op === 'rotary' ? (step.heads + step.kvHeads) * step.headSize : (context.program.model.layers[step.layer]?.features ?? 0);
  elements(to, context.fullestOf(features), tokens);
  to.tasks++;
  if (step.op === 'loss') rowSums(to, 4, tokens, context.columns(step.x));
};

/** `share`: that of the fullest wafer. */
export const tileWork = (context: PlanContext, op: PassOp, pass: PassStep, streamed: Streamed | null, sparse: SparseStream | null, share: SharedBy): TileWork => {
  const to = nothing(), plan = streamedPlan(context, pass), attended = attentionPlan(context, pass), { rowTokens: tokens } = share;
  if (plan?.kind === 'linear' && streamed !== null) linear(to, context, op, plan, tokens, streamed, sparse);
  else if (plan?.kind === 'norm') norm(to, context, op, plan, tokens);
  else if (plan?.kind === 'head' && streamed !== null) head(to, context, op, plan, tokens, streamed);
  if (attended !== null) attention(to, context, op, attended, share);
  for (const step of pass.locals) local(to, context, step, tokens);
  // At the wafer's edge a column's link carries what leaves and returns for all of its rows.
  const crossing = (buffer: number | undefined): number => (buffer === undefined ? 0 : ceilDiv(context.fullest(buffer) * share.share.tokens * context.activationBytes, 4));
  to.waveletsSouth += crossing(pass.returns);
  to.waveletsNorth += crossing(pass.leaves);
  return to;
};
