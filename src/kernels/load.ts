/**
 * From a build to callable kernels: the plan is made once in the main thread and posted; every thread makes its own instance.
 *
 *   kernelPlan() ─▶ { name, packWidth, module } ─postMessage─▶ createKernels(plan, memory) ─▶ Kernels
 *
 * Not here: the kernels (wasm/, twin/).
 */
import type { Kernels } from './types.js';
import { buildModule, packWidthOf } from './wasm/module.js';

/** Plain data that survives postMessage. */
export interface KernelPlan {
  readonly name: 'wasm-128' | 'wasm-256';
  readonly packWidth: number;
  readonly module: WebAssembly.Module;
}

export const kernelPlan = (_options: { readonly revectorize?: 'auto' | 'off' } = {}): KernelPlan => ({
  name: 'wasm-128', packWidth: packWidthOf('128'), module: new WebAssembly.Module(buildModule({ width: '128' })),
});

export const createKernels = (plan: KernelPlan, memory: WebAssembly.Memory): Kernels => {
  const instance = new WebAssembly.Instance(plan.module, { env: { memory } });
  return { packWidth: plan.packWidth, ...instance.exports } as unknown as Kernels;
};
