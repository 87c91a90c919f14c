/**
 * A MemoryX unit: parameters live here, weights leave from here, gradients come home here, and the optimizer runs here.
 *
 *   down   weights[s mod 2] ─pack─▶ staging ─▶ a weight slot of the arena
 *   up     gradient slot ─▶ staging ─tree─▶ gradients[0] ─update─▶ weights[(s+1) mod 2]
 *
 * Units share the memories and split the work: blocks by number, updates by element. Not here: when (the coordinator).
 */
import type { Behavior } from '../../actor/behavior.js';
import { createKernels } from '../../kernels/load.js';
import type { Kernels } from '../../kernels/types.js';
import { floats } from '../../tensor/shared-memory.js';
import { count, counters } from '../../trace/counts.js';
import { assert } from '../../util/errors.js';
import { dealBatch } from '../deal.js';
import { blockShape, nodeAddress } from '../gradient-nodes.js';
import type { ClusterLayout, ParameterPlace } from '../layout.js';
import { arrivals, NodeStack, type StackValues } from './collect.js';
import { embeddingSide } from './embedding.js';
import { unitShare } from './places.js';
import type { MemoryXCommand, MemoryXReply } from './protocol.js';
import { scalarsAt, type Scalars } from './scalars.js';
import { journalWords, updateShare } from './update.js';

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
  const countersOf = counters(layout.counts, props.counter);
  const microBatches = dealBatch(layout.batch), incoming = arrivals(layout.batch, arena.bands);
  const stacks = new Map<string, NodeStack>();
  const embedding = program.model.layers.find((layer) => layer.kind === 'embedding');
  const side = memoryX.embedding === null || embedding === undefined ? null : embeddingSide(layout, memoryX.embedding, embedding, kernels[memoryX.embedding.memory] as Kernels);
  let scalars: { readonly step: number; readonly values: Scalars } | null = null;

  const at = (parameter: number): { readonly place: ParameterPlace; readonly kernels: Kernels; readonly memory: WebAssembly.Memory; readonly staging: number } => {
    const place = memoryX.parameters[parameter];
    const memory = place && layout.memoryXMemories[place.memory], k = place && kernels[place.memory], staging = place && own.staging[place.memory];
    assert(place !== undefined && memory !== undefined && k !== undefined && staging !== undefined, `parameter ${parameter} has a place`);
    return { place, kernels: k, memory, staging };
  };
  const weightsOf = (parameter: number, step: number): number => at(parameter).place.weights[step % 2 === 0 ? 0 : 1];

  const send = (message: Extract<MemoryXCommand, { type: 'memoryx.send' }>): void => {
    const linear = program.linears[message.linear];
    const block = message.pass === 0 ? linear?.forwardBlocks[message.block] : linear?.deltaBlocks[message.block];
    const slot = arena.weightSlots[message.slot];
    assert(linear !== undefined && block !== undefined && slot !== undefined, 'the block and its slot exist');
    const { kernels: k, memory, staging } = at(linear.weight);
    const weights = weightsOf(linear.weight, message.step);
    const contracted = message.pass === 0 ? linear.inputs : linear.outputs;
    if (message.pass === 0) k.packForward(staging, weights, linear.inputs, linear.outputs, block.first, block.count);
    else k.packDelta(staging, weights, linear.outputs, block.first, block.count);
    const packed = contracted * block.count;
    floats(arenaMemory, slot, packed).set(floats(memory, staging, packed));
    const bias = message.pass === 0 ? linear.bias : null;
    if (bias !== null) floats(arenaMemory, slot + packed * 4, block.count).set(floats(at(bias).memory, weightsOf(bias, message.step) + block.first * 4, block.count));
    count(countersOf(message.step), 'weightBytesOut', (packed + (bias === null ? 0 : block.count)) * 4);
  };

  const collect = (message: Extract<MemoryXCommand, { type: 'memoryx.collect' }>): void => {
    const linear = program.linears[message.linear], block = linear?.forwardBlocks[message.block], nodes = incoming[message.microBatch];
    assert(linear !== undefined && block !== undefined && nodes !== undefined, 'the block and the micro-batch are in the program');
    const shape = blockShape(linear, message.block);
    const key = `${message.linear}/${message.block}`;
    const stack = stacks.get(key) ?? new NodeStack();
    stacks.set(key, stack);
    const weight = at(linear.weight);
    const nodeFloats = shape.nodeBytes / 4, rowBytes = shape.width * 4, stride = linear.outputs * 4;
    /** The block's place in a gradient buffer: the weight's rows, then the bias's. */
    const parts = (position: number) => [
      { part: weight, home: (weight.place.gradients[position] as number) + block.first * 4, staged: weight.staging, rows: linear.inputs },
      ...(linear.bias === null ? [] : [{ part: at(linear.bias), home: (at(linear.bias).place.gradients[position] as number) + block.first * 4, staged: weight.staging + linear.inputs * rowBytes, rows: 1 }]),
    ];
    const values: StackValues = {
      take(position) {
        for (const { part, home, staged, rows } of parts(position)) {
          if (part.memory === weight.memory) part.kernels.copyRows(home, stride, staged, rowBytes, rows, block.count);
          else floats(part.memory, home, block.count).set(floats(weight.memory, staged, block.count));
        }
      },
      add(position) {
        for (const { part, home, staged, rows } of parts(position)) {
          if (part.memory === weight.memory) for (let r = 0; r < rows; r++) part.kernels.add(home + r * stride, home + r * stride, staged + r * rowBytes, block.count);
          else {
            floats(part.memory, part.staging, block.count).set(floats(weight.memory, staged, block.count));
            part.kernels.add(home, home, part.staging, block.count);
          }
        }
      },
      fold(position) {
        const right = parts(position + 1);
        parts(position).forEach(({ part, home, rows }, i) => {
          const from = right[i]?.home as number;
          for (let r = 0; r < rows; r++) part.kernels.add(home + r * stride, home + r * stride, from + r * stride, block.count);
        });
      },
    };
    for (const node of nodes) {
      floats(weight.memory, weight.staging, nodeFloats).set(floats(arenaMemory, nodeAddress(arena.bands, node.slot, message.slot, shape), nodeFloats));
      stack.push(node, values);
      count(countersOf(message.step), 'gradientBytesIn', shape.rows * block.count * 4);
    }
    if (message.microBatch === microBatches.length - 1) stack.finish(values);
  };

  const update = (step: number, parameter: number): void => {
    const spec = program.model.parameters[parameter];
    const { place, kernels: k } = at(parameter);
    assert(spec !== undefined, `parameter ${parameter} is in the model`);
    if (scalars?.step !== step) scalars = { step, values: scalarsAt(layout.optimizer, step) };
    const journal = new Int32Array(layout.journal, (parameter * units + unit) * journalWords * 4, journalWords);
    const share = { place, ...unitShare(spec.size, unit, units), undo: own.undo[place.memory] as number, kernels: k, journal };
    count(countersOf(step), 'optimizerElements', updateShare(share, layout.optimizer, scalars.values, step));
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
          assert(side !== null && embedding !== undefined && microBatch !== undefined && band !== undefined, 'there is a table to gather from');
          const rows = side.gather(weightsOf(embedding.table, message.step), microBatch, band, unit);
          count(countersOf(message.step), 'gatheredRows', rows);
          count(countersOf(message.step), 'weightBytesOut', rows * embedding.dim * 4);
          break;
        }
        case 'memoryx.scatter': {
          const microBatch = microBatches[message.microBatch];
          assert(side !== null && microBatch !== undefined, 'there is a table to scatter to');
          side.scatter(microBatch, message.microBatch === microBatches.length - 1);
          break;
        }
        case 'memoryx.update':
          update(message.step, message.parameter);
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
