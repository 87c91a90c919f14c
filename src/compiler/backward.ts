/**
 * The backward half of the stream order: where every delta lies, and the passes that form it.
 *
 * The delta of a layer's output takes the place of that output, unless somebody still needs it (an attention's output, a ReLU's mask); then it passes through the
 * scratch buffer. Steps that keep the width may leave it where it is. A residual's delta waits in its own place until the branch's has come round; the branch's
 * first layer adds the two. Not here: the forward half (forward.ts).
 */
import type { Layer } from '../model/graph.js';
import type { Plans } from './plans.js';
import type { LocalStep } from './program.js';

/** Plans the delta of one layer's inputs, given that of its output. */
export const orderBackward = (plans: Plans, layer: Layer): void => {
  const from = layer.inputs[0];
  if (from === undefined || layer.kind === 'tokens' || layer.kind === 'features' || !plans.trained.has(layer.id)) return;
  const d = plans.deltaOf(layer.id);
  const upstream = plans.trained.has(from);
  switch (layer.kind) {
    case 'embedding':
      plans.pass({ op: 'scatter', layer: layer.id, buffer: d, backward: true });
      return;
    case 'linear':
    case 'norm': {
      const number = plans.planOf.get(layer.id) as number;
      const plan = plans.streamed[number];
      if (plan === undefined) return;
      if (plan.kind === 'head') {
        plans.pass({ op: 'headDelta', streamed: number, backward: true });
        const dx = !upstream ? null : plans.skips.has(from) ? plans.scratch(plan.inputs) : (home(plans, from) ?? plans.scratch(plan.inputs));
        // The inputs are read by every block: what takes their place must wait.
        const apart = dx === plan.x ? plans.scratch(plan.inputs) : dx;
        plans.streamed[number] = { ...plan, dx: apart };
        if (apart !== null) arrive(plans, from, apart);
        return;
      }
      plans.pass({ op: 'gradient', streamed: number, backward: true });
      plans.streamed[number] = { ...plan, dy: d };
      if (!upstream) return;
      plans.pass({ op: 'delta', streamed: number, backward: true });
      const skip = plan.kind === 'norm' ? (plans.skips.get(from) ?? null) : null;
      if (plan.kind === 'norm') {
        plans.skips.delete(from);
        const dx = home(plans, from) ?? plans.scratch(plan.inputs, d);
        plans.streamed[number] = { ...plan, dy: d, dx, skip };
        plans.delta.set(from, dx);
        plans.boundary(from, dx, -1);
      } else {
        const dx = plans.skips.has(from) ? plans.scratch(plan.inputs, d) : (home(plans, from) ?? plans.scratch(plan.inputs, d));
        plans.streamed[number] = { ...plan, dy: d, dx };
        arrive(plans, from, dx);
      }
      return;
    }
    case 'attention': {
      const number = plans.planOf.get(layer.id) as number;
      const plan = plans.attentions[number];
      if (plan === undefined) return;
      plans.attentions[number] = { ...plan, d };
      plans.pass({ op: 'attentionDelta', attention: number, backward: true });
      plans.delta.set(from, plan.qkv);
      plans.boundary(from, plan.qkv, -1);
      return;
    }
    case 'rotary':
      plans.local({ op: 'rotary', layer: layer.id, x: d, direction: -1, heads: layer.heads, kvHeads: layer.kvHeads, headSize: layer.headSize });
      arrive(plans, from, d);
      return;
    case 'dropout': {
      // At the end of a branch this delta is also the one that passes the branch by: that one stays as it is.
      const dst = [...plans.skips.values()].includes(d) ? plans.scratch(layer.features, d) : d;
      plans.local({ op: 'dropout', layer: layer.id, rate: layer.rate, x: d, y: dst, direction: -1 });
      arrive(plans, from, dst);
      return;
    }
    case 'relu':
    case 'gelu':
    case 'swiglu': {
      const x = plans.outOf(from);
      const dst = plans.skips.has(from) ? plans.scratch(plans.layer(from).features, d) : (home(plans, from) ?? plans.scratch(plans.layer(from).features, d));
      const step: LocalStep =
        layer.kind === 'relu' ? { op: 'reluDelta', layer: layer.id, d, y: x, dst }
        : layer.kind === 'gelu' ? { op: 'geluDelta', layer: layer.id, approximation: layer.approximation, d, x, dst }
        : { op: 'swigluDelta', layer: layer.id, d, x, dst };
      plans.local(step);
      arrive(plans, from, dst);
      return;
    }
    case 'add': {
      const branch = layer.inputs[1] as number;
      plans.delta.set(branch, d);
      if (upstream) plans.skips.set(from, d);
      return;
    }
    case 'softmaxCrossEntropy':
      return;
    default:
      layer satisfies never;
  }
};

/** The place of a layer's output, if nobody needs that output any more. */
const home = (plans: Plans, id: number): number | null => {
  const layer = plans.layer(id);
  return layer.kind === 'attention' || (layer.kind === 'relu' && plans.masks.has(id)) ? null : plans.outOf(id);
};

/** The delta of a branch's input is formed in `at`: what passed the branch by is added, the sum in the place of the output. */
const arrive = (plans: Plans, id: number, at: number): void => {
  const skip = plans.skips.get(id);
  if (skip === undefined) {
    plans.delta.set(id, at);
    plans.boundary(id, at, -1);
    return;
  }
  plans.skips.delete(id);
  const y = home(plans, id) ?? plans.scratch(plans.layer(id).features);
  plans.local({ op: 'add', layer: id, x: skip, branch: at, y, direction: -1 });
  plans.delta.set(id, y);
  plans.boundary(id, y, -1);
};
