/** Host time, by one door: everything that reads a clock reads this one, so that nothing emulated can depend on it. */
import { performance } from 'node:perf_hooks';

/** Milliseconds since the process began, monotonic. */
export const nowMs = (): number => performance.now();
