/**
 * The two tiers of one run: residence and flash joined, and the first fill.
 *
 *   lanes ─▶ flash port ─▶ residence          fill: group by group into DRAM, saved like any change, committed as the version that the run begins with
 *
 * Not here: steps (training.ts), files (flash/).
 */
import { ActorFailed } from '../../util/errors.js';
import { dealBatch } from '../deal.js';
import type { ClusterLayout, TierPlan } from '../layout.js';
import { keys, wantsOf } from '../wants.js';
import { flashPort, type FlashPort } from './flash-port.js';
import { Ledger, type Ports } from './ports.js';
import { Residence, type Durability } from './residence.js';
import { visitsOf } from './visits.js';

export interface Tiers {
  readonly residence: Residence;
  readonly ledger: Ledger;
  readonly flash: FlashPort;
}

export interface TiersOptions {
  readonly layout: ClusterLayout & { readonly tiers: TierPlan };
  readonly ports: Ports;
  readonly text: SharedArrayBuffer;
  /** Every shard has committed a version. */
  readonly acknowledge: (version: number) => void;
  readonly durability: Durability;
  /** Updates wait for the verdict of the whole step. */
  readonly verdict: boolean;
  /** The version that the run begins with, and whether it is on flash already. */
  readonly first: number;
  readonly isOnFlash: boolean;
  readonly stateOf: (version: number) => string;
}

export const startTiers = (o: TiersOptions): Tiers => {
  const { layout, ports } = o, ledger = new Ledger(), flash = flashPort(ports.lanes, ledger, o.text, o.acknowledge);
  const eventsOf = wantsOf({ layout, microBatches: dealBatch(layout.batch).length, verdict: o.verdict });
  return { ledger, flash, residence: new Residence({ layout, flash, durability: o.durability, eventsOf, stateOf: o.stateOf }, o.first, o.isOnFlash) };
};

/** Tries before its fault is taken for lasting. */
const triesMax = 8;

/** Does something that needs flash, again after a fault. */
const redoing = async ({ residence, ledger }: Tiers, revive: () => Promise<void>, signal: AbortSignal, work: () => Promise<void>): Promise<void> => {
  for (let tries = 1; ; tries++) {
    try {
      await work();
      return;
    } catch (error) {
      residence.halt(error as Error);
      await ledger.quiet();
      if (!(error instanceof ActorFailed) || tries === triesMax || signal.aborted) throw error;
      await revive();
      residence.restart(new Set());
    }
  }
};

/** Fills all groups. `fill` writes a parameter's first values where it lies now; it may be called again after a fault. */
export const fillTiers = (layout: ClusterLayout & { readonly tiers: TierPlan }, tiers: Tiers, first: number, fill: (parameter: number) => void, revive: () => Promise<void>, signal: AbortSignal): Promise<void> =>
  redoing(tiers, revive, signal, async () => {
    const { residence } = tiers;
    residence.begin({ count: 1, at: () => ({ kind: 'fill', step: first }) });
    const visits = visitsOf(residence);
    for (const [group, { parameters }] of layout.tiers.groups.entries()) {
      signal.throwIfAborted();
      await visits.during(() => keys.fill(group), 1, () => {
        parameters.forEach(fill);
        return Promise.resolve();
      });
    }
    await residence.commit(first);
  });

/** Leaves the last version on flash, whatever survives otherwise. */
export const closeTiers = (tiers: Tiers, last: number, revive: () => Promise<void>, signal: AbortSignal): Promise<void> => redoing(tiers, revive, signal, () => tiers.residence.commitAtLast(last));
