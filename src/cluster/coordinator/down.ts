/**
 * The way down: blocks from MemoryX through SwarmX to the bands of all wafers, in program order, the next ones streaming while these compute.
 *
 *   order ─credit─▶ slot, version, MemoryX send ─in order─▶ SwarmX broadcast ─▶ bands ─all done─▶ credit back
 *
 * Slots are taken in program order before anything waits, so that a late block can never starve an early one.
 * Not here: gradients once they are formed (up.ts), the update (attempt.ts).
 */
import { concatMap, mergeMap, type Observable } from 'rxjs';
import type { PassStep, StreamedPlan } from '../../compiler/program.js';
import { fromPull, type Credits } from '../../stream/credit.js';
import { inOrder } from '../../stream/in-order.js';
import { assert } from '../../util/errors.js';
import type { MicroBatch } from '../deal.js';
import type { ClusterLayout } from '../layout.js';
import { sparseGradientOf } from '../masks.js';
import { attentionIsShared } from '../samples.js';
import { keys } from '../wants.js';
import type { StreamItem } from './order.js';
import { pick, unitOf, type Ledger, type Ports } from './ports.js';
import type { Slots } from './slots.js';
import type { Versions } from './versions.js';
import type { Visits } from './visits.js';
import type { GradientBlock } from './up.js';

/** Items that are prepared ahead of the one being told. */
export const lookahead = 8;

export interface WayDownOptions {
  readonly layout: ClusterLayout;
  readonly microBatches: readonly MicroBatch[];
  readonly ports: Ports;
  readonly ledger: Ledger;
  readonly versions: Versions;
  readonly visits: Visits;
  readonly weightSlots: Slots;
  readonly gradientSlots: Slots;
  readonly ahead: Credits;
  /** The factor on a step's losses: f32(1 / valid labels) of its batch, times its loss scale once that is known. */
  readonly factor: (step: number) => number | Promise<number>;
  /** The number of the evaluation batch that a step stands for, or null in training. */
  readonly evaluation: ((step: number) => number) | null;
  readonly onGradient: (block: GradientBlock) => void;
  /** The last micro-batch of a step has its loss in the arena. */
  readonly onLoss: (step: number) => void;
  /** All deltas of the tables' gathered rows are in MemoryX. */
  readonly onScattered: (step: number) => void;
}

interface Ready {
  readonly index: number;
  readonly item: StreamItem;
  /** −1 where none is needed. */
  readonly slot: number;
  readonly gradientSlot: number;
  /** Bytes of its block on a link. */
  readonly bytes: number;
}

/** Passes whose blocks come from MemoryX, and passes whose blocks leave gradient nodes behind. */
const streamsDown: ReadonlySet<StreamItem['op']> = new Set(['forward', 'delta', 'headMax', 'headSum', 'headDelta']);
const leavesNodes: ReadonlySet<StreamItem['op']> = new Set(['gradient', 'headDelta']);
/** What MemoryX packs: a forward block, a delta block, or both; or the positions of a sparse gradient. */
const packOf = (op: StreamItem['op']): number => (op === 'delta' ? 1 : op === 'headDelta' ? 2 : op === 'gradient' ? 3 : 0);

export const wayDown = (source: Iterable<StreamItem>, o: WayDownOptions): Observable<void> => {
  const { layout, ports, ledger, versions, visits, weightSlots, gradientSlots } = o;
  const { program } = layout;
  const bandsIn = o.microBatches.map((microBatch) =>
    layout.arena.bands.filter((band) => Math.min(band.slabs, (microBatch.wafers[band.wafer]?.count ?? 0) - band.firstSlab) > 0));
  /** Micro-batches in which hosts share a sample: nobody attends before the others have its keys and values, and nobody goes on before all have attended. */
  const shared = o.microBatches.map((microBatch) => program.attentions.length > 0 && attentionIsShared(layout.arena.bands, microBatch, layout.batch));
  const lossPass = program.passes.findIndex((pass) => pass.op === 'headSum' || pass.locals.some((step) => step.op === 'loss'));
  /** What was told since the last micro-batch entered: its entry buffers are free when all of it is done. */
  let current: Promise<unknown>[] = [];

  const passOf = (item: StreamItem): PassStep => {
    const pass = program.passes[item.pass];
    assert(pass !== undefined, `pass ${item.pass} is in the program`);
    return pass;
  };
  const streamedOf = (item: StreamItem): { readonly plan: StreamedPlan; readonly number: number } => {
    const pass = passOf(item);
    assert('streamed' in pass, 'the pass has blocks');
    const plan = program.streamed[pass.streamed];
    assert(plan !== undefined, `streamed layer ${pass.streamed} is in the program`);
    return { plan, number: pass.streamed };
  };

  /** Whether something comes from MemoryX for an item: a wafer keeps no weights, so it is told which gradients of a sparse one are wanted. */
  const comesDown = (item: StreamItem): boolean => streamsDown.has(item.op) || (item.op === 'gradient' && sparseGradientOf(layout, streamedOf(item).plan, item.step) !== null);

  /** Returns the bytes of the block. */
  const send = async (item: StreamItem, slot: number, gradientSlot: number): Promise<number> => {
    const { plan, number } = streamedOf(item);
    await versions.at(plan.weight, item.step);
    if (plan.bias !== null) await versions.at(plan.bias, item.step);
    const unit = pick(ports.units, unitOf(number, item.block, ports.units.length));
    const { step, microBatch, pass } = item, blocks = (item.op === 'delta' ? plan.deltaBlocks : plan.forwardBlocks).length;
    const sent = await visits.during(() => keys.read(step, microBatch, pass), blocks, () =>
      ledger.ask(unit, { type: 'memoryx.send', step, pass: packOf(item.op), streamed: number, block: item.block, slot, gradientSlot: item.op === 'gradient' ? gradientSlot : -1 }));
    assert(sent.type === 'memoryx.sent', 'a unit says how many bytes it sent');
    return sent.bytes;
  };
  const enter = async (item: StreamItem): Promise<void> => {
    await Promise.allSettled(current);
    current = [];
    const { step, microBatch } = item;
    const tables = layout.memoryX.embeddings;
    for (const { parameter } of tables) await versions.at(parameter, step);
    const known = o.factor(step), factor = typeof known === 'number' ? known : await known, batch = o.evaluation === null ? step : o.evaluation(step);
    const deal = (): Promise<unknown> => Promise.all((bandsIn[microBatch] ?? []).map(async (band) => {
      await ledger.ask(pick(ports.inputs, band.id), { type: 'input.deal', step, batch, microBatch, factor, evaluate: o.evaluation === null ? 0 : 1 });
      if (tables.length > 0) await ledger.ask(pick(ports.units, band.thread), { type: 'memoryx.gather', step, microBatch, band: band.id });
    }));
    await (tables.length === 0 ? deal() : visits.during(() => keys.read(step, microBatch, item.pass), 1, deal));
  };

  const prepare = async (item: StreamItem, index: number): Promise<Ready> => {
    // Both are asked for at once: a later item must not come between.
    const [slot, gradientSlot] = await Promise.all([comesDown(item) ? weightSlots.acquire() : -1, leavesNodes.has(item.op) ? gradientSlots.acquire() : -1]);
    return { index, item, slot, gradientSlot, bytes: slot >= 0 ? await send(item, slot, gradientSlot) : 0 };
  };

  const hostsIn = bandsIn.map((bands) => ports.hosts.filter(({ thread }) => bands.some((band) => band.thread === thread)));
  /** Tells every host that has samples, and SwarmX what passes it on the way; the order of calls is the program's. */
  const tell = ({ item, slot, gradientSlot, bytes }: Ready): Promise<unknown> => {
    const { step, microBatch, pass, block } = item;
    const hosts = (hostsIn[microBatch] ?? []).map(({ ref }) => ledger.ask(ref, { type: 'tile.work', step, microBatch, pass, block, slot, gradientSlot, evaluate: o.evaluation === null ? 0 : 1 }));
    return Promise.all<unknown>(slot >= 0 ? [...hosts, ...ports.nodes.map((node) => ledger.ask(node, { type: 'swarmx.broadcast', step, bytes }))] : hosts);
  };

  const finish = async ({ item, slot, gradientSlot }: Ready, told: Promise<unknown>): Promise<void> => {
    await told;
    const { step, microBatch, lastMicroBatch } = item;
    if (lastMicroBatch && item.pass === lossPass && isLastBlock(item)) o.onLoss(step);
    if (slot >= 0) weightSlots.release(slot);
    if (gradientSlot >= 0) o.onGradient({ step, microBatch, lastMicroBatch, streamed: streamedOf(item).number, block: item.block, slot: gradientSlot });
    if (item.op !== 'scatter') return;
    const scatter = (): Promise<unknown> => ledger.ask(pick(ports.units, 0), { type: 'memoryx.scatter', microBatch });
    await (lastMicroBatch ? visits.during(() => keys.scatter(step), 1, scatter) : scatter());
    if (lastMicroBatch) o.onScattered(step);
  };
  const isLastBlock = (item: StreamItem): boolean => {
    if (!streamsDown.has(item.op)) return true;
    const { plan } = streamedOf(item);
    return item.block === (item.op === 'delta' ? plan.deltaBlocks : plan.forwardBlocks).length - 1;
  };

  /** Tells an item; settles when the next one may be told, with the promise of all that follows from it. */
  const issue = async (ready: Ready): Promise<{ readonly done: Promise<void> }> => {
    const { item } = ready;
    const together = (item.op === 'attention' || item.op === 'attentionDelta') && shared[item.microBatch] === true;
    if (item.op === 'input' || item.op === 'gather') await enter(item);
    if (together) await Promise.allSettled(current);
    const done = finish(ready, tell(ready));
    // Whoever listens hears of a failure; after the first one nobody does.
    done.catch(() => {});
    current.push(done);
    if (together) await done.catch(() => {});
    return { done };
  };

  return fromPull(source, o.ahead, prepare, { reachMax: lookahead }).pipe(
    inOrder({ indexOf: (ready) => ready.index, capacity: lookahead }),
    concatMap(issue),
    mergeMap(({ done }) => done),
  );
};
