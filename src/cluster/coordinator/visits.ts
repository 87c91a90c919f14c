/**
 * Visits: work that needs parts of MemoryX's state in DRAM, several turns of one part of a step sharing one stay.
 *
 *   first of `turns` ─enter─▶ work, work, … ─last─▶ leave          all in DRAM for good: nothing to wait for
 *
 * Not here: what the part wants (wants.ts), how it gets it (residence.ts).
 */
import type { Residence } from './residence.js';

export interface Visits {
  /** Does `work` while what the part wants is in DRAM; the part is over when it was called `turns` times and all of that is done. */
  during<T>(key: () => string, turns: number, work: () => Promise<T>): Promise<T>;
}

const atHome: Visits = { during: (_, __, work) => work() };

export const visitsOf = (residence: Residence | null): Visits => {
  if (residence === null) return atHome;
  const stays = new Map<string, { readonly entered: Promise<void>; left: number }>();
  return {
    async during(keyOf, turns, work) {
      const key = keyOf();
      const stay = stays.get(key) ?? { entered: residence.enter(key), left: turns };
      stays.set(key, stay);
      await stay.entered;
      const result = await work();
      stay.left--;
      if (stay.left === 0) {
        stays.delete(key);
        residence.leave(key);
      }
      return result;
    },
  };
};
