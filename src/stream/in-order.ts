/**
 * In-order: re-emits results by their index, holding back at most `capacity` that came early.
 *
 *   2 0 1 4 3  ──inOrder──▶  0 1 2 3 4        a hole that outlives the capacity is an error, never a growing buffer
 *
 * A pull with `reachMax` ≤ capacity cannot overflow it. Not here: how many are in flight (credit.ts).
 */
import { Observable, type OperatorFunction } from 'rxjs';
import { EmulatorBug, InvalidConfig } from '../util/errors.js';

export interface InOrderOptions<T> {
  /** The place of an item: every whole number from `first` exactly once. */
  readonly indexOf: (item: T) => number;
  /** Most items held back. */
  readonly capacity: number;
  readonly first?: number;
}

/**
 * Emits items by ascending index. Errors with EmulatorBug on an index seen before, on one more item than the capacity holds back, and on an
 * end with a hole in the sequence.
 */
export const inOrder = <T>(options: InOrderOptions<T>): OperatorFunction<T, T> => {
  const { indexOf, capacity, first = 0 } = options;
  if (!Number.isSafeInteger(capacity) || capacity < 0) throw new InvalidConfig({ what: 'capacity of inOrder', value: capacity, limit: 'a whole number from 0' });
  return (source) =>
    new Observable((subscriber) => {
      const early = new Map<number, { readonly item: T }>();
      let next = first;
      let emitting = false;
      const hold = (index: number, item: T): void => {
        if (!Number.isSafeInteger(index) || index < next || early.has(index)) {
          throw new EmulatorBug({ what: 'an item of an ordered stream came twice or has no place', value: index, limit: `whole numbers from ${next}, each once` });
        }
        if (index !== next && early.size >= capacity) {
          throw new EmulatorBug({ what: `an ordered stream holds ${early.size} early items and waits for item ${next}`, value: index, limit: capacity, hint: 'let the pull reach no further than the capacity' });
        }
        early.set(index, { item });
      };
      const subscription = source.subscribe({
        next: (item) => {
          try {
            hold(indexOf(item), item);
          } catch (error) {
            subscriber.error(error);
            return;
          }
          // An item that arrives while another is emitted is left to the loop below: order survives re-entrance.
          if (emitting) return;
          emitting = true;
          for (let ready = early.get(next); ready !== undefined && !subscriber.closed; ready = early.get(next)) {
            early.delete(next++);
            subscriber.next(ready.item);
          }
          emitting = false;
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          if (early.size === 0) subscriber.complete();
          else subscriber.error(new EmulatorBug({ what: `an ordered stream ended without item ${next}`, value: early.size, limit: 'no item held back' }));
        },
      });
      subscription.add(() => early.clear());
      return subscription;
    });
};
