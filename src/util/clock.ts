/** Host time, by one door: everything that reads a clock reads this one, so that nothing emulated can depend on it. */
import { performance } from 'node:perf_hooks';

/** Milliseconds since this thread began, monotonic. */
export const nowMs = (): number => performance.now();

/** What this thread's clock lacks to the host's monotonic one, which all threads share; both tick alike. */
const behindMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds on the clock that all threads of the host share, monotonic; its zero means nothing. */
export const sharedNowMs = (): number => performance.now() + behindMs;

/** Seconds since 1970, for files that say when something was. */
export const wallSeconds = (): number => Date.now() / 1000;
