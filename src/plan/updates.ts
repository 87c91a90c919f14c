/**
 * Updates of a step: which parameters are updated together, what that moves in MemoryX, and where in the stream they stand between their gradient and their next use.
 *
 * Not here: how long an update takes (timing/), the update itself (cluster/memoryx/).
 */
import type { Program } from '../compiler/program.js';
import { momentSizes } from '../model/moments.js';
import { optimizerFor, type Optimizer } from '../model/optimizer.js';
import type { UpdateWork } from '../trace/work.js';

const floatBytes = 4;

interface Places {
  readonly after: ReadonlyMap<number, number>;
  readonly before: ReadonlyMap<number, number>;
  readonly layerOf: ReadonlyMap<number, number>;
  readonly tables: ReadonlySet<number>;
}
const known = new WeakMap<Program, Places>();

/** By parameter: the last pass that gives a part of its gradient, the first that reads it, its layer; and which are tables. */
const placesOf = (program: Program): Places => {
  const found = known.get(program);
  if (found !== undefined) return found;
  const after = new Map<number, number>(), before = new Map<number, number>(), layerOf = new Map<number, number>();
  const note = (parameter: number, layer: number, pass: number, isGradient: boolean): void => {
    layerOf.set(parameter, layer);
    if (isGradient) after.set(parameter, pass);
    else if (!before.has(parameter)) before.set(parameter, pass);
  };
  program.passes.forEach((pass, i) => {
    if ('streamed' in pass) {
      const plan = program.streamed[pass.streamed], isGradient = pass.op === 'gradient' || pass.op === 'headDelta';
      if (plan !== undefined) for (const parameter of [plan.weight, plan.bias]) if (parameter !== null) note(parameter, plan.layer, i, isGradient);
    } else if (pass.op === 'gather' || pass.op === 'scatter') {
      const table = program.model.layers[pass.layer];
      if (table?.kind === 'embedding') for (const parameter of [table.table, table.positions]) if (parameter !== null) note(parameter, pass.layer, i, pass.op === 'scatter');
    }
  });
  const tables = new Set(program.model.layers.flatMap((layer) => (layer.kind === 'embedding' ? [layer.table, ...(layer.positions === null ? [] : [layer.positions])] : [])));
  const places = { after, before, layerOf, tables };
  known.set(program, places);
  return places;
};

/** Updates and bytes of state of programs whose weights are all dense. */
const dense = new WeakMap<Program, WeakMap<Optimizer, State>>();

export interface State {
  readonly updates: readonly UpdateWork[];
  /** Bytes in MemoryX: weights of two versions, moments, gradients; indices of what is stored. */
  readonly bytes: number;
}

/** `storedOf`: values of a parameter, by its number; null: all are dense. */
export const stateOf = (program: Program, optimizer: Optimizer, storedOf: ((parameter: number) => number) | null): State => {
  const known = storedOf === null ? dense.get(program)?.get(optimizer) : undefined;
  if (known !== undefined) return known;
  const of = storedOf ?? ((parameter: number): number => program.model.parameters[parameter]?.size ?? 0), state = { updates: updatesOf(program, optimizer, of), bytes: stateBytesOf(program, optimizer, of) };
  if (storedOf === null) dense.set(program, (dense.get(program) ?? new WeakMap<Optimizer, State>()).set(optimizer, state));
  return state;
};

/** In the order in which gradients are whole. */
const updatesOf = (program: Program, optimizer: Optimizer, storedOf: (parameter: number) => number): readonly UpdateWork[] => {
  const { parameters } = program.model, { after, before, layerOf, tables } = placesOf(program);
  const groups = new Map<string, { layer: number; elements: number; readBytes: number; writeBytes: number; after: number; before: number }>();
  for (const spec of parameters) {
    const layer = layerOf.get(spec.index) ?? 0, key = `${layer}/${tables.has(spec.index)}`, stored = storedOf(spec.index);
    const moments = momentSizes(optimizerFor(optimizer, spec), spec).reduce((sum, size) => sum + (size === spec.size ? stored : size), 0);
    const group = groups.get(key) ?? { layer, elements: 0, readBytes: 0, writeBytes: 0, after: -1, before: Infinity };
    group.elements += stored;
    group.readBytes += floatBytes * (2 * stored + moments);
    group.writeBytes += floatBytes * (stored + moments);
    group.after = Math.max(group.after, after.get(spec.index) ?? program.passes.length - 1);
    group.before = Math.min(group.before, tables.has(spec.index) ? -1 : (before.get(spec.index) ?? 0));
    groups.set(key, group);
  }
  return [...groups.values()].toSorted((a, b) => a.after - b.after);
};

const stateBytesOf = (program: Program, optimizer: Optimizer, storedOf: (parameter: number) => number): number =>
  program.model.parameters.reduce((sum, spec) => {
    const stored = storedOf(spec.index), moments = momentSizes(optimizerFor(optimizer, spec), spec).reduce((all, size) => all + (size === spec.size ? stored : size), 0);
    return sum + floatBytes * (3 * stored + moments) + (stored < spec.size ? 2 * stored : 0);
  }, 0);
