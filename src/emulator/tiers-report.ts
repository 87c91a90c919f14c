/** What a run asked of MemoryX's tiers, from the counters of its residence and its flash. Not here: moving anything (cluster/coordinator/). */
import { lanesPerShard } from '../cluster/flash-blocks.js';
import type { Tiers } from '../cluster/coordinator/tiered.js';
import type { ClusterLayout } from '../cluster/layout.js';
import type { TiersReport } from '../trace/record.js';

/** Lanes that were busy for this share of the time bound the run. */
const busyShare = 0.7;

/** `seconds`: of the steps; `shards`: of the store. */
export const reportTiers = ({ memoryX }: ClusterLayout, { residence, flash }: Tiers, budgetBytes: number | undefined, shards: number, seconds: number): TiersReport => {
  const { readBytes, writtenBytes, readSeconds, writeSeconds, commits, commitSeconds } = flash.totals, lanes = shards * lanesPerShard;
  const rate = (bytes: number, busy: number): number => (busy === 0 ? 0 : (bytes / busy) * lanes);
  const isBusy = (readSeconds + writeSeconds) / lanes + commitSeconds > busyShare * seconds;
  const most = Math.max(readSeconds / lanes, writeSeconds / lanes, commitSeconds);
  return {
    dram: { budgetBytes: budgetBytes ?? null, bytes: memoryX.memoryBytes.reduce((sum, bytes) => sum + bytes, 0), stateBytesMax: residence.highWater },
    flash: { shards, readBytes, writtenBytes, readRate: rate(readBytes, readSeconds), writeRate: rate(writtenBytes, writeSeconds), commits, commitSeconds },
    hitRate: residence.wantedBytes === 0 ? 1 : Math.max(0, 1 - readBytes / residence.wantedBytes),
    waitedSeconds: residence.waitedMs / 1000,
    boundBy: !isBusy ? 'wafers' : most === commitSeconds ? 'making steps durable' : most === writeSeconds / lanes ? 'writing flash' : 'reading flash',
  };
};
