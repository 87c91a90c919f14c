/**
 * Broadcast: hands each item to n consumers; the item's work has ended when all n have acknowledged it.
 *
 *   block ──▶ consumer 0 ──┐
 *         ──▶ consumer 1 ──┼─▶ acknowledgements, in the consumers' order; only now does a pull give the credit back
 *         ──▶ consumer 2 ──┘
 *
 * Not here: how consumers are reached (cluster/swarmx/), how many items are in flight (credit.ts).
 */
import { InvalidConfig } from '../util/errors.js';

/**
 * The project of a pull that hands each item to the consumers 0 … n−1. It settles when every consumer has acknowledged or failed, so that
 * a shared block is never free while someone may still read it; of several failures the one of the lowest consumer is thrown.
 */
export const broadcastTo = <T, A>(n: number, hand: (item: T, consumer: number, index: number) => PromiseLike<A>): ((item: T, index: number) => Promise<A[]>) => {
  if (!Number.isSafeInteger(n) || n < 1) throw new InvalidConfig({ what: 'consumers of a broadcast', value: n, limit: 'a whole number from 1' });
  const consumers = Array.from({ length: n }, (_, consumer) => consumer);
  return async (item, index) => {
    const settled = await Promise.allSettled(consumers.map(async (consumer) => hand(item, consumer, index)));
    return settled.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  };
};
