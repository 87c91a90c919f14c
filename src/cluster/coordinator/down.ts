/**
 * The way down: blocks from MemoryX through SwarmX to the bands of all wafers, in program order, the next ones streaming while these compute.
 *
 *   order ─credit─▶ slot, version, MemoryX send ─in order─▶ SwarmX broadcast ─▶ bands ─all done─▶ credit back
 *
 * Slots are taken in program order before anything waits, so that a late block can never starve an early one.
 * Not here: gradients once they are formed (up.ts), the update (attempt.ts).
 */
import { concatMap, mergeMap, type Observable } from 'rxjs';
import { fromPull, type Credits } from '../../stream/credit.js';
import { inOrder } from '../../stream/in-order.js';
import type { MicroBatch } from '../deal.js';
import type { ClusterLayout } from '../layout.js';
import type { TileCommand } from '../tile/protocol.js';
import type { StreamItem } from './order.js';
import { pick, unitOf, type Ledger, type Ports } from './ports.js';
import type { Slots } from './slots.js';
import type { Versions } from './versions.js';
import type { GradientBlock } from './up.js';

/** Items that are prepared ahead of the one being told. */
export const lookahead = 8;

export interface WayDownOptions {
  readonly layout: ClusterLayout;
  readonly microBatches: readonly MicroBatch[];
  readonly ports: Ports;
  readonly ledger: Ledger;
  readonly versions: Versions;
  readonly weightSlots: Slots;
  readonly gradientSlots: Slots;
  readonly ahead: Credits;
  /** f32(1 / valid labels) of a step. */
  readonly factor: (step: number) => number;
  readonly onGradient: (block: GradientBlock) => void;
  /** The last micro-batch of a step has its loss in the arena. */
  readonly onLoss: (step: number) => void;
  /** All deltas of a table's gathered rows are in MemoryX. */
  readonly onScattered: (step: number, table: number) => void;
}

interface Ready {
  readonly index: number;
  readonly item: StreamItem;
  readonly slot: number;
}

export const wayDown = (source: Iterable<StreamItem>, o: WayDownOptions): Observable<void> => {
  const { layout, ports, ledger, versions, weightSlots, gradientSlots } = o;
  const { program } = layout;
  const bandsIn = o.microBatches.map((microBatch) =>
    layout.arena.bands.filter((band) => Math.min(band.slabs, (microBatch.wafers[band.wafer]?.count ?? 0) - band.firstSlab) > 0));
  /** What was told since the last micro-batch entered: its entry buffers are free when all of it is done. */
  let current: Promise<unknown>[] = [];
  let lossOf = -1;

  const send = async (item: Extract<StreamItem, { op: 'forward' | 'delta' }>, slot: number): Promise<void> => {
    const linear = program.linears[item.linear];
    if (linear === undefined) return;
    await versions.at(linear.weight, item.step);
    if (linear.bias !== null) await versions.at(linear.bias, item.step);
    const unit = pick(ports.units, unitOf(item.linear, item.block, ports.units.length));
    await ledger.ask(unit, { type: 'memoryx.send', step: item.step, pass: item.op === 'forward' ? 0 : 1, linear: item.linear, block: item.block, slot });
  };
  const enter = async (item: Extract<StreamItem, { op: 'enter' }>): Promise<void> => {
    await Promise.allSettled(current);
    current = [];
    const { step, microBatch, table } = item;
    if (table !== null) await versions.at(table, step);
    const factor = o.factor(step);
    await Promise.all((bandsIn[microBatch] ?? []).map(async (band) => {
      await ledger.ask(pick(ports.inputs, band.id), { type: 'input.deal', step, microBatch, factor });
      if (table !== null) await ledger.ask(pick(ports.units, band.thread), { type: 'memoryx.gather', step, microBatch, band: band.id });
    }));
  };

  const prepare = async (item: StreamItem, index: number): Promise<Ready> => {
    switch (item.op) {
      case 'forward':
      case 'delta': {
        const slot = await weightSlots.acquire();
        await send(item, slot);
        return { index, item, slot };
      }
      case 'gradient':
        return { index, item, slot: await gradientSlots.acquire() };
      default:
        return { index, item, slot: -1 };
    }
  };

  const commandOf = (item: StreamItem, slot: number): TileCommand => {
    const { step, microBatch } = item;
    switch (item.op) {
      case 'enter':
        return { type: 'tile.enter', step, microBatch };
      case 'scatter':
        return { type: 'tile.scatter', step, microBatch };
      default:
        return { type: `tile.${item.op}`, step, microBatch, linear: item.linear, block: item.block, slot };
    }
  };

  const hostsIn = bandsIn.map((bands) => ports.hosts.filter(({ thread }) => bands.some((band) => band.thread === thread)));
  /** Tells every host that has samples, and SwarmX what passes it on the way; the order of calls is the program's. */
  const tell = ({ item, slot }: Ready): Promise<unknown> => {
    const hosts = (hostsIn[item.microBatch] ?? []).map(({ ref }) => ledger.ask(ref, commandOf(item, slot)));
    return Promise.all<unknown>(item.op === 'forward' || item.op === 'delta' ? [...hosts, ...broadcast(item)] : hosts);
  };
  const broadcast = (item: Extract<StreamItem, { op: 'forward' | 'delta' }>): Promise<unknown>[] => {
    const linear = program.linears[item.linear];
    const block = item.op === 'forward' ? linear?.forwardBlocks[item.block] : linear?.deltaBlocks[item.block];
    if (linear === undefined || block === undefined) return [];
    const contracted = item.op === 'forward' ? linear.inputs + (linear.bias === null ? 0 : 1) : linear.outputs;
    return ports.nodes.map((node) => ledger.ask(node, { type: 'swarmx.broadcast', step: item.step, bytes: contracted * block.count * 4 }));
  };

  const finish = async ({ item, slot }: Ready, told: Promise<unknown>): Promise<void> => {
    await told;
    if (item.lastMicroBatch && (item.op === 'gradient' || item.op === 'scatter') && lossOf < item.step) {
      lossOf = item.step;
      o.onLoss(item.step);
    }
    switch (item.op) {
      case 'forward':
      case 'delta':
        weightSlots.release(slot);
        return;
      case 'gradient':
        o.onGradient({ step: item.step, microBatch: item.microBatch, lastMicroBatch: item.lastMicroBatch, linear: item.linear, block: item.block, slot });
        return;
      case 'scatter':
        await ledger.ask(pick(ports.units, 0), { type: 'memoryx.scatter', microBatch: item.microBatch });
        if (item.lastMicroBatch) o.onScattered(item.step, item.table);
        return;
      default:
    }
  };

  /** Tells an item; settles when the next one may be told, with the promise of all that follows from it. */
  const issue = async (ready: Ready): Promise<{ readonly done: Promise<void> }> => {
    if (ready.item.op === 'enter') await enter(ready.item);
    const done = finish(ready, tell(ready));
    // Whoever listens hears of a failure; after the first one nobody does.
    done.catch(() => {});
    current.push(done);
    return { done };
  };

  return fromPull(source, o.ahead, prepare, { reachMax: lookahead }).pipe(
    inOrder({ indexOf: (ready) => ready.index, capacity: lookahead }),
    concatMap(issue),
    mergeMap(({ done }) => done),
  );
};
