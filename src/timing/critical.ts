/** The seconds of a step by what bound them: a pass's go to its busiest resource, a tile's among the parts of its work; waits between steps by themselves. They add up to the step. */
import { tileParts } from './demands.js';
import type { Step } from './step.js';
import { causes, type Cause, type Price } from './types.js';

export const criticalOf = ({ costs, times, exposedSeconds, latencySeconds, starvedSeconds, seconds }: Step): Price['critical'] => {
  const by = new Map<Cause, number>(causes.map((cause) => [cause, 0]));
  const add = (cause: Cause, amount: number): void => void by.set(cause, (by.get(cause) ?? 0) + amount);
  costs.forEach(({ seconds: each, demands, bound }, i) => {
    const repeated = times[i] as number;
    if (demands.tile >= each) for (const [cause, part] of tileParts(demands)) add(cause, part * repeated);
    else add(bound, each * repeated);
  });
  add('latency', latencySeconds);
  add('update', exposedSeconds - latencySeconds);
  add('MemoryX', starvedSeconds);
  return [...by].filter(([, amount]) => amount > 0).map(([cause, amount]) => ({ cause, seconds: amount, share: amount / seconds })).toSorted((a, b) => b.seconds - a.seconds);
};
