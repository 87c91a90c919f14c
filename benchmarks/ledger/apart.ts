/**
 * Public numbers that the model cannot be held against, with the reason. Not here: rows with predictions.
 */
import type { ApartRow } from './types.js';

const resident = 'the weights rest on the wafer and do not stream; the model prices weight streaming alone';
const solver = 'a solver with code of its own; the model prices the passes of a network';

export const apart: readonly ApartRow[] = [
  // Weights that rest on the wafer.
  { id: 'apart/wafer-llm-decode', what: 'decoding of Llama 3 8B, one request, 420 × 420 tiles of a WSE-2', published: '2,699.9 tokens/s', kind: 'measurement', reading: 'first-hand', source: 'waferLlm', reason: resident },
  { id: 'apart/wafer-llm-decode-13b', what: 'decoding of Llama 2 13B, one request, 420 × 420 tiles of a WSE-2', published: '2,039.2 tokens/s', kind: 'measurement', reading: 'first-hand', source: 'waferLlm', reason: resident },
  { id: 'apart/wafer-llm-prefill', what: 'prefill of 4,096 tokens of Llama 3 8B on 480 × 480, 600 × 600 and 720 × 720 tiles', published: '20,320.6, 25,037.2, 27,686.5 tokens/s', kind: 'measurement', reading: 'first-hand', source: 'waferLlm', reason: resident },
  {
    id: 'apart/wafer-llm-gemv', what: 'one vector of 16,384 (32,768) numbers times a square matrix on a WSE-2', published: '1.2 µs (2.03 µs)', kind: 'measurement', reading: 'first-hand', source: 'waferLlm',
    reason: 'the rectangle of the best figure is not stated, and the matrix rests on the wafer',
  },
  // Collectives.
  {
    id: 'apart/reduce', what: 'Reduce and AllReduce along lines and rectangles of a CS-2', published: 'model within 4 % of the measurements; up to 3.27 times as fast as the vendor\'s', kind: 'measurement', reading: 'secondary', source: 'reduce',
    reason: 'the measured cycles stand in figures, not in tables; its formula is the model\'s own (docs/timing.md), so agreement would be no test',
  },
  // Other programs on the wafer.
  { id: 'apart/stencil', what: 'BiCGStab on a mesh of 600 × 595 × 1,536 points, CS-1', published: '0.86 PFLOP/s, about a third of the peak', kind: 'measurement', reading: 'first-hand', source: 'stencil', reason: solver },
  { id: 'apart/fft', what: 'three-dimensional FFT of 512³ complex numbers, fp32, 512 × 512 tiles of a CS-2', published: '959 µs', kind: 'measurement', reading: 'first-hand', source: 'fft', reason: 'all-to-all exchanges between the tiles of a line; no pass of a network sends so' },
  { id: 'apart/spmm', what: 'sparse times dense matrix, 90 % sparse, CS-3', published: '100 times a CPU', kind: 'measurement', reading: 'secondary', source: 'spmm', reason: 'a ratio to a processor whose own time is not in what was read' },
  {
    id: 'apart/summa', what: 'matrix product of 4 × 4 tiles, 14 × 14 fp32 a tile, WSE-2, vendor\'s simulator: 784 vector multiply-adds of 14 elements a tile', published: '45,783 cycles, 58 a vector', kind: 'measurement', reading: 'first-hand', source: 'simulatorTrace',
    reason: 'scalar loops with pointer arithmetic cost three quarters of it, which the products of the machine\'s own kernels do not have; the page\'s address is not known',
  },
  // Encoders and vision.
  { id: 'apart/bert-large', what: 'BERT-large, 128 tokens, batch 1,024, one CS-2, November 2023', published: '4,048 samples/s', kind: 'measurement', reading: 'first-hand', source: 'alcfExamples', reason: 'encoders are not emulated (docs/not-emulated.md)' },
  { id: 'apart/bert-large-batches', what: 'BERT-large, 128 tokens, batch 512, 1,024, 2,048, one CS-2, March and April 2024', published: '2,938, 4,847, 6,728 samples/s', kind: 'measurement', reading: 'first-hand', source: 'userLogs', reason: 'encoders are not emulated' },
  { id: 'apart/esm2', what: 'ESM-2 35M, micro-batch 64, batch 2,048, one CS-2, August 2024', published: '586 samples/s', kind: 'measurement', reading: 'first-hand', source: 'alcfExamples', reason: 'encoders are not emulated' },
  { id: 'apart/dit', what: 'diffusion transformer of 2 billion parameters, batch 1,100, one CS-2, January 2025', published: '405.45 samples/s', kind: 'measurement', reading: 'first-hand', source: 'alcfExamples', reason: 'diffusion models are not emulated' },
  // The host decides.
  {
    id: 'apart/fc-mnist', what: 'ten layers of 50 features, batch 2, one CS-2, November 2023', published: '396 samples/s, 5 ms a step', kind: 'measurement', reading: 'first-hand', source: 'alcfFirstSteps',
    reason: 'software of the hosts takes milliseconds a step whatever the wafer does; the model prices the machine, not its hosts',
  },
  {
    id: 'apart/llama3-8b', what: 'Llama 3 8B, a configuration of 2,048 tokens, one CS-3, October 2025', published: '19.4 samples/s', kind: 'measurement', reading: 'first-hand', source: 'userLogs',
    reason: 'batch and micro-batch are not in what was read, nor a lasting address',
  },
  {
    id: 'apart/llama2-7b-cs3-estimate', what: 'what the vendor\'s compiler estimated for Llama 2 7B, batch 128, one CS-3', published: '34.1 samples/s, "may vary by 10–25 %"', kind: 'claim', reading: 'first-hand', source: 'userLogs',
    reason: 'an estimate of another model; the log beside it measured 32.44',
  },
  // Without a configuration.
  { id: 'apart/flor', what: 'FLOR 6.3B on Condor Galaxy 1', published: '2.5 days', kind: 'claim', reading: 'press', source: 'flor', reason: 'tokens, batch and number of systems are not in what was read' },
  { id: 'apart/peak-cs3', what: 'peak of a CS-3', published: '125 PFLOP/s', kind: 'claim', reading: 'press', source: 'dataSheets', reason: 'counts sparsity; ten times the dense peak of 900,000 cores with 8 multiply-adds at 0.875 GHz' },
  { id: 'apart/memoryx-bandwidth', what: 'bandwidth of a MemoryX unit', published: 'matches or exceeds the 1.2 Tb/s of a system', kind: 'claim', reading: 'first-hand', source: 'weightStreaming', reason: 'an input of the model (src/spec), not a result' },
  { id: 'apart/sparse-inference', what: 'GPT-3 1.3B, 83.8 % sparse', published: '3 times fewer FLOP of inference, 4.3 times fewer parameters', kind: 'derived', reading: 'first-hand', source: 'iterativePruning', reason: 'counted by its authors, not timed; which tensors stay dense is not in what was read' },
  { id: 'apart/roofline', what: 'throughput of BERT and GPT-3 on a WSE-2 over batch sizes', published: 'figures', kind: 'measurement', reading: 'secondary', source: 'llmBenchmark', reason: 'only its abstract was read' },
];
