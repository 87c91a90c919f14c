/**
 * Stream order: from the layers of a graph to buffers in SRAM and the order in which blocks stream.
 *
 *   forward   input or gather, then every linear layer with the local steps behind it, the loss last
 *   backward  layers in reverse: the gradient first (it frees x), then the delta
 *
 * A buffer is reused as soon as nothing reads it: ReLU works in place; a layer's delta takes the place of its output.
 * Not here: sizes of tiles (placement.ts, sram.ts).
 */
import { InvalidModel } from '../util/errors.js';
import type { Model } from '../model/graph.js';
import { planBlocks } from './blocks.js';
import type { LinearPlan, LocalStep, PassStep } from './program.js';

export interface StreamOrder {
  /** Name and width of each buffer. */
  readonly buffers: readonly { readonly name: string; readonly features: number; readonly scratch: boolean }[];
  readonly linears: readonly LinearPlan[];
  readonly passes: readonly PassStep[];
}

/** @throws InvalidModel for a graph that is no chain */
export const orderStreams = (model: Model): StreamOrder => {
  const buffers: { name: string; features: number; scratch: boolean }[] = [];
  const addBuffer = (name: string, features: number, isScratch = false): number => buffers.push({ name, features, scratch: isScratch }) - 1;
  const linears: LinearPlan[] = [];
  /** groups[0] are the local steps behind the input, groups[i + 1] those behind linear i. */
  const groups: LocalStep[][] = [[]];
  const locals = (): LocalStep[] => groups[groups.length - 1] as LocalStep[];
  let current = -1;
  let trainedUpstream = false;
  let entry: PassStep | null = null;
  let gathered: { layer: number; buffer: number } | null = null;

  for (const layer of model.layers) {
    if (layer.inputs.length > 1 || (layer.inputs.length === 1 && layer.inputs[0] !== layer.id - 1)) {
      throw new InvalidModel({ what: 'layers must form a chain', where: layer.name, value: [...layer.inputs] });
    }
    switch (layer.kind) {
      case 'features':
        current = addBuffer(layer.name, layer.features);
        entry = { op: 'input', buffer: current, locals: locals() };
        break;
      case 'tokens':
        break;
      case 'embedding':
        current = addBuffer(layer.name, layer.features);
        gathered = { layer: layer.id, buffer: current };
        trainedUpstream = true;
        entry = { op: 'gather', layer: layer.id, buffer: current, locals: locals() };
        break;
      case 'linear': {
        const y = addBuffer(layer.name, layer.features);
        linears.push({
          layer: layer.id, weight: layer.weight, bias: layer.bias, inputs: layer.inFeatures, outputs: layer.features, x: current, y,
          dx: trainedUpstream ? current : null,
          forwardBlocks: planBlocks(layer.inFeatures, layer.features),
          deltaBlocks: trainedUpstream ? planBlocks(layer.features, layer.inFeatures) : [],
        });
        groups.push([]);
        trainedUpstream = true;
        current = y;
        break;
      }
      case 'relu': {
        // In place where a product reads it next: its output then serves as the mask. Elsewhere its input does.
        const y = model.layers[layer.id + 1]?.kind === 'linear' && !locals().some((step) => step.op === 'relu' && step.y === current) ? current : addBuffer(layer.name, layer.features);
        locals().push({ op: 'relu', layer: layer.id, x: current, y });
        current = y;
        break;
      }
      case 'gelu': {
        const y = addBuffer(layer.name, layer.features);
        locals().push({ op: 'gelu', layer: layer.id, x: current, y });
        current = y;
        break;
      }
      case 'softmaxCrossEntropy':
        locals().push({ op: 'loss', layer: layer.id, x: current, classes: layer.classes });
        break;
      default:
        layer satisfies never;
    }
  }
  if (entry === null) throw new InvalidModel({ what: 'a model without an input', where: model.name });

  // The delta of the loss stands in the place of the logits; what lies between them and the last product is undone at once.
  locals().push(...undo(locals().slice(0, -1), current));
  const passes: PassStep[] = [entry, ...linears.map((_, linear): PassStep => ({ op: 'forward', linear, locals: groups[linear + 1] ?? [] }))];
  let scratch = -1;
  for (let i = linears.length - 1; i >= 0; i--) {
    passes.push({ op: 'gradient', linear: i });
    const plan = linears[i] as LinearPlan;
    if (plan.dx === null) continue;
    const between = groups[i] ?? [];
    if (between.length > 0) {
      if (scratch < 0) scratch = addBuffer('delta', 0, true);
      const held = buffers[scratch] as { features: number };
      held.features = Math.max(held.features, plan.inputs);
      linears[i] = { ...plan, dx: scratch };
    }
    passes.push({ op: 'delta', linear: i, locals: undo(between, (linears[i] as LinearPlan).dx as number) });
  }
  if (gathered !== null) passes.push({ op: 'scatter', layer: gathered.layer, buffer: gathered.buffer });
  return { buffers, linears, passes };
};

/** The local steps that carry a delta, found in buffer `from`, back over forward steps into the place of their input. */
const undo = (steps: readonly LocalStep[], from: number): LocalStep[] => {
  let d = from;
  const back: LocalStep[] = [];
  for (const step of steps.toReversed()) {
    if (step.op === 'relu') back.push({ op: 'reluDelta', layer: step.layer, d, y: step.x, dst: step.x });
    else if (step.op === 'gelu') back.push({ op: 'geluDelta', layer: step.layer, d, x: step.x, dst: step.x });
    else continue;
    d = step.x;
  }
  return back;
};
