/**
 * The way up: gradient blocks from the bands through wafers and SwarmX to MemoryX, and the update behind the last of a layer.
 *
 *   bands done ─▶ wafer reduce ─▶ SwarmX tier by tier ─▶ MemoryX collect ─▶ credit back ─┬─▶ (layer whole) update ─▶ version
 *
 * Blocks overlap; the nodes of one block reach MemoryX in the order of micro-batches. Not here: the products (tile/), the additions (the devices).
 */
import { Observable, Subject, mergeMap } from 'rxjs';
import type { Program } from '../../compiler/program.js';
import type { MicroBatch } from '../deal.js';
import type { ClusterLayout } from '../layout.js';
import type { TreeNodePlan } from '../swarmx/protocol.js';
import { keys } from '../wants.js';
import { pick, unitOf, type Ledger, type Ports } from './ports.js';
import type { Slots } from './slots.js';
import type { Visits } from './visits.js';

/** A gradient block whose nodes stand in a slot of every band. */
export interface GradientBlock {
  readonly step: number;
  readonly microBatch: number;
  readonly lastMicroBatch: boolean;
  readonly streamed: number;
  readonly block: number;
  readonly slot: number;
}

export interface WayUp {
  /** Where the way down leaves finished gradient blocks. */
  readonly blocks: Subject<GradientBlock>;
  /** Parameters whose gradient is whole. */
  readonly whole$: Observable<{ readonly step: number; readonly parameter: number }>;
}

export const wayUp = (layout: ClusterLayout, tree: readonly TreeNodePlan[], microBatches: readonly MicroBatch[], ports: Ports, ledger: Ledger, slots: Slots, visits: Visits): WayUp => {
  const program: Program = layout.program;
  const blocks = new Subject<GradientBlock>();
  /** The last collect of each block: nodes of one block are collected in order. */
  const tails = new Map<string, Promise<unknown>>();
  const left = new Map<string, number>();

  /** SwarmX nodes with anything below them, tier by tier, for each micro-batch. */
  const tiers = Math.max(-1, ...tree.map((node) => node.tier)) + 1;
  const busyTiers = microBatches.map(({ wafers }) => Array.from({ length: tiers }, (_, tier) =>
    tree.filter((node) => node.tier === tier && wafers.slice(node.firstWafer, node.firstWafer + node.wafers).some((range) => range.count > 0)).map((node) => node.id)));

  const reduce = async (block: GradientBlock): Promise<GradientBlock> => {
    const { step, microBatch, streamed, slot } = block;
    const where = { step, microBatch, streamed, block: block.block, slot };
    const wafers = microBatches[microBatch]?.wafers ?? [];
    await Promise.all(ports.wafers.filter((group) => group.wafers.some((w) => (wafers[w]?.count ?? 0) > 0)).map(({ ref }) => ledger.ask(ref, { type: 'wafer.reduce', ...where })));
    for (const tier of busyTiers[microBatch] ?? []) await Promise.all(tier.map((node) => ledger.ask(pick(ports.nodes, node), { type: 'swarmx.reduce', ...where })));
    const key = `${streamed}/${block.block}`;
    const unit = pick(ports.units, unitOf(streamed, block.block, ports.units.length));
    const collected = (tails.get(key) ?? Promise.resolve()).then(() =>
      visits.during(() => keys.collect(step, microBatch, streamed), program.streamed[streamed]?.forwardBlocks.length ?? 0, () => ledger.ask(unit, { type: 'memoryx.collect', ...where })));
    tails.set(key, collected);
    await collected;
    slots.release(slot);
    return block;
  };

  const whole$ = blocks.pipe(
    mergeMap(reduce, slots.credits.max),
    mergeMap((block) => {
      if (!block.lastMicroBatch) return [];
      const plan = program.streamed[block.streamed];
      const key = `${block.step}/${block.streamed}`;
      const remaining = (left.get(key) ?? plan?.forwardBlocks.length ?? 0) - 1;
      if (remaining > 0) {
        left.set(key, remaining);
        return [];
      }
      left.delete(key);
      return plan === undefined ? [] : [plan.weight, ...(plan.bias === null ? [] : [plan.bias])].map((parameter) => ({ step: block.step, parameter }));
    }),
  );
  return { blocks, whole$ };
};
