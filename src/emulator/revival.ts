/** Reviving: the threads of a run that have died are replaced. Not here: supervision itself (actor/). */
import type { ActorSystem } from '../actor/system.js';
import type { Devices } from '../cluster/devices.js';

/** Replaces the threads that have failed since it was last called. */
export const revival = (system: ActorSystem<Devices>): (() => Promise<void>) => {
  const failed = new Set<number>();
  system.onFailure(({ thread }) => void failed.add(thread));
  return async () => {
    const threads = [...failed];
    failed.clear();
    await Promise.all(threads.map((thread) => system.revive(thread)));
  };
};
