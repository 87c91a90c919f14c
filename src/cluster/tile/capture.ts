/**
 * Capture: copies of every layer's output and delta as soon as they stand in a buffer, for whoever inspects a run. Buffers are reused, copies stay until the next micro-batch.
 *
 *   a pass or a local step is done ─▶ what it made, for which layer ─▶ band.captured
 *
 * A delta that several parts meet in is captured last when it is whole. A streamed head keeps no logits, so there are none to copy. Not here: reading them (emulator/inspect.ts).
 */
import type { LocalStep, PassStep, Program } from '../../compiler/program.js';
import { panelRowBytes, type Kernels } from '../../kernels/types.js';
import type { BandPlan } from '../layout.js';
import { bufferAt } from './band.js';

interface Made {
  readonly kind: 'activation' | 'delta';
  readonly layer: number;
  readonly buffer: number;
}

const upstreamOf = (program: Program, layer: number): number => program.model.layers[layer]?.inputs[0] ?? -1;

const madeBy = (program: Program, pass: PassStep): Made | null => {
  switch (pass.op) {
    case 'input':
      return { kind: 'activation', layer: 0, buffer: pass.buffer };
    case 'gather':
      return { kind: 'activation', layer: pass.layer, buffer: pass.buffer };
    case 'forward': {
      const plan = program.streamed[pass.streamed];
      return plan === undefined ? null : { kind: 'activation', layer: plan.layer, buffer: plan.y };
    }
    case 'attention':
    case 'attentionDelta': {
      const plan = program.attentions[pass.attention];
      if (plan === undefined) return null;
      return pass.op === 'attention' ? { kind: 'activation', layer: plan.layer, buffer: plan.o } : { kind: 'delta', layer: upstreamOf(program, plan.layer), buffer: plan.qkv };
    }
    case 'delta':
    case 'headDelta': {
      const plan = program.streamed[pass.streamed];
      return plan === undefined || plan.dx === null ? null : { kind: 'delta', layer: upstreamOf(program, plan.layer), buffer: plan.dx };
    }
    default:
      return null;
  }
};

const madeByStep = (program: Program, step: LocalStep): Made => {
  switch (step.op) {
    case 'relu':
    case 'gelu':
    case 'swiglu':
      return { kind: 'activation', layer: step.layer, buffer: step.y };
    case 'dropout':
      return step.direction === 1 ? { kind: 'activation', layer: step.layer, buffer: step.y } : { kind: 'delta', layer: upstreamOf(program, step.layer), buffer: step.y };
    case 'rotary':
      return step.direction === 1 ? { kind: 'activation', layer: step.layer, buffer: step.x } : { kind: 'delta', layer: upstreamOf(program, step.layer), buffer: step.x };
    case 'round':
      return { kind: step.direction === 1 ? 'activation' : 'delta', layer: step.layer, buffer: step.x };
    case 'add':
      return { kind: step.direction === 1 ? 'activation' : 'delta', layer: step.layer, buffer: step.y };
    case 'reluDelta':
    case 'geluDelta':
    case 'swigluDelta':
      return { kind: 'delta', layer: upstreamOf(program, step.layer), buffer: step.dst };
    case 'loss':
      return { kind: 'delta', layer: upstreamOf(program, step.layer), buffer: step.x };
  }
};

/** Copies what a pass (its last block) or a local step has just made of a band's slabs. */
export const capture = (program: Program, kernels: Kernels, band: BandPlan, slabs: number, done: { readonly pass: PassStep } | { readonly step: LocalStep }): void => {
  if (band.captured.length === 0) return;
  const made = 'pass' in done ? madeBy(program, done.pass) : madeByStep(program, done.step);
  const to = made === null ? undefined : band.captured[made.layer]?.[made.kind];
  if (made === null || to === undefined) return;
  kernels.copy(to, bufferAt(band, made.buffer), slabs * (program.model.layers[made.layer]?.features ?? 0) * panelRowBytes);
};
