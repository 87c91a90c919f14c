/**
 * The compiler's front: model + wafer + micro-batch → Program.
 *
 *   stream-order ─▶ rectangle (sram, placement) ─▶ Program
 *
 * Refuses here, before any thread starts, what cannot run. Not here: how many systems run it.
 */
import { slabTokens } from '../kernels/types.js';
import type { Model } from '../model/graph.js';
import { checkSpec, type WaferSpec } from '../spec/wafer.js';
import { ceilDiv } from '../util/units.js';
import { evenEdges, rowEdges } from './placement.js';
import { numericsVersion, type Program, type Rectangle } from './program.js';
import { checkRectangle, smallestRectangle } from './rectangle.js';
import { planSram } from './sram.js';
import { orderStreams } from './stream-order.js';

export interface CompileOptions {
  /** Tokens that one wafer holds at a time: its share of a micro-batch. */
  readonly tokens: number;
  readonly wafer: 'auto' | Rectangle;
  readonly spec: WaferSpec;
}

/** @throws InvalidModel, InvalidConfig, DoesNotFit */
export const compile = (model: Model, options: CompileOptions): Program => {
  const { tokens, spec } = options;
  checkSpec(spec);
  const order = orderStreams(model);
  const widths = order.buffers.map((buffer) => buffer.features);
  const plan = (rectangle: Rectangle) => planSram(widths, tokens, slabTokens, rectangle, spec);
  const rectangle = options.wafer === 'auto' ? smallestRectangle(tokens, Math.max(...widths), spec, plan) : { rows: options.wafer.rows, cols: options.wafer.cols };
  const sram = checkRectangle(rectangle, spec, plan);
  const blockFloatsMax = Math.max(
    0,
    ...order.linears.flatMap((linear) => [
      ...linear.forwardBlocks.map((block) => (linear.inputs + 1) * block.count),
      ...linear.deltaBlocks.map((block) => linear.outputs * block.count),
    ]),
  );
  return {
    numericsVersion,
    model,
    rectangle,
    slabs: ceilDiv(tokens, slabTokens),
    rowEdges: rowEdges(tokens, rectangle.rows, slabTokens),
    buffers: order.buffers.map(({ name, features, scratch }) => ({ name, features, scratch, featureEdges: evenEdges(features, rectangle.cols) })),
    linears: order.linears,
    passes: order.passes,
    sram,
    blockFloatsMax,
  };
};

