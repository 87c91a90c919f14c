/**
 * A MemoryX unit: parameters live here, weights leave from here, gradients come home here, and the optimizer runs here.
 *
 *   down   weights[s mod 2] ─pack─▶ staging ─▶ a weight slot of the arena
 *   up     gradient slot ─▶ staging ─tree─▶ gradients[0] ─update─▶ weights[(s+1) mod 2]
 *
 * Units share the memories and split the work: blocks by number, updates by element. Not here: when (the coordinator).
 */
import type { Behavior } from '../../actor/behavior.js';
import type { BlockPlan, HeadPlan } from '../../compiler/program.js';
import { createKernels } from '../../kernels/load.js';
import { squareLeafFloats, type Kernels } from '../../kernels/types.js';
import { optimizerFor, type Optimizer } from '../../model/optimizer.js';
import { floats } from '../../tensor/shared-memory.js';
import { count, counters } from '../../trace/counts.js';
import { assert } from '../../util/errors.js';
import { dealBatch, slabsOfSample } from '../deal.js';
import { blockShape, nodeAddress, type GradientPart } from '../gradient-nodes.js';
import { stretchFloats, type ClusterLayout, type ParameterPlace } from '../layout.js';
import { arrivals, NodeStack, type StackValues } from './collect.js';
import { embeddingSide } from './embedding.js';
import { unitShare } from './places.js';
import type { MemoryXCommand, MemoryXReply } from './protocol.js';
import { scalarsAt, type Scalars } from './scalars.js';
import { gradientStretch, journalWords, updateShare } from './update.js';

export interface MemoryXProps {
  readonly layout: ClusterLayout;
  readonly unit: number;
  readonly counter: number;
}

export const memoryXUnit = (props: MemoryXProps): Behavior<MemoryXCommand, MemoryXReply> => {
  const { layout, unit } = props;
  const { program, memoryX, arena, arenaMemory } = layout;
  const units = memoryX.units.length;
  const own = memoryX.units[unit];
  assert(own !== undefined, `unit ${unit} is planned`);
  const kernels = layout.memoryXMemories.map((memory) => createKernels(layout.kernels, memory));
  const kernelsOf = (memory: number): Kernels => kernels[memory] as Kernels;
  const countersOf = counters(layout.counts, props.counter);
  const microBatches = dealBatch(layout.batch), incoming = arrivals(layout.batch, arena.bands);
  const stacks = new Map<string, NodeStack>();
  const side = memoryX.embeddings.length === 0 ? null : embeddingSide(layout, memoryX.embeddings, kernelsOf);
  /** Each parameter's own optimizer, and the scalars of the step at hand. */
  const optimizers = program.model.parameters.map((spec) => optimizerFor(layout.optimizer, spec));
  const scalars = new Map<Optimizer, { readonly step: number; readonly values: Scalars }>();

  const at = (parameter: number): { readonly place: ParameterPlace; readonly kernels: Kernels; readonly memory: WebAssembly.Memory; readonly staging: number } => {
    const place = memoryX.parameters[parameter];
    const memory = place && layout.memoryXMemories[place.memory], k = place && kernels[place.memory], staging = place && own.staging[place.memory];
    assert(place !== undefined && memory !== undefined && k !== undefined && staging !== undefined, `parameter ${parameter} has a place`);
    return { place, kernels: k, memory, staging };
  };
  const weightsOf = (parameter: number, step: number): number => at(parameter).place.weights[step % 2 === 0 ? 0 : 1];

  /** A streamed head's block for its last pass: as for the forward pass, and behind it turned for dx. */
  const sendHead = (plan: HeadPlan, block: BlockPlan, step: number, slot: number): number => {
    const { kernels: k, memory, staging } = at(plan.weight);
    const weights = weightsOf(plan.weight, step), packed = plan.inputs * block.count;
    if (plan.tied) k.packForward(staging, weights + block.first * plan.inputs * 4, block.count, plan.inputs, 0, plan.inputs);
    else {
      const apart = staging + packed * 4;
      k.copyRows(apart, block.count * 4, weights + block.first * 4, plan.outputs * 4, plan.inputs, block.count);
      k.packDelta(staging, apart, block.count, 0, plan.inputs);
    }
    floats(arenaMemory, slot, packed).set(floats(memory, staging, packed));
    return packed;
  };

  const send = (message: Extract<MemoryXCommand, { type: 'memoryx.send' }>): void => {
    const plan = program.streamed[message.streamed], isForward = message.pass !== 1;
    const block = isForward ? plan?.forwardBlocks[message.block] : plan?.deltaBlocks[message.block];
    const slot = arena.weightSlots[message.slot];
    assert(plan !== undefined && block !== undefined && slot !== undefined, 'the block and its slot exist');
    const { kernels: k, memory, staging } = at(plan.weight);
    const weights = weightsOf(plan.weight, message.step);
    const contracted = plan.kind === 'norm' ? 1 : isForward ? plan.inputs : plan.outputs;
    const packed = contracted * block.count;
    if (plan.kind === 'norm') floats(arenaMemory, slot, packed).set(floats(memory, weights, packed));
    else {
      // A tied weight lies the other way round, so its blocks are packed the other way round.
      if (isForward !== plan.tied) k.packForward(staging, weights, contracted, plan.tied ? plan.inputs : plan.outputs, block.first, block.count);
      else k.packDelta(staging, weights, contracted, block.first, block.count);
      floats(arenaMemory, slot, packed).set(floats(memory, staging, packed));
    }
    const bias = isForward ? plan.bias : null;
    if (bias !== null) floats(arenaMemory, slot + packed * 4, block.count).set(floats(at(bias).memory, weightsOf(bias, message.step) + block.first * 4, block.count));
    let sent = packed + (bias === null ? 0 : block.count);
    if (message.pass === 2 && plan.kind === 'head') sent += sendHead(plan, block, message.step, slot + sent * 4);
    count(countersOf(message.step), 'weightBytesOut', sent * 4);
  };

  const collect = (message: Extract<MemoryXCommand, { type: 'memoryx.collect' }>): void => {
    const plan = program.streamed[message.streamed], nodes = incoming[message.microBatch];
    assert(plan !== undefined && nodes !== undefined, 'the block and the micro-batch are in the program');
    const shape = blockShape(plan, message.block);
    const key = `${message.streamed}/${message.block}`;
    const stack = stacks.get(key) ?? new NodeStack(slabsOfSample(layout.batch));
    stacks.set(key, stack);
    const weight = at(plan.weight);
    const nodeFloats = shape.nodeBytes / 4, rowBytes = shape.width * 4;
    /** Where a part of the block stands in the gradient buffer of a position of the stack, and in the staged node. */
    const parts = (position: number): { readonly part: GradientPart; readonly home: number; readonly staged: number; readonly to: ReturnType<typeof at> }[] =>
      shape.parts.map((part) => {
        const to = at(part.parameter);
        return { part, to, home: (to.place.gradients[position] as number) + part.firstValue * 4, staged: weight.staging + part.firstRow * rowBytes };
      });
    const values: StackValues = {
      take(position) {
        for (const { part, to, home, staged } of parts(position)) {
          if (to.memory === weight.memory) to.kernels.copyRows(home, part.rowValues * 4, staged, rowBytes, part.rows, part.cols);
          else floats(to.memory, home, part.cols).set(floats(weight.memory, staged, part.cols));
        }
      },
      add(position) {
        for (const { part, to, home, staged } of parts(position)) {
          if (to.memory === weight.memory) for (let r = 0; r < part.rows; r++) to.kernels.add(home + r * part.rowValues * 4, home + r * part.rowValues * 4, staged + r * rowBytes, part.cols);
          else {
            floats(to.memory, to.staging, part.cols).set(floats(weight.memory, staged, part.cols));
            to.kernels.add(home, home, to.staging, part.cols);
          }
        }
      },
      fold(position) {
        const right = parts(position + 1);
        parts(position).forEach(({ part, to, home }, i) => {
          const from = right[i]?.home as number, stride = part.rowValues * 4;
          for (let r = 0; r < part.rows; r++) to.kernels.add(home + r * stride, home + r * stride, from + r * stride, part.cols);
        });
      },
    };
    for (const node of nodes) {
      floats(weight.memory, weight.staging, nodeFloats).set(floats(arenaMemory, nodeAddress(arena.bands, node.slot, message.slot, shape), nodeFloats));
      stack.push(node, values);
      count(countersOf(message.step), 'gradientBytesIn', shape.elements * 4);
    }
    if (message.microBatch === microBatches.length - 1) stack.finish(values);
  };

  const stretchOf = (place: ParameterPlace): number => own.stretch[place.memory] as number;

  const squares = (parameter: number): void => {
    const spec = program.model.parameters[parameter];
    const { place, kernels: k } = at(parameter);
    assert(spec !== undefined, `parameter ${parameter} is in the model`);
    const leaves = Math.ceil(spec.size / squareLeafFloats), perStretch = stretchFloats / squareLeafFloats;
    // Units take turns by stretches, so that every leaf is one unit's.
    for (let first = unit * perStretch; first < leaves; first += units * perStretch) {
      const from = first * squareLeafFloats, floatsNow = Math.min(stretchFloats, spec.size - from);
      k.squareLeaves(place.squares + first * 4, gradientStretch(k, place, from, floatsNow, 1, stretchOf(place)), floatsNow);
    }
  };

  const update = (step: number, parameter: number, clip: number): void => {
    const spec = program.model.parameters[parameter], optimizer = optimizers[parameter];
    const { place, kernels: k } = at(parameter);
    assert(spec !== undefined && optimizer !== undefined, `parameter ${parameter} is in the model`);
    let now = scalars.get(optimizer);
    if (now?.step !== step) {
      now = { step, values: scalarsAt(optimizer, step) };
      scalars.set(optimizer, now);
    }
    const journal = new Int32Array(layout.journal, (parameter * units + unit) * journalWords * 4, journalWords);
    const share = { place, ...unitShare(spec.size, unit, units), undo: own.undo[place.memory] as number, stretch: stretchOf(place), clip, kernels: k, journal };
    count(countersOf(step), 'optimizerElements', updateShare(share, optimizer, now.values, step));
  };

  return (ctx) => ({
    receive(message) {
      switch (message.type) {
        case 'memoryx.send':
          send(message);
          break;
        case 'memoryx.collect':
          collect(message);
          break;
        case 'memoryx.gather': {
          const microBatch = microBatches[message.microBatch], band = arena.bands[message.band];
          assert(side !== null && microBatch !== undefined && band !== undefined, 'there is a table to gather from');
          const rows = side.gather(memoryX.embeddings.map(({ parameter }) => weightsOf(parameter, message.step)), microBatch, band, unit);
          const tables = memoryX.embeddings.length, dim = memoryX.embeddings[0]?.dim ?? 0;
          count(countersOf(message.step), 'gatheredRows', rows * tables);
          count(countersOf(message.step), 'weightBytesOut', rows * tables * dim * 4);
          break;
        }
        case 'memoryx.scatter': {
          const microBatch = microBatches[message.microBatch];
          assert(side !== null && microBatch !== undefined, 'there is a table to scatter to');
          side.scatter(microBatch, message.microBatch === microBatches.length - 1);
          break;
        }
        case 'memoryx.squares':
          squares(message.parameter);
          break;
        case 'memoryx.update':
          update(message.step, message.parameter, message.clip);
          break;
        case 'memoryx.restart':
          stacks.clear();
          side?.restart();
          break;
        default:
          message satisfies never;
      }
      ctx.reply({ type: 'memoryx.done' });
    },
  });
};
