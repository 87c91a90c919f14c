/**
 * What makes two passes alike: a text that is equal where op, shapes, buffers and local steps ask the same of the machine. And the layer that a pass is shown under.
 *
 * Not here: what they ask (passes.ts).
 */
import type { LocalStep, PassStep } from '../compiler/program.js';
import type { PlanContext } from './context.js';
import { attentionPlan, streamedPlan } from './passes.js';

const width = ({ program }: PlanContext, buffer: number | undefined | null): string => (buffer === undefined || buffer === null ? '-' : String(program.buffers[buffer]?.features ?? 0));

const localKey = (context: PlanContext, step: LocalStep): string => {
  const at = 'dst' in step ? step.dst : step.x, features = context.program.model.layers[step.layer]?.features ?? 0;
  return `${step.op}${'direction' in step ? step.direction : ''}${step.op === 'rotary' ? `${step.heads}+${step.kvHeads}x${step.headSize}` : ''}:${features}@${width(context, at)}`;
};

export const keyOf = (context: PlanContext, pass: PassStep): string => {
  const plan = streamedPlan(context, pass), attention = attentionPlan(context, pass), parts: string[] = [pass.op, String(pass.backward), width(context, pass.leaves), width(context, pass.returns)];
  if (plan !== null) {
    parts.push(plan.kind, `${plan.inputs}x${plan.outputs}`, width(context, plan.x), width(context, plan.y), plan.bias === null ? '' : 'bias', plan.dx === null ? '' : 'dx', String(plan.forwardBlocks.length), String(plan.deltaBlocks.length));
    if (plan.kind === 'norm') parts.push(String(plan.centered), plan.skip === null ? '' : 'skip');
  }
  if (attention !== null) parts.push(`${attention.heads}/${attention.kvHeads}/${attention.headSize}`, attention.scores === null ? 'again' : 'kept', width(context, attention.o), width(context, attention.qkv));
  if (pass.op === 'gather' || pass.op === 'scatter') parts.push(String(pass.layer));
  for (const step of pass.locals) parts.push(localKey(context, step));
  return parts.join(' ');
};

/** Number of the layer that a pass belongs to. */
export const layerOf = (context: PlanContext, pass: PassStep): number =>
  streamedPlan(context, pass)?.layer ?? attentionPlan(context, pass)?.layer ?? ('layer' in pass ? pass.layer : (pass.locals[0]?.layer ?? 0));
