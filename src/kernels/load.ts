/**
 * From a build to callable kernels: the plan is made once in the main thread and posted; every thread makes its own instance.
 *
 *   kernelPlan() ─▶ { name, packWidth, module } ─postMessage─▶ createKernels(plan, memory) ─▶ Kernels
 *
 * Not here: the kernels (wasm/, twin/), the choice of the wide build (revectorize.ts).
 */
import { wideModule } from './revectorize.js';
import { createTwin, twinPackWidth } from './twin/twin.js';
import type { Kernels } from './types.js';
import { buildModule, packWidthOf } from './wasm/module.js';

/** Plain data that survives postMessage. */
export type KernelPlan =
  | { readonly name: 'simd128' | 'simd256'; readonly packWidth: number; readonly module: WebAssembly.Module }
  | { readonly name: 'twin'; readonly packWidth: number };

/** The scalar twins in the place of the kernels: the same bits, some hundred times slower. */
export const twinPlan: KernelPlan = { name: 'twin', packWidth: twinPackWidth };

/** Compiles the kernels for this process; `revectorize: 'auto'` takes the wide build where it proves equal and faster. */
export const kernelPlan = ({ revectorize = 'auto' }: { readonly revectorize?: 'auto' | 'off' } = {}): KernelPlan => {
  const wide = revectorize === 'auto' ? wideModule() : null;
  return wide === null
    ? { name: 'simd128', packWidth: packWidthOf('128'), module: new WebAssembly.Module(buildModule({ width: '128' })) }
    : { name: 'simd256', packWidth: packWidthOf('256'), module: wide };
};

/** The kernels over one memory, in the calling thread. */
export const createKernels = (plan: KernelPlan, memory: WebAssembly.Memory): Kernels => {
  if (plan.name === 'twin') return createTwin(memory, plan.packWidth);
  const { exports } = new WebAssembly.Instance(plan.module, { env: { memory } });
  return { packWidth: plan.packWidth, ...(exports as unknown as Omit<Kernels, 'packWidth'>) };
};
