/**
 * Gather by key: collects one contribution from each source for a key, and emits them in the order of the sources.
 *
 *   source 1, key A ─┐
 *   source 0, key B ─┼─▶ slots by (key, source) ──▶ { key A, contributions [of 0, of 1, …] } when the last slot is filled
 *   source 0, key A ─┘
 *
 * The order of arrival decides when a key is emitted, never the order of what is summed. Not here: the sum (cluster/swarmx/, cluster/memoryx/).
 */
import { Observable, type OperatorFunction } from 'rxjs';
import { EmulatorBug, InvalidConfig } from '../util/errors.js';

export interface GatherOptions<T, K> {
  readonly keyOf: (item: T) => K;
  /** 0 … sources−1. */
  readonly sourceOf: (item: T) => number;
  readonly sources: number;
  /** Most keys that wait for contributions at once. */
  readonly pendingMax: number;
}

/** All contributions to a key, in the order of the sources. */
export interface Gathered<T, K> {
  readonly key: K;
  readonly contributions: readonly T[];
}

interface Slots<T> {
  readonly bySource: ({ readonly item: T } | undefined)[];
  filled: number;
}

const checkCount = (what: string, value: number): void => {
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidConfig({ what: `${what} of gatherByKey`, value, limit: 'a whole number from 1' });
};

/**
 * Errors with EmulatorBug on a source that contributes twice to a key, on an unknown source, on one more waiting key than `pendingMax`, and
 * on an end with keys that still wait. Whether a key comes anew after it was emitted is the caller's affair: it waits like any other.
 */
export const gatherByKey = <T, K>(options: GatherOptions<T, K>): OperatorFunction<T, Gathered<T, K>> => {
  const { keyOf, sourceOf, sources, pendingMax } = options;
  checkCount('sources', sources);
  checkCount('pendingMax', pendingMax);
  return (stream) =>
    new Observable((subscriber) => {
      const pending = new Map<K, Slots<T>>();
      const slotsOf = (key: K): Slots<T> => {
        const known = pending.get(key);
        if (known !== undefined) return known;
        if (pending.size >= pendingMax) {
          throw new EmulatorBug({ what: `a reduction has ${pending.size} keys that wait and gets one more`, value: String(key), limit: pendingMax });
        }
        const slots: Slots<T> = { bySource: Array.from({ length: sources }, () => undefined), filled: 0 };
        pending.set(key, slots);
        return slots;
      };
      const put = (item: T): Gathered<T, K> | null => {
        const key = keyOf(item);
        const source = sourceOf(item);
        if (!Number.isSafeInteger(source) || source < 0 || source >= sources) {
          throw new EmulatorBug({ what: `a contribution to ${String(key)} from an unknown source`, value: source, limit: `0 to ${sources - 1}` });
        }
        const slots = slotsOf(key);
        if (slots.bySource[source] !== undefined) throw new EmulatorBug({ what: `source ${source} contributed twice to ${String(key)}`, value: slots.filled, limit: sources });
        slots.bySource[source] = { item };
        if (++slots.filled < sources) return null;
        pending.delete(key);
        return { key, contributions: slots.bySource.flatMap((slot) => (slot === undefined ? [] : [slot.item])) };
      };
      const subscription = stream.subscribe({
        next: (item) => {
          let whole: Gathered<T, K> | null;
          try {
            whole = put(item);
          } catch (error) {
            subscriber.error(error);
            return;
          }
          if (whole !== null) subscriber.next(whole);
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          const [waiting] = pending;
          if (waiting === undefined) subscriber.complete();
          else subscriber.error(new EmulatorBug({ what: `a reduction ended while ${String(waiting[0])} waits`, value: waiting[1].filled, limit: `${sources} contributions` }));
        },
      });
      subscription.add(() => pending.clear());
      return subscription;
    });
};
