/** The seconds of a step by what bound them: those of a stretch (a pass, or two side by side) go to its busiest resource, a tile's among the parts of its work; waits between steps by themselves. They add up to the step. */
import { tileParts } from './demands.js';
import type { Step } from './step.js';
import { causes, type Cause, type Price } from './types.js';

export const criticalOf = ({ stretches, exposedSeconds, latencySeconds, starvedSeconds, seconds }: Step): Price['critical'] => {
  const by = new Map<Cause, number>(causes.map((cause) => [cause, 0]));
  const add = (cause: Cause, amount: number): void => void by.set(cause, (by.get(cause) ?? 0) + amount);
  for (const { cost, times } of stretches) {
    if (cost.demands.tile >= cost.seconds) for (const [cause, part] of tileParts(cost.demands)) add(cause, part * times);
    else add(cost.bound, cost.seconds * times);
  }
  add('latency', latencySeconds);
  add('update', exposedSeconds - latencySeconds);
  add('MemoryX', starvedSeconds);
  return [...by].filter(([, amount]) => amount > 0).map(([cause, amount]) => ({ cause, seconds: amount, share: amount / seconds })).toSorted((a, b) => b.seconds - a.seconds);
};
