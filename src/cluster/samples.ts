/**
 * Samples over bands: in which bands the slabs of a sample lie, and which threads share its attention.
 *
 * Every actor derives the same from the deal. Not here: the attention (tile/attention.ts), waiting for each other (coordinator/down.ts).
 */
import { slabsOfSample, type BatchShape, type MicroBatch } from './deal.js';
import type { BandPlan } from './layout.js';

/** Consecutive slabs of a sample in one band, from place `p` of the band on. */
export interface Run {
  readonly band: BandPlan;
  readonly p: number;
  /** First slab of the run in the sample. */
  readonly first: number;
  readonly slabs: number;
}

/** One sample and those of its key–value heads that are this host's: every `step`-th from `firstHead` on. */
export interface Work {
  readonly runs: readonly Run[];
  readonly firstHead: number;
  readonly step: number;
}

/** The samples of a micro-batch in which this thread has a part. */
export const workOf = (bands: readonly BandPlan[], thread: number, microBatch: MicroBatch, batch: BatchShape): Work[] => {
  const together = slabsOfSample(batch);
  const list: Work[] = [];
  microBatch.wafers.forEach((range, wafer) => {
    const own = bands.filter((band) => band.wafer === wafer);
    for (let sample = 0; sample * together < range.count; sample++) {
      const from = sample * together, to = from + together;
      const runs = own
        .filter((band) => band.firstSlab < to && band.firstSlab + band.slabs > from)
        .map((band): Run => {
          const first = Math.max(from, band.firstSlab), end = Math.min(to, band.firstSlab + band.slabs);
          return { band, p: first - band.firstSlab, first: first - from, slabs: end - first };
        });
      const threads = [...new Set(runs.map((run) => run.band.thread))];
      const place = threads.indexOf(thread);
      if (place >= 0) list.push({ runs, firstHead: (place + sample) % threads.length, step: threads.length });
    }
  });
  return list;
};

/** Whether any sample of a micro-batch lies in bands of several threads: hosts then wait for each other around an attention. */
export const attentionIsShared = (bands: readonly BandPlan[], microBatch: MicroBatch, batch: BatchShape): boolean =>
  [...new Set(bands.map((band) => band.thread))].some((thread) => workOf(bands, thread, microBatch, batch).some((work) => work.step > 1));
