/**
 * Worker entry: one thread of actors. piscina loads this file in each worker and runs `hostThread` once for the thread's life.
 * Not here: any logic (src/actor/thread/host.ts), any device (the devices module, whose URL the task names).
 */
export { hostThread } from '../src/actor/thread/host.js';
